#include "agent/block/rbd_image_reader.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "agent/block/block_error.h"
#include "base/status_macros.h"

namespace hvagent::block {
namespace {

// Objects that lie no farther apart are asked about together, several at once.
constexpr uint64_t kNearObjects = 8;

// The parts of [offset, end) that hold `changed`, widened so that near ones are one.
std::vector<Extent> Clusters(const std::vector<Extent>& changed, uint64_t near_bytes) {
  std::vector<Extent> clusters;
  for (const Extent& extent : changed) {
    if (!clusters.empty() && clusters.back().end_bytes() + near_bytes >= extent.offset_bytes) {
      clusters.back().length_bytes = extent.end_bytes() - clusters.back().offset_bytes;
    } else {
      clusters.push_back(extent);
    }
  }
  return clusters;
}

int AppendExtent(uint64_t offset, size_t length, int exists, void* extents) {
  static_cast<std::vector<Extent>*>(extents)->push_back({offset, length, exists != 0});
  return 0;
}

// The same extents, none of them over the border of two objects.
std::vector<Extent> CutAtObjects(const std::vector<Extent>& extents, uint64_t object_size) {
  std::vector<Extent> cut;
  for (Extent rest : extents) {
    while (rest.length_bytes > 0) {
      const uint64_t part =
          std::min(rest.length_bytes, object_size - rest.offset_bytes % object_size);
      cut.push_back({rest.offset_bytes, part, rest.has_data});
      rest.offset_bytes += part;
      rest.length_bytes -= part;
    }
  }
  return cut;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ImageReader>> RbdImageReader::Open(RbdConnection& connection,
                                                                  const ImageName& name,
                                                                  const std::string& snapshot) {
  ASSIGN_OR_RETURN(std::shared_ptr<RadosSession> session, connection.Get());
  absl::StatusOr<RbdImage> image =
      snapshot.empty() ? RbdImage::OpenReadOnly(*session, name)
                       : RbdImage::OpenReadOnly(*session, SnapshotName{name, snapshot});
  if (!image.ok()) {
    connection.Report(session, image.status());
    return image.status();
  }
  std::unique_ptr<RbdImageReader> reader(
      new RbdImageReader(connection, std::move(session), *std::move(image), name));
  RETURN_IF_ERROR(reader->LookUp());
  return reader;
}

absl::Status RbdImageReader::LookUp() {
  ASSIGN_OR_RETURN(size_, image_.Size());
  ASSIGN_OR_RETURN(object_size_, image_.ObjectSize());
  uint64_t features = 0, flags = 0;
  RETURN_IF_ERROR(Note(rbd_get_features(image_.handle(), &features), "get the features of"));
  RETURN_IF_ERROR(Note(rbd_get_flags(image_.handle(), &flags), "get the flags of"));
  has_fast_diff_ = (features & RBD_FEATURE_FAST_DIFF) != 0 &&
                   (flags & (RBD_FLAG_FAST_DIFF_INVALID | RBD_FLAG_OBJECT_MAP_INVALID)) == 0;
  return absl::OkStatus();
}

RbdImageReader::~RbdImageReader() {
  MutexLock lock(mutex_);
  while (in_flight_ > 0) none_in_flight_.Wait(mutex_);
}

absl::Status RbdImageReader::Note(int result, absl::string_view action) {
  absl::Status status = image_.ToStatus(result, action);
  if (!status.ok()) connection_.Report(session_, status);
  return status;
}

absl::Status RbdImageReader::Iterate(const std::string& since, uint64_t offset_bytes,
                                     uint64_t length_bytes, Detail detail,
                                     std::vector<Extent>& extents) {
  const int result = rbd_diff_iterate2(
      image_.handle(), since.empty() ? nullptr : since.c_str(), offset_bytes, length_bytes,
      /*include_parent=*/1, detail == Detail::kWholeObject ? 1 : 0, AppendExtent, &extents);
  if (result == -ENOENT && !since.empty()) return SnapshotNotFound({name_, since});
  return Note(result, "compare snapshots of");
}

absl::StatusOr<std::vector<Extent>> RbdImageReader::Diff(const std::string& since,
                                                         uint64_t offset_bytes,
                                                         uint64_t length_bytes) {
  if (offset_bytes >= size_.count()) return std::vector<Extent>();
  length_bytes = std::min(length_bytes, size_.count() - offset_bytes);
  std::vector<Extent> where = {{offset_bytes, length_bytes, true}};
  if (has_fast_diff_) {
    // The object map is in memory, so it leaves only the objects that may differ to be asked about.
    std::vector<Extent> objects;
    RETURN_IF_ERROR(Iterate(since, offset_bytes, length_bytes, Detail::kWholeObject, objects));
    where = Clusters(objects, kNearObjects * object_size_.count());
  }
  std::vector<Extent> extents;
  for (const Extent& part : where) {
    RETURN_IF_ERROR(Iterate(since, part.offset_bytes, part.length_bytes, Detail::kExact, extents));
  }
  return CutAtObjects(extents, object_size_.count());
}

void RbdImageReader::Read(uint64_t offset_bytes, size_t length_bytes, Done done) {
  auto pending =
      std::make_unique<Pending>(Pending{this, std::string(length_bytes, '\0'), std::move(done)});
  rbd_completion_t completion = nullptr;
  int result = rbd_aio_create_completion(pending.get(), OnRead, &completion);
  if (result == 0) {
    {
      MutexLock lock(mutex_);
      ++in_flight_;
    }
    result =
        rbd_aio_read(image_.handle(), offset_bytes, length_bytes, pending->data.data(), completion);
    if (result == 0) {
      pending.release();  // OnRead's from here on, which may have run already
      return;
    }
    rbd_aio_release(completion);
    MutexLock lock(mutex_);
    --in_flight_;
  }
  pending->done(Note(result, "read"));
}

void RbdImageReader::OnRead(rbd_completion_t completion, void* pending_read) noexcept {
  const std::unique_ptr<Pending> pending(static_cast<Pending*>(pending_read));
  const int result = static_cast<int>(rbd_aio_get_return_value(completion));
  rbd_aio_release(completion);
  RbdImageReader& reader = *pending->reader;
  if (result < 0) {
    pending->done(reader.Note(result, "read"));
  } else {
    pending->data.resize(result);
    pending->done(std::move(pending->data));
  }
  MutexLock lock(reader.mutex_);
  // Still under the lock: once it sees nothing in flight the reader may be destroyed.
  if (--reader.in_flight_ == 0) reader.none_in_flight_.SignalAll();
}

}  // namespace hvagent::block
