#include "agent/block/memory_block_store.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hvagent::block {
namespace {

// Each writer is a client of its own here.
constexpr char kOwnAddress[] = "127.0.0.1:0/";

}  // namespace

template <typename Body>
std::invoke_result_t<Body, MemoryImages&> MemoryBlockStore::Call(Body body) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(health_);
  const bool fails = calls_until_failure_ > 0 && --calls_until_failure_ == 0;
  if (fails && failure_effect_ == Effect::kNone) return failure_;
  auto result = body(images_);
  if (fails) return failure_;
  return result;
}

class MemoryBlockStore::Reader : public ImageReader {
 public:
  Reader(MemoryBlockStore& store, SnapshotName name, Bytes size, Bytes object_size)
      : store_(store), name_(std::move(name)), size_(size), object_size_(object_size) {}

  Bytes size() const override { return size_; }
  Bytes object_size() const override { return object_size_; }

  absl::StatusOr<std::vector<Extent>> Diff(const std::string& since, uint64_t offset_bytes,
                                           uint64_t length_bytes) override {
    return store_.Call([&](MemoryImages& images) {
      return images.Diff(name_.image, name_.snapshot, since, offset_bytes, length_bytes);
    });
  }

  void Read(uint64_t offset_bytes, size_t length_bytes, Done done) override {
    store_.Count({.read_bytes = length_bytes, .written_bytes = 0});
    done(store_.Call([&](MemoryImages& images) {
      return images.ReadAt(name_.image, name_.snapshot, offset_bytes, length_bytes);
    }));
  }

 private:
  MemoryBlockStore& store_;
  const SnapshotName name_;
  const Bytes size_;
  const Bytes object_size_;
};

// Holds the image open, so has an address among its watchers.
class MemoryBlockStore::Writer : public ImageWriter {
 public:
  Writer(MemoryBlockStore& store, ImageName image, std::string address)
      : store_(store), image_(std::move(image)), address_(std::move(address)) {}
  ~Writer() override { store_.RemoveWatcher(address_); }

  absl::Status Write(uint64_t offset_bytes, absl::string_view data) override {
    store_.Count({.read_bytes = 0, .written_bytes = data.size()});
    return Do([&](MemoryImages& images) { return images.Write(image_, offset_bytes, data); });
  }

  absl::Status WriteZeros(uint64_t offset_bytes, uint64_t length_bytes) override {
    return Do([&](MemoryImages& images) {
      return images.WriteZeros(image_, offset_bytes, length_bytes);
    });
  }

  absl::Status Flush() override {
    return Do([](MemoryImages&) { return absl::OkStatus(); });
  }

  absl::Status SetMetadata(const std::map<std::string, std::string>& metadata) override {
    return Do(
        [&](MemoryImages& images) { return images.AmendImage(image_, {.metadata = metadata}); });
  }

  absl::Status CreateProtectedSnapshot(const std::string& snapshot) override {
    return Do([&](MemoryImages& images) {
      return images.CreateProtectedSnapshot({image_, snapshot}, store_.clock_.Now());
    });
  }

  absl::Status CreateSnapshot(const std::string& snapshot) override {
    return Do([&](MemoryImages& images) {
      return images.CreateSnapshot({image_, snapshot}, store_.clock_.Now());
    });
  }

  absl::Status Resize(Bytes size) override {
    return Do([&](MemoryImages& images) { return images.Resize(image_, size); });
  }

  absl::Status Finish() override {
    const absl::Status status = Do([](MemoryImages&) { return absl::OkStatus(); });
    store_.RemoveWatcher(address_);
    return status;
  }

 private:
  template <typename Body>
  absl::Status Do(Body body) {
    if (status_.ok()) status_ = store_.Call(body);
    return status_;
  }

  MemoryBlockStore& store_;
  const ImageName image_;
  const std::string address_;
  absl::Status status_;  // the first error, which sticks
};

MemoryBlockStore::MemoryBlockStore(std::string fsid, std::vector<Monitor> monitors,
                                   const Clock& clock)
    : fsid_(std::move(fsid)), monitors_(std::move(monitors)), clock_(clock) {}

void MemoryBlockStore::CreatePool(const std::string& pool) {
  MutexLock lock(mutex_);
  images_.CreatePool(pool);
}

void MemoryBlockStore::SetHealth(absl::Status status) {
  MutexLock lock(mutex_);
  health_ = std::move(status);
}

void MemoryBlockStore::FailNth(int n, absl::Status status, Effect effect) {
  MutexLock lock(mutex_);
  calls_until_failure_ = n;
  failure_ = std::move(status);
  failure_effect_ = effect;
}

void MemoryBlockStore::FailNext(absl::Status status, Effect effect) {
  FailNth(1, std::move(status), effect);
}

bool MemoryBlockStore::FailurePending() const {
  MutexLock lock(mutex_);
  return calls_until_failure_ > 0;
}

MemoryBlockStore::Traffic MemoryBlockStore::traffic() const {
  MutexLock lock(mutex_);
  return traffic_;
}

void MemoryBlockStore::Count(const Traffic& traffic) {
  MutexLock lock(mutex_);
  traffic_.read_bytes += traffic.read_bytes;
  traffic_.written_bytes += traffic.written_bytes;
}

void MemoryBlockStore::AddWatcher(const ImageName& image, const std::string& address) {
  MutexLock lock(mutex_);
  images_.AddWatcher(image, address);
}

void MemoryBlockStore::RemoveWatcher(const std::string& address) {
  MutexLock lock(mutex_);
  images_.RemoveWatcher(address);
}

absl::Status MemoryBlockStore::SetProtected(const SnapshotName& snapshot, bool is_protected) {
  MutexLock lock(mutex_);
  return images_.SetProtected(snapshot, is_protected);
}

absl::Status MemoryBlockStore::Health() const {
  MutexLock lock(mutex_);
  return health_;
}

absl::StatusOr<ClusterInfo> MemoryBlockStore::GetCluster() {
  return Call([&](MemoryImages&) -> absl::StatusOr<ClusterInfo> {
    return ClusterInfo{fsid_, monitors_, "memory"};
  });
}

absl::StatusOr<ImageInfo> MemoryBlockStore::GetImage(const ImageName& image) {
  return Call([&](MemoryImages& images) { return images.GetImage(image); });
}

absl::StatusOr<SnapshotInfo> MemoryBlockStore::GetSnapshot(const SnapshotName& snapshot) {
  return Call([&](MemoryImages& images) { return images.GetSnapshot(snapshot); });
}

absl::StatusOr<std::vector<std::string>> MemoryBlockStore::ListImages(const std::string& pool,
                                                                      const std::string& after,
                                                                      size_t limit) {
  return Call([&](MemoryImages& images) { return images.ListImages(pool, after, limit); });
}

absl::Status MemoryBlockStore::CreateImage(const ImageName& image, Bytes size, Bytes object_size) {
  return Call([&](MemoryImages& images) {
    return images.CreateImage(image, size, object_size, clock_.Now());
  });
}

absl::StatusOr<std::unique_ptr<ImageWriter>> MemoryBlockStore::OpenWriter(const ImageName& image) {
  RETURN_IF_ERROR(Call([&](MemoryImages& images) { return images.GetImage(image).status(); }));
  MutexLock lock(mutex_);
  std::string address = absl::StrCat(kOwnAddress, next_writer_++);
  images_.AddWatcher(image, address);
  return std::make_unique<Writer>(*this, image, std::move(address));
}

absl::StatusOr<std::unique_ptr<ImageReader>> MemoryBlockStore::OpenReader(
    const ImageName& image, const std::string& snapshot) {
  return Call([&](MemoryImages& images) -> absl::StatusOr<std::unique_ptr<ImageReader>> {
    ASSIGN_OR_RETURN(const ImageInfo info, images.GetImage(image));
    ASSIGN_OR_RETURN(const Bytes size, images.SizeAt(image, snapshot));
    return std::make_unique<Reader>(*this, SnapshotName{image, snapshot}, size, info.object_size);
  });
}

absl::StatusOr<std::string> MemoryBlockStore::ReadImage(const ImageName& image,
                                                        uint64_t offset_bytes,
                                                        size_t length_bytes) {
  return Call(
      [&](MemoryImages& images) { return images.ReadImage(image, offset_bytes, length_bytes); });
}

absl::Status MemoryBlockStore::CloneImage(const SnapshotName& parent, const ImageName& child) {
  return Call([&](MemoryImages& images) { return images.CloneImage(parent, child, clock_.Now()); });
}

absl::Status MemoryBlockStore::AmendImage(const ImageName& image, const ImageChange& change) {
  return Call([&](MemoryImages& images) { return images.AmendImage(image, change); });
}

absl::Status MemoryBlockStore::RenameImage(const ImageName& from, const std::string& to) {
  return Call([&](MemoryImages& images) { return images.RenameImage(from, to); });
}

absl::StatusOr<std::vector<std::string>> MemoryBlockStore::ListWatchers(const ImageName& image) {
  return Call([&](MemoryImages& images) { return images.ListWatchers(image); });
}

bool MemoryBlockStore::IsOwnWatcher(absl::string_view address) const {
  return absl::StartsWith(address, kOwnAddress);
}

absl::Status MemoryBlockStore::RemoveImage(const ImageName& image) {
  return Call([&](MemoryImages& images) { return images.RemoveImage(image); });
}

absl::Status MemoryBlockStore::CreateSnapshot(const SnapshotName& snapshot) {
  return Call([&](MemoryImages& images) { return images.CreateSnapshot(snapshot, clock_.Now()); });
}

absl::Status MemoryBlockStore::CreateProtectedSnapshot(const SnapshotName& snapshot) {
  return Call(
      [&](MemoryImages& images) { return images.CreateProtectedSnapshot(snapshot, clock_.Now()); });
}

absl::StatusOr<std::vector<Child>> MemoryBlockStore::ListChildren(const SnapshotName& snapshot) {
  return Call([&](MemoryImages& images) { return images.ListChildren(snapshot); });
}

absl::Status MemoryBlockStore::RemoveSnapshot(const SnapshotName& snapshot) {
  return Call([&](MemoryImages& images) { return images.RemoveSnapshot(snapshot); });
}

absl::Status MemoryBlockStore::MoveSnapshotToTrash(const SnapshotName& snapshot) {
  return Call([&](MemoryImages& images) { return images.MoveSnapshotToTrash(snapshot); });
}

absl::StatusOr<Bytes> MemoryBlockStore::MeasureSnapshot(const SnapshotName& snapshot) {
  return Call([&](MemoryImages& images) { return images.MeasureSnapshot(snapshot); });
}

absl::Status MemoryBlockStore::FlattenImage(const ImageName& image,
                                            const FlattenProgress& progress) {
  return Call([&](MemoryImages& images) { return images.FlattenImage(image, progress); });
}

absl::Status MemoryBlockStore::MoveToTrash(const ImageName& image, absl::Duration delay) {
  return Call([&](MemoryImages& images) { return images.MoveToTrash(image, delay, clock_.Now()); });
}

absl::StatusOr<std::vector<TrashedImage>> MemoryBlockStore::ListTrash(const std::string& pool,
                                                                      const std::string& after,
                                                                      size_t limit) {
  return Call([&](MemoryImages& images) { return images.ListTrash(pool, after, limit); });
}

absl::StatusOr<ImageInfo> MemoryBlockStore::GetTrashedImage(const std::string& pool,
                                                            const std::string& id) {
  return Call([&](MemoryImages& images) { return images.GetTrashedImage(pool, id); });
}

absl::Status MemoryBlockStore::RemoveFromTrash(const std::string& pool, const std::string& id) {
  return Call([&](MemoryImages& images) { return images.RemoveFromTrash(pool, id, clock_.Now()); });
}

absl::Status MemoryBlockStore::RestoreFromTrash(const std::string& pool, const std::string& id,
                                                const std::string& name) {
  return Call([&](MemoryImages& images) { return images.RestoreFromTrash(pool, id, name); });
}

}  // namespace hvagent::block
