// Any bytes as the beginning of a qcow2 file, after which it has only zeros: refused with one short
// line, or a header whose sizes are ones that the decoder may be given, and a map that stays within
// the file and the disk.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "agent/imports/qcow2_header.h"
#include "agent/imports/qcow2_map.h"

namespace {

using hvagent::Bytes;
using hvagent::GiB;

using hvagent::imports::FileExtent;

constexpr Bytes kMaxDisk = GiB(64 << 10);

void Require(bool condition) {
  if (!condition) std::abort();
}

void CheckMap(const hvagent::imports::Qcow2Header& header, absl::string_view head,
              uint64_t file_size) {
  const auto map = hvagent::imports::MapPlainQcow2(
      header, file_size, [&](uint64_t offset, size_t length, char* bytes) {
        Require(offset <= file_size && length <= file_size - offset);
        std::fill_n(bytes, length, '\0');
        if (offset < head.size()) head.substr(offset).copy(bytes, length);
        return absl::OkStatus();
      });
  Require(map.ok());
  if (!map->has_value()) return;
  uint64_t disk_end = 0;
  uint64_t total = 0;
  for (const FileExtent& extent : **map) {
    Require(extent.bytes > 0 && extent.disk_offset >= disk_end);
    Require(extent.disk_offset % 4096 == 0 && extent.file_offset % 4096 == 0);
    Require(extent.file_offset <= file_size && extent.bytes <= file_size - extent.file_offset);
    disk_end = extent.disk_offset + extent.bytes;
    total += extent.bytes;
  }
  Require(disk_end <= header.virtual_size.count() && total <= file_size);
}

}  // namespace

// The first byte says how much longer than its head the file is.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view head(reinterpret_cast<const char*>(data) + 1, size - 1);
  const uint64_t file_size = head.size() + (uint64_t{data[0]} << 20);
  const auto header = hvagent::imports::InspectQcow2(head, file_size, kMaxDisk);
  if (header.ok()) {
    Require(header->version == 2 || header->version == 3);
    Require(header->virtual_size > Bytes(0) && header->virtual_size <= kMaxDisk);
    Require(header->virtual_size.count() % 512 == 0);
    Require(header->cluster_size >= Bytes(512) && header->cluster_size <= Bytes(2 << 20));
    Require(absl::StartsWith(head, absl::string_view("QFI\xfb", 4)));
    // Neither a backing file nor an external data file came through.
    Require(std::all_of(head.begin() + 8, head.begin() + 20, [](char c) { return c == 0; }));
    Require(header->version == 2 || (static_cast<unsigned char>(head[79]) & 0x07) == 0);
    CheckMap(*header, head, file_size);
    return 0;
  }
  Require(absl::IsInvalidArgument(header.status()));
  Require(!header.status().message().empty() && header.status().message().size() < 1000);
  Require(!absl::StrContains(header.status().message(), '\n'));
  return 0;
}
