// ImageWriter on librbd: many writes in flight, bounded by their bytes.
#ifndef HVAGENT_AGENT_BLOCK_RBD_IMAGE_WRITER_H_
#define HVAGENT_AGENT_BLOCK_RBD_IMAGE_WRITER_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "agent/block/block_store.h"
#include "agent/block/rbd_connection.h"
#include "agent/block/rbd_image.h"
#include "base/mutex.h"

namespace hvagent::block {

class RbdImageWriter : public ImageWriter {
 public:
  // `image` is of `session`, which came from `connection`; the writer must not outlive that.
  RbdImageWriter(RbdConnection& connection, std::shared_ptr<RadosSession> session, RbdImage image,
                 ImageName name, Bytes size);
  ~RbdImageWriter() override;

  absl::Status Write(uint64_t offset_bytes, absl::string_view data) override;
  absl::Status WriteZeros(uint64_t offset_bytes, uint64_t length_bytes) override;
  absl::Status Resize(Bytes size) override;
  absl::Status Flush() override;
  absl::Status SetMetadata(const std::map<std::string, std::string>& metadata) override;
  absl::Status CreateSnapshot(const std::string& snapshot) override;
  absl::Status CreateProtectedSnapshot(const std::string& snapshot) override;
  absl::Status Finish() override;

 private:
  // A write in flight. librbd has a copy of its data (RadosSession::Connect).
  struct Pending {
    RbdImageWriter* writer;
    size_t bytes;  // that it counts for
  };

  // librbd's callback, on a thread of librbd.
  static void OnWritten(rbd_completion_t completion, void* pending_write) noexcept;

  // Queues what `start` asks librbd for. It counts for `data_bytes` in flight.
  template <typename Start>
  absl::Status Queue(size_t data_bytes, Start start);

  // Waits until little enough for `bytes` more, or nothing at all, is in flight. Returns the
  // writer's first error so far.
  absl::Status WaitForRoom(size_t bytes);
  absl::Status Drain();
  // Makes `status` the writer's if it is its first error, and tells the connection.
  absl::Status Note(absl::Status status);

  RbdConnection& connection_;
  const std::shared_ptr<RadosSession> session_;
  const ImageName name_;
  RbdImage image_;
  Bytes size_;
  absl::Status status_;  // the first error, which sticks
  Mutex mutex_;
  CondVar written_;
  size_t in_flight_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int failed_write_ ABSL_GUARDED_BY(mutex_) = 0;  // the first negative result of a write
};

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_RBD_IMAGE_WRITER_H_
