// ImageReader on librbd.
#ifndef HVAGENT_AGENT_BLOCK_RBD_IMAGE_READER_H_
#define HVAGENT_AGENT_BLOCK_RBD_IMAGE_READER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/block/block_store.h"
#include "agent/block/rbd_connection.h"
#include "agent/block/rbd_image.h"
#include "base/mutex.h"

namespace hvagent::block {

class RbdImageReader : public ImageReader {
 public:
  // Opens `image` at `snapshot`, or as it is now where that is empty. The reader must not outlive
  // `connection`.
  static absl::StatusOr<std::unique_ptr<ImageReader>> Open(RbdConnection& connection,
                                                           const ImageName& name,
                                                           const std::string& snapshot);
  ~RbdImageReader() override;

  Bytes size() const override { return size_; }
  Bytes object_size() const override { return object_size_; }
  absl::StatusOr<std::vector<Extent>> Diff(const std::string& since, uint64_t offset_bytes,
                                           uint64_t length_bytes) override;
  void Read(uint64_t offset_bytes, size_t length_bytes, Done done) override;

 private:
  // A read in flight owns its buffer until librbd has done with it.
  struct Pending {
    RbdImageReader* reader;
    std::string data;
    Done done;
  };
  enum class Detail { kExact, kWholeObject };

  RbdImageReader(RbdConnection& connection, std::shared_ptr<RadosSession> session, RbdImage image,
                 ImageName name)
      : connection_(connection),
        session_(std::move(session)),
        name_(std::move(name)),
        image_(std::move(image)) {}

  absl::Status LookUp();
  static void OnRead(rbd_completion_t completion, void* pending_read) noexcept;
  // What librbd says of a range, after what is in `extents` already.
  absl::Status Iterate(const std::string& since, uint64_t offset_bytes, uint64_t length_bytes,
                       Detail detail, std::vector<Extent>& extents);
  // The status of librbd's `result`, of which the connection is told.
  absl::Status Note(int result, absl::string_view action);

  RbdConnection& connection_;
  const std::shared_ptr<RadosSession> session_;
  const ImageName name_;
  RbdImage image_;
  Bytes size_;
  Bytes object_size_;
  bool has_fast_diff_ = false;
  Mutex mutex_;
  CondVar none_in_flight_;
  int in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_RBD_IMAGE_READER_H_
