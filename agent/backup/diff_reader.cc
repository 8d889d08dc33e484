#include "agent/backup/diff_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/backup/read_ahead.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::backup {
namespace {

std::string TagText(char tag) {
  return absl::StrCat("'", absl::CHexEscape(absl::string_view(&tag, 1)), "'");
}

}  // namespace

absl::Status DiffReader::Refuse(absl::string_view why) const {
  return Error(absl::StatusCode::kInvalidArgument, "DIFF_REFUSED",
               absl::StrCat("the stream is refused at byte ", taken_, ": ", why));
}

// Whether there is something to take.
absl::StatusOr<bool> DiffReader::Fill() {
  if (at_ < piece_.size()) return true;
  ASSIGN_OR_RETURN(piece_, source_());
  at_ = 0;
  return !piece_.empty();
}

absl::StatusOr<std::string> DiffReader::Take(size_t count) {
  std::string bytes;
  while (bytes.size() < count) {
    ASSIGN_OR_RETURN(const bool more, Fill());
    if (!more) {
      return Error(absl::StatusCode::kInvalidArgument, "TRUNCATED_STREAM",
                   absl::StrCat("the stream was cut off after ", taken_,
                                " bytes: it has no end record, or stops within one"));
    }
    const size_t part = std::min(count - bytes.size(), piece_.size() - at_);
    bytes.append(piece_, at_, part);
    at_ += part;
    taken_ += part;
  }
  return bytes;
}

absl::StatusOr<char> DiffReader::TakeTag() {
  ASSIGN_OR_RETURN(const std::string tag, Take(1));
  return tag.front();
}

template <typename Integer>
absl::StatusOr<Integer> DiffReader::TakeInteger() {
  ASSIGN_OR_RETURN(const std::string bytes, Take(sizeof(Integer)));
  Integer value = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    value |= static_cast<Integer>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return value;
}

absl::StatusOr<std::string> DiffReader::TakeName() {
  ASSIGN_OR_RETURN(const auto length, TakeInteger<uint32_t>());
  if (length == 0 || length > kMaxDiffNameBytes) {
    return Refuse(absl::StrCat("a snapshot's name of ", length, " bytes"));
  }
  ASSIGN_OR_RETURN(std::string name, Take(length));
  if (!std::all_of(name.begin(), name.end(), absl::ascii_isprint)) {
    return Refuse("a snapshot's name has bytes that are not printable ASCII");
  }
  return name;
}

absl::Status DiffReader::TakeSize(uint64_t& size_bytes) {
  ASSIGN_OR_RETURN(size_bytes, TakeInteger<uint64_t>());
  if (size_bytes > 0 && size_bytes <= max_size_.count()) return absl::OkStatus();
  return Refuse(absl::StrCat("a disk of ", size_bytes, " bytes, and 1 to ", max_size_.count(),
                             " are allowed here"));
}

absl::StatusOr<DiffHeader> DiffReader::ReadHeader() {
  ASSIGN_OR_RETURN(const std::string magic, Take(kDiffMagic.size()));
  if (magic != kDiffMagic) {
    return Refuse(absl::StartsWith(magic, "rbd image v")
                      ? "it is an image as `rbd export --export-format 2` writes it: use `rbd "
                        "export-diff`"
                      : "it does not begin as version 1 of the format of `rbd export-diff` does");
  }
  DiffHeader header;
  while (true) {
    ASSIGN_OR_RETURN(const char tag, TakeTag());
    switch (tag) {
      case kFromSnapshotTag:
      case kToSnapshotTag: {
        std::string& name = tag == kFromSnapshotTag ? header.from_snapshot : header.to_snapshot;
        if (!name.empty()) return Refuse("a second name for the same snapshot");
        ASSIGN_OR_RETURN(name, TakeName());
        break;
      }
      case kSizeTag:
        if (header.size_bytes != 0) return Refuse("a second size");
        RETURN_IF_ERROR(TakeSize(header.size_bytes));
        break;
      case kDataTag:
      case kZerosTag:
      case kEndTag:
        if (header.size_bytes == 0) return Refuse("changes come before the disk's size");
        size_bytes_ = header.size_bytes;
        tag_ = tag;
        return header;
      default:
        return Refuse(absl::StrCat("a record of the unknown kind ", TagText(tag)));
    }
  }
}

// Its offset and length, after which its data comes.
absl::Status DiffReader::TakeRecord(char tag) {
  if (tag != kDataTag && tag != kZerosTag) {
    return Refuse(absl::StrCat("a record of the kind ", TagText(tag), " among the changes"));
  }
  ASSIGN_OR_RETURN(const auto offset, TakeInteger<uint64_t>());
  ASSIGN_OR_RETURN(const auto length, TakeInteger<uint64_t>());
  if (offset > size_bytes_ || length > size_bytes_ - offset) {
    return Refuse(absl::StrCat("a change of ", length, " bytes at ", offset, ", and the disk has ",
                               size_bytes_));
  }
  if (offset < rest_.offset_bytes) {
    return Refuse(absl::StrCat("a change at ", offset, ", which is not behind the one before it"));
  }
  rest_ = {offset, length, tag == kDataTag};
  return absl::OkStatus();
}

absl::Status DiffReader::TakeEnd() {
  ASSIGN_OR_RETURN(const bool more, Fill());
  return more ? Refuse("something comes behind its end") : absl::OkStatus();
}

absl::StatusOr<std::optional<DiffReader::Change>> DiffReader::Next() {
  while (rest_.length_bytes == 0) {
    char tag = std::exchange(tag_, 0);
    if (tag == 0) {
      ASSIGN_OR_RETURN(tag, TakeTag());
    }
    if (tag == kEndTag) {
      RETURN_IF_ERROR(TakeEnd());
      return std::nullopt;
    }
    RETURN_IF_ERROR(TakeRecord(tag));
  }
  Change change{rest_, ""};
  change.extent.length_bytes =
      std::min(rest_.length_bytes, kReadBytes - rest_.offset_bytes % kReadBytes);
  if (rest_.has_data) {
    ASSIGN_OR_RETURN(change.data, Take(change.extent.length_bytes));
  }
  rest_.offset_bytes += change.extent.length_bytes;
  rest_.length_bytes -= change.extent.length_bytes;
  return change;
}

}  // namespace hvagent::backup
