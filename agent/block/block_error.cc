#include "agent/block/block_error.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/error.h"

namespace hvagent::block {
namespace {

absl::Status InTheWay(absl::string_view reason, absl::string_view message) {
  return Error(absl::StatusCode::kFailedPrecondition, reason, message);
}

}  // namespace

std::string FirstOf(const std::vector<std::string>& names) {
  constexpr size_t kShown = 10;
  const size_t shown = std::min(names.size(), kShown);
  std::string text = absl::StrJoin(names.begin(), names.begin() + shown, ", ");
  if (names.size() > shown) absl::StrAppend(&text, " and ", names.size() - shown, " more");
  return text;
}

std::string FirstOf(const std::vector<Child>& children) {
  std::vector<std::string> names;
  for (const Child& child : children) names.push_back(child.ToString());
  return FirstOf(names);
}

absl::Status PoolNotFound(absl::string_view pool) {
  return Error(absl::StatusCode::kNotFound, "POOL_NOT_FOUND",
               absl::StrCat("pool ", pool, " does not exist in the cluster"));
}

absl::Status ImageNotFound(const ImageName& image) {
  return Error(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND",
               absl::StrCat("image ", image.ToString(), " does not exist"));
}

absl::Status SnapshotNotFound(const SnapshotName& snapshot) {
  return Error(
      absl::StatusCode::kNotFound, "SNAPSHOT_NOT_FOUND",
      absl::StrCat("image ", snapshot.image.ToString(), " has no snapshot ", snapshot.snapshot));
}

absl::Status ObjectNotFound(const ObjectName& object) {
  return Error(absl::StatusCode::kNotFound, "OBJECT_NOT_FOUND",
               absl::StrCat("object ", object.ToString(), " does not exist"));
}

absl::Status ImageExists(const ImageName& image) {
  return Error(absl::StatusCode::kAlreadyExists, "IMAGE_EXISTS",
               absl::StrCat("image ", image.ToString(), " exists already"));
}

absl::Status SnapshotNotProtected(const SnapshotName& snapshot) {
  return InTheWay("SNAPSHOT_NOT_PROTECTED",
                  absl::StrCat("snapshot ", snapshot.ToString(),
                               " is not protected, so it cannot be cloned: protect it first"));
}

absl::Status ImageTooLarge(const ImageName& image, Bytes size, Bytes wanted) {
  return InTheWay("IMAGE_TOO_LARGE",
                  absl::StrCat("image ", image.ToString(), " has ", size.count(),
                               " bytes, more than ", wanted.count(), ": images only grow here"));
}

absl::Status ImageHasSnapshots(const ImageName& image, const std::vector<std::string>& names) {
  return InTheWay("IMAGE_HAS_SNAPSHOTS",
                  absl::StrCat("image ", image.ToString(), " has snapshots: ", FirstOf(names),
                               "; remove them first"));
}

absl::Status ImageInUse(const ImageName& image, const std::vector<std::string>& addresses) {
  const std::string by = addresses.empty() ? "a client that has gone since" : FirstOf(addresses);
  return InTheWay("IMAGE_IN_USE",
                  absl::StrCat("image ", image.ToString(), " is in use by ", by,
                               "; stop that client, or wait 30 s if it is dead already"));
}

absl::Status ImageHasChildren(const SnapshotName& snapshot, const std::vector<Child>& children) {
  const std::string which =
      children.empty() ? "which have gone since; try again" : FirstOf(children);
  return InTheWay("IMAGE_HAS_CHILDREN",
                  absl::StrCat("snapshot ", snapshot.ToString(), " has clones: ", which));
}

absl::Status TrashedImageNotFound(const std::string& pool, const std::string& id) {
  return Error(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND",
               absl::StrCat("pool ", pool, " has no image with id ", id, " in its trash"));
}

absl::Status TrashKept(const std::string& pool, const TrashedImage& image) {
  return InTheWay("TRASH_KEPT",
                  absl::StrCat("image ", pool, "/", image.name, " is kept in the trash until ",
                               absl::FormatTime(image.kept_until, absl::UTCTimeZone())));
}

absl::Status FlattenStopped(const ImageName& image) {
  return Error(absl::StatusCode::kCancelled, "FLATTEN_STOPPED",
               absl::StrCat("flattening image ", image.ToString(),
                            " was stopped; what was copied stays, and it is gone on with the next "
                            "time"));
}

absl::Status CheckObjectSize(Bytes object_size) {
  if (std::has_single_bit(object_size.count()) && object_size >= KiB(4) && object_size <= MiB(32)) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kInvalidArgument, "INVALID_OBJECT_SIZE",
               absl::StrCat("object size ", object_size.count(),
                            " bytes is not a power of two from 4 KiB to 32 MiB"));
}

absl::Status CheckWriteFits(const ImageName& image, Bytes size, uint64_t offset_bytes,
                            size_t length_bytes) {
  if (offset_bytes <= size.count() && length_bytes <= size.count() - offset_bytes) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kOutOfRange, "WRITE_PAST_END",
               absl::StrCat("write of ", length_bytes, " bytes at ", offset_bytes,
                            " goes past the end of image ", image.ToString(), ", which has ",
                            size.count(), " bytes"));
}

}  // namespace hvagent::block
