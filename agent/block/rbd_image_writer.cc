#include "agent/block/rbd_image_writer.h"

#include <algorithm>
#include <utility>

#include "agent/block/block_error.h"
#include "base/status_macros.h"

namespace hvagent::block {
namespace {

// Enough for several objects of 8 MiB at once. A small write counts for more than it has, so that
// their number is bounded too.
constexpr size_t kMaxInFlightBytes = MiB(32).count();
constexpr size_t kLeastBytes = KiB(64).count();

}  // namespace

RbdImageWriter::RbdImageWriter(RbdConnection& connection, std::shared_ptr<RadosSession> session,
                               RbdImage image, ImageName name, Bytes size)
    : connection_(connection),
      session_(std::move(session)),
      name_(std::move(name)),
      image_(std::move(image)),
      size_(size) {}

RbdImageWriter::~RbdImageWriter() { Drain().IgnoreError(); }

template <typename Start>
absl::Status RbdImageWriter::Queue(size_t data_bytes, Start start) {
  const size_t bytes = std::max(data_bytes, kLeastBytes);
  RETURN_IF_ERROR(WaitForRoom(bytes));
  auto pending = std::make_unique<Pending>(Pending{this, bytes});
  rbd_completion_t completion = nullptr;
  RETURN_IF_ERROR(Note(image_.ToStatus(
      rbd_aio_create_completion(pending.get(), OnWritten, &completion), "write to")));
  {
    MutexLock lock(mutex_);
    in_flight_bytes_ += bytes;
  }
  const int result = start(completion);
  if (result == 0) {
    pending.release();  // OnWritten's from here on, which may have run already
    return absl::OkStatus();
  }
  rbd_aio_release(completion);
  MutexLock lock(mutex_);
  in_flight_bytes_ -= bytes;
  return Note(image_.ToStatus(result, "write to"));
}

absl::Status RbdImageWriter::Write(uint64_t offset_bytes, absl::string_view data) {
  RETURN_IF_ERROR(Note(CheckWriteFits(name_, size_, offset_bytes, data.size())));
  return Queue(data.size(), [&](rbd_completion_t completion) {
    return rbd_aio_write(image_.handle(), offset_bytes, data.size(), data.data(), completion);
  });
}

absl::Status RbdImageWriter::WriteZeros(uint64_t offset_bytes, uint64_t length_bytes) {
  RETURN_IF_ERROR(Note(CheckWriteFits(name_, size_, offset_bytes, length_bytes)));
  return Queue(0, [&](rbd_completion_t completion) {
    return rbd_aio_write_zeroes(image_.handle(), offset_bytes, length_bytes, completion, 0, 0);
  });
}

void RbdImageWriter::OnWritten(rbd_completion_t completion, void* pending_write) noexcept {
  const std::unique_ptr<Pending> pending(static_cast<Pending*>(pending_write));
  const int result = static_cast<int>(rbd_aio_get_return_value(completion));
  rbd_aio_release(completion);
  RbdImageWriter& writer = *pending->writer;
  MutexLock lock(writer.mutex_);
  writer.in_flight_bytes_ -= pending->bytes;
  if (result < 0 && writer.failed_write_ == 0) writer.failed_write_ = result;
  // Still under the lock: once it sees nothing in flight the writer may be destroyed.
  writer.written_.SignalAll();
}

absl::Status RbdImageWriter::WaitForRoom(size_t bytes) {
  int failed_write = 0;
  {
    MutexLock lock(mutex_);
    while (in_flight_bytes_ > 0 && in_flight_bytes_ + bytes > kMaxInFlightBytes) {
      written_.Wait(mutex_);
    }
    failed_write = failed_write_;
  }
  return Note(image_.ToStatus(failed_write, "write to"));
}

absl::Status RbdImageWriter::Drain() { return WaitForRoom(kMaxInFlightBytes); }

absl::Status RbdImageWriter::Note(absl::Status status) {
  if (status_.ok() && !status.ok()) {
    connection_.Report(session_, status);
    status_ = std::move(status);
  }
  return status_;
}

absl::Status RbdImageWriter::Resize(Bytes size) {
  RETURN_IF_ERROR(Drain());
  RETURN_IF_ERROR(Note(image_.Resize(size)));
  size_ = size;
  return absl::OkStatus();
}

absl::Status RbdImageWriter::Flush() {
  RETURN_IF_ERROR(Drain());
  return Note(image_.ToStatus(rbd_flush(image_.handle()), "flush"));
}

absl::Status RbdImageWriter::SetMetadata(const std::map<std::string, std::string>& metadata) {
  RETURN_IF_ERROR(Flush());
  for (const auto& [key, value] : metadata) RETURN_IF_ERROR(Note(image_.SetMetadata(key, value)));
  return absl::OkStatus();
}

absl::Status RbdImageWriter::CreateProtectedSnapshot(const std::string& snapshot) {
  RETURN_IF_ERROR(CreateSnapshot(snapshot));
  return Note(image_.Protect(snapshot));
}

absl::Status RbdImageWriter::CreateSnapshot(const std::string& snapshot) {
  RETURN_IF_ERROR(Drain());
  return Note(image_.CreateSnapshot(snapshot, RbdImage::Quiesce::kNobody));
}

absl::Status RbdImageWriter::Finish() {
  Flush().IgnoreError();
  return Note(std::move(image_).Close());
}

}  // namespace hvagent::block
