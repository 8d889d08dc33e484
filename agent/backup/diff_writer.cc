#include "agent/backup/diff_writer.h"

#include <algorithm>

#include "base/status_macros.h"

namespace hvagent::backup {
namespace {

template <typename Integer>
void Append(Integer value, std::string& text) {
  for (size_t i = 0; i < sizeof(Integer); ++i) text.push_back(static_cast<char>(value >> (8 * i)));
}

std::string NameRecord(DiffTag tag, const std::string& name) {
  std::string record(1, tag);
  Append(static_cast<uint32_t>(name.size()), record);
  return record + name;
}

std::string ChangeRecord(DiffTag tag, uint64_t offset_bytes, uint64_t length_bytes) {
  std::string record(1, tag);
  Append(offset_bytes, record);
  Append(length_bytes, record);
  return record;
}

}  // namespace

absl::Status DiffWriter::WriteHeader(const DiffHeader& header) {
  std::string text(kDiffMagic);
  if (!header.from_snapshot.empty()) text += NameRecord(kFromSnapshotTag, header.from_snapshot);
  if (!header.to_snapshot.empty()) text += NameRecord(kToSnapshotTag, header.to_snapshot);
  text.push_back(kSizeTag);
  Append(header.size_bytes, text);
  return Put(text);
}

absl::Status DiffWriter::WriteData(uint64_t offset_bytes, absl::string_view data) {
  RETURN_IF_ERROR(Put(ChangeRecord(kDataTag, offset_bytes, data.size())));
  return Put(data);
}

absl::Status DiffWriter::WriteZeros(uint64_t offset_bytes, uint64_t length_bytes) {
  return Put(ChangeRecord(kZerosTag, offset_bytes, length_bytes));
}

absl::Status DiffWriter::WriteEnd() {
  RETURN_IF_ERROR(Put(std::string(1, kEndTag)));
  return chunk_.empty() ? absl::OkStatus() : sink_(std::exchange(chunk_, ""));
}

absl::Status DiffWriter::Put(absl::string_view bytes) {
  while (!bytes.empty()) {
    chunk_.reserve(kChunkBytes);
    const absl::string_view part = bytes.substr(0, kChunkBytes - chunk_.size());
    chunk_.append(part.data(), part.size());
    bytes.remove_prefix(part.size());
    if (chunk_.size() == kChunkBytes) RETURN_IF_ERROR(sink_(std::exchange(chunk_, "")));
  }
  return absl::OkStatus();
}

}  // namespace hvagent::backup
