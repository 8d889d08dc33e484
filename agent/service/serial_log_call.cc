#include "agent/service/serial_log_call.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/service/grpc_status.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::service {
namespace {

constexpr size_t kChunkSize = 64 << 10;
// How often a log that is followed is looked at.
constexpr absl::Duration kPause = absl::Milliseconds(250);

absl::Status FileError(absl::string_view path) {
  if (errno == ENOENT) {
    return Error(absl::StatusCode::kNotFound, "NO_SERIAL_LOG",
                 absl::StrCat("there is no ", path,
                              ": the guest has not started since serial ports are logged here"));
  }
  return Error(absl::StatusCode::kInternal, "LOG_UNREADABLE",
               absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path)).message());
}

// virtlogd renames a log that is full, and begins another.
bool IsStill(const UniqueFd& log, const std::string& path) {
  struct stat open {
  }, named{};
  return ::fstat(log.get(), &open) == 0 && ::stat(path.c_str(), &named) == 0 &&
         open.st_ino == named.st_ino && open.st_dev == named.st_dev;
}

// Where the last `lines` lines of the log begin.
absl::StatusOr<off_t> TailStart(const UniqueFd& log, uint32_t lines, absl::string_view path) {
  const off_t size = ::lseek(log.get(), 0, SEEK_END);
  if (size < 0) return FileError(path);
  std::string block(kChunkSize, '\0');
  uint32_t seen = 0;
  for (off_t end = size; end > 0;) {
    const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(block.size()));
    const ssize_t count = ::pread(log.get(), block.data(), static_cast<size_t>(end - begin), begin);
    if (count < 0) return FileError(path);
    for (ssize_t i = count - 1; i >= 0; --i) {
      // The newline that ends the log ends its last line.
      if (block[static_cast<size_t>(i)] != '\n' || begin + i + 1 == size) continue;
      if (++seen == lines) return begin + i + 1;
    }
    end = begin;
  }
  return 0;
}

}  // namespace

SerialLogCall::SerialLogCall(v1::ReadLogRequest request, Finder find, WorkerPool& streams)
    : request_(std::move(request)), find_(std::move(find)) {
  const absl::Status queued = streams.Submit([this] {
    absl::Status status = Run();
    status.Update(AwaitWritten());
    Finish(ToGrpcStatus(status));
  });
  if (!queued.ok()) Finish(ToGrpcStatus(queued));
}

void SerialLogCall::OnWriteDone(bool ok) {
  MutexLock lock(mutex_);
  writing_ = false;
  if (!ok) gone_ = true;
  changed_.SignalAll();
}

void SerialLogCall::OnCancel() {
  MutexLock lock(mutex_);
  gone_ = true;
  changed_.SignalAll();
}

absl::Status SerialLogCall::Run() {
  ASSIGN_OR_RETURN(const std::string path, find_(request_));
  UniqueFd log(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!log) return FileError(path);
  off_t start = 0;
  if (request_.tail_lines() > 0) {
    ASSIGN_OR_RETURN(start, TailStart(log, request_.tail_lines(), path));
  }
  if (::lseek(log.get(), start, SEEK_SET) < 0) return FileError(path);
  while (true) {
    const bool still = IsStill(log, path);  // before what is then its rest is read
    RETURN_IF_ERROR(SendRest(log));
    if (!request_.follow()) return absl::OkStatus();
    if (!still) {
      UniqueFd next(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
      if (next) {
        log = std::move(next);
        continue;
      }
    }
    RETURN_IF_ERROR(Pause());
  }
}

absl::Status SerialLogCall::SendRest(const UniqueFd& log) {
  while (true) {
    std::string bytes(kChunkSize, '\0');
    const ssize_t count = ::read(log.get(), bytes.data(), bytes.size());
    if (count < 0) return FileError("the log");
    if (count == 0) return absl::OkStatus();
    bytes.resize(static_cast<size_t>(count));
    RETURN_IF_ERROR(Send(std::move(bytes)));
  }
}

absl::Status SerialLogCall::Send(std::string bytes) {
  RETURN_IF_ERROR(AwaitWritten());
  message_.set_data(std::move(bytes));
  {
    MutexLock lock(mutex_);
    writing_ = true;
  }
  StartWrite(&message_);
  return absl::OkStatus();
}

absl::Status SerialLogCall::AwaitWritten() {
  MutexLock lock(mutex_);
  while (writing_) changed_.Wait(mutex_);
  return gone_ ? absl::CancelledError("the client went away") : absl::OkStatus();
}

absl::Status SerialLogCall::Pause() {
  const absl::Duration end = SystemClock().Monotonic() + kPause;
  MutexLock lock(mutex_);
  while (!gone_) {
    const absl::Duration left = end - SystemClock().Monotonic();
    if (left <= absl::ZeroDuration()) return absl::OkStatus();
    changed_.WaitFor(mutex_, left);
  }
  return absl::CancelledError("the client went away");
}

}  // namespace hvagent::service
