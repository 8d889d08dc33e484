// Any bytes as a stream of the `rbd diff` format: refused with one short line, or changes that lie
// within the disk, in order and apart from each other, and that written again read the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "agent/backup/diff_reader.h"
#include "agent/backup/diff_writer.h"
#include "agent/backup/read_ahead.h"

namespace {

using hvagent::backup::DiffReader;
using hvagent::backup::DiffWriter;

constexpr hvagent::Bytes kMaxDisk = hvagent::GiB(64 << 10);

void Require(bool condition) {
  if (!condition) std::abort();
}

void RequireRefusal(const absl::Status& status) {
  Require(absl::IsInvalidArgument(status));
  Require(!status.message().empty() && status.message().size() < 1000);
  Require(!absl::StrContains(status.message(), '\n'));
}

// Reads the stream in pieces, and writes what was read; nullopt where it is refused, or where it is
// very long.
std::optional<std::string> Copy(absl::string_view stream, size_t piece_bytes) {
  DiffReader reader(
      [&]() -> absl::StatusOr<std::string> {
        const absl::string_view piece = stream.substr(0, piece_bytes);
        stream.remove_prefix(piece.size());
        return std::string(piece);
      },
      kMaxDisk);
  const auto header = reader.ReadHeader();
  if (!header.ok()) {
    RequireRefusal(header.status());
    return std::nullopt;
  }
  Require(header->size_bytes > 0 && header->size_bytes <= kMaxDisk.count());
  std::string copy;
  DiffWriter writer([&](const std::string& chunk) {
    copy += chunk;
    return absl::OkStatus();
  });
  Require(writer.WriteHeader(*header).ok());
  uint64_t end_bytes = 0;
  for (int changes = 0; changes < 10000; ++changes) {
    const auto change = reader.Next();
    if (!change.ok()) {
      RequireRefusal(change.status());
      return std::nullopt;
    }
    if (!change->has_value()) {
      Require(stream.empty() && writer.WriteEnd().ok());
      return copy;
    }
    const auto& [extent, data] = **change;
    Require(extent.offset_bytes >= end_bytes && extent.length_bytes > 0);
    end_bytes = extent.end_bytes();
    Require(end_bytes <= header->size_bytes);
    Require(extent.offset_bytes / hvagent::backup::kReadBytes ==
            (end_bytes - 1) / hvagent::backup::kReadBytes);
    Require(data.size() == (extent.has_data ? extent.length_bytes : 0));
    Require((extent.has_data ? writer.WriteData(extent.offset_bytes, data)
                             : writer.WriteZeros(extent.offset_bytes, extent.length_bytes))
                .ok());
  }
  return std::nullopt;
}

}  // namespace

// The first byte says in which pieces the stream comes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto copy = Copy(stream, size_t{1} + data[0]);
  if (copy.has_value()) Require(Copy(*copy, size_t{1} << 20) == copy);
  return 0;
}
