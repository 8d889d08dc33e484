#include "agent/imports/nbd_reader.h"

#include <libnbd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <list>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::imports {
namespace {

constexpr char kAllocation[] = LIBNBD_CONTEXT_BASE_ALLOCATION;
// Together they bound what this holds in memory.
constexpr size_t kReadBytes = 1 << 20;
constexpr uint64_t kBlockBytes = 4096;
constexpr size_t kReadsInFlight = 16;
// What one question about holes is about. A file may be one of many small pieces: no question is
// asked while the answers of earlier ones still wait for their reads.
constexpr uint64_t kExtentsBytes = 1 << 30;
constexpr size_t kEnoughExtents = 64;
constexpr absl::Duration kLookAround = absl::Milliseconds(250);

struct Extent {
  uint64_t offset;
  uint64_t bytes;
};

struct Read {
  uint64_t offset;
  std::string data;
  bool done = false;
  int error = 0;
};

struct ExtentsQuestion {
  bool asked = false;
  bool done = false;
  int error = 0;
  uint64_t next_offset = 0;  // what is before it is known
};

absl::Status Failed(absl::string_view how) {
  return Error(absl::StatusCode::kAborted, "DECODER_FAILED",
               absl::StrCat("the program that reads the file ", how));
}

absl::Status Unreadable(uint64_t offset, int error) {
  return Error(absl::StatusCode::kInvalidArgument, "QCOW2_UNREADABLE",
               absl::ErrnoToStatus(error, absl::StrCat("the file is damaged: its disk cannot be "
                                                       "read at byte ",
                                                       offset))
                   .message());
}

}  // namespace

class NbdReader::Impl {
 public:
  Impl(absl::Duration patience, GoesOn goes_on)
      : patience_(patience), goes_on_(std::move(goes_on)) {}
  ~Impl() { Close(); }

  absl::Status Connect(UniqueFd socket) {
    handle_ = nbd_create();
    if (handle_ == nullptr) return Failed("cannot be spoken to: there is no memory");
    if (nbd_add_meta_context(handle_, kAllocation) != 0 ||
        nbd_set_pread_initialize(handle_, false) != 0 ||
        nbd_aio_connect_socket(handle_, socket.release()) != 0) {
      return Broken();
    }
    RETURN_IF_ERROR(Await([&] { return nbd_aio_is_connecting(handle_) == 0; }));
    if (nbd_aio_is_ready(handle_) != 1) return Broken();
    const int64_t size = nbd_get_size(handle_);
    if (size < 0) return Broken();
    size_ = Bytes(static_cast<uint64_t>(size));
    if (nbd_can_meta_context(handle_, kAllocation) != 1) {
      return Failed("does not say where there is data");
    }
    return absl::OkStatus();
  }

  Bytes size() const { return size_; }

  absl::Status ReadData(const DataSink& sink) {
    for (;;) {
      RETURN_IF_ERROR(AskForExtents());
      RETURN_IF_ERROR(StartReads());
      if (reads_.empty() && !question_.asked) return absl::OkStatus();
      RETURN_IF_ERROR(Await([&] { return question_.done || AnyReadIsDone(); }));
      RETURN_IF_ERROR(TakeExtents());
      RETURN_IF_ERROR(TakeReads(sink));
    }
  }

  void Close() {
    if (handle_ != nullptr) nbd_close(std::exchange(handle_, nullptr));
  }

 private:
  // The C callbacks: all run on this thread, within nbd_poll.
  static int OnRead(void* read, int* error) noexcept {
    static_cast<Read*>(read)->done = true;
    static_cast<Read*>(read)->error = *error;
    return 1;
  }

  static int OnExtents(void* impl, const char* context, uint64_t offset, uint32_t* entries,
                       size_t count, int* /*error*/) noexcept {
    if (absl::string_view(context) != kAllocation) return 0;
    auto& self = *static_cast<Impl*>(impl);
    for (size_t i = 0; i + 1 < count && offset < self.size_.count(); i += 2) {
      const uint64_t bytes = std::min<uint64_t>(entries[i], self.size_.count() - offset);
      if ((entries[i + 1] & LIBNBD_STATE_ZERO) == 0) self.AddExtent(offset, offset + bytes);
      offset += bytes;
    }
    self.question_.next_offset = std::max(self.question_.next_offset, offset);
    return 0;
  }

  static int OnExtentsDone(void* impl, int* error) noexcept {
    auto& self = *static_cast<Impl*>(impl);
    self.question_.done = true;
    self.question_.error = *error;
    return 1;
  }

  // Widened to whole blocks, which the sink wants, and without what was added before.
  void AddExtent(uint64_t begin, uint64_t end) {
    begin = std::max(begin - begin % kBlockBytes, added_to_);
    end = std::min((end + kBlockBytes - 1) / kBlockBytes * kBlockBytes, size_.count());
    if (begin >= end) return;
    if (!extents_.empty() && begin == added_to_) {
      extents_.back().bytes += end - begin;
    } else {
      extents_.push_back({begin, end - begin});
    }
    added_to_ = end;
  }

  absl::Status AskForExtents() {
    if (question_.asked || question_.next_offset >= size_.count() ||
        extents_.size() >= kEnoughExtents) {
      return absl::OkStatus();
    }
    asked_at_ = question_.next_offset;
    question_.asked = true;
    const uint64_t bytes = std::min(kExtentsBytes, size_.count() - asked_at_);
    const nbd_extent_callback on_extents = {.callback = OnExtents, .user_data = this};
    const nbd_completion_callback on_done = {.callback = OnExtentsDone, .user_data = this};
    if (nbd_aio_block_status(handle_, bytes, asked_at_, on_extents, on_done, 0) < 0) {
      return Broken();
    }
    return absl::OkStatus();
  }

  absl::Status TakeExtents() {
    if (!question_.done) return absl::OkStatus();
    if (nbd_aio_is_dead(handle_) == 1) return Broken();
    if (question_.error != 0) return Unreadable(asked_at_, question_.error);
    if (question_.next_offset == asked_at_) return Failed("does not say where there is data");
    question_.asked = question_.done = false;
    return absl::OkStatus();
  }

  absl::Status StartReads() {
    while (reads_.size() < kReadsInFlight && !extents_.empty()) {
      Extent& extent = extents_.front();
      // None crosses a multiple of kReadBytes, so that each is in one object of the image.
      const uint64_t to_boundary = kReadBytes - extent.offset % kReadBytes;
      const uint64_t bytes = std::min(extent.bytes, to_boundary);
      Read& read = reads_.emplace_back(Read{.offset = extent.offset});
      read.data.resize(bytes);
      extent.offset += bytes;
      extent.bytes -= bytes;
      if (extent.bytes == 0) extents_.pop_front();
      const nbd_completion_callback on_read = {.callback = OnRead, .user_data = &read};
      if (nbd_aio_pread(handle_, read.data.data(), bytes, read.offset, on_read, 0) < 0) {
        return Broken();
      }
    }
    return absl::OkStatus();
  }

  bool AnyReadIsDone() const {
    return std::any_of(reads_.begin(), reads_.end(), [](const Read& read) { return read.done; });
  }

  absl::Status TakeReads(const DataSink& sink) {
    for (auto read = reads_.begin(); read != reads_.end();) {
      if (!read->done) {
        ++read;
        continue;
      }
      if (nbd_aio_is_dead(handle_) == 1) return Broken();
      if (read->error != 0) return Unreadable(read->offset, read->error);
      RETURN_IF_ERROR(sink(read->offset, std::move(read->data)));
      read = reads_.erase(read);
    }
    return absl::OkStatus();
  }

  template <typename Condition>
  absl::Status Await(Condition condition) {
    const absl::Time until = absl::Now() + patience_;
    while (!condition()) {
      RETURN_IF_ERROR(goes_on_());
      if (absl::Now() > until) {
        return Failed(absl::StrCat("has not answered for ", absl::FormatDuration(patience_)));
      }
      if (nbd_poll(handle_, static_cast<int>(absl::ToInt64Milliseconds(kLookAround))) < 0) {
        return Broken();
      }
    }
    return absl::OkStatus();
  }

  absl::Status Broken() const {
    const char* const text = nbd_get_error();
    return Failed(absl::StrCat("ended, or cannot be understood (",
                               text == nullptr ? "the connection was closed" : text, ")"));
  }

  const absl::Duration patience_;
  const GoesOn goes_on_;
  Bytes size_;
  ExtentsQuestion question_;
  uint64_t asked_at_ = 0;
  std::deque<Extent> extents_;
  uint64_t added_to_ = 0;  // where the last of them ended
  std::list<Read> reads_;  // libnbd writes to them until the handle is closed
  nbd_handle* handle_ = nullptr;
};

absl::StatusOr<NbdReader> NbdReader::Connect(UniqueFd socket, absl::Duration patience,
                                             GoesOn goes_on) {
  auto impl = std::make_unique<Impl>(patience, std::move(goes_on));
  RETURN_IF_ERROR(impl->Connect(std::move(socket)));
  return NbdReader(std::move(impl));
}

NbdReader::NbdReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
NbdReader::~NbdReader() = default;
NbdReader::NbdReader(NbdReader&&) noexcept = default;

Bytes NbdReader::size() const { return impl_->size(); }
absl::Status NbdReader::ReadData(const DataSink& sink) { return impl_->ReadData(sink); }
void NbdReader::Close() { impl_->Close(); }

}  // namespace hvagent::imports
