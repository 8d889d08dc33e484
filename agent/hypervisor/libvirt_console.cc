#include "agent/hypervisor/libvirt_console.h"

#include <array>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/hypervisor/libvirt_error.h"
#include "agent/hypervisor/libvirt_handles.h"
#include "base/error.h"
#include "base/mutex.h"
#include "base/status_macros.h"

namespace hvagent::hypervisor {
namespace {

constexpr char kWhat[] = "cannot open the console of the domain";
// A libvirtd that dies does not wake its streams, so waiting ends now and then to look.
constexpr absl::Duration kLookAtConnection = absl::Seconds(1);

struct VirStreamDeleter {
  void operator()(virStreamPtr stream) const { virStreamFree(stream); }
};
using VirStream = std::unique_ptr<virStream, VirStreamDeleter>;

absl::Status Lost(absl::string_view why) {
  return Error(absl::StatusCode::kUnavailable, "CONSOLE_LOST",
               absl::StrCat("the console was lost: ", why));
}

// A stream that does not block, and what libvirt's event loop has told of it. Shared with the loop.
class StreamState {
 public:
  // `connection` is held as long as the stream.
  StreamState(VirConnect connection, VirStream stream)
      : connection_(std::move(connection)), stream_(std::move(stream)) {}

  // Calls `attempt`, virStreamRecv or virStreamSend, until it does not have to wait for `event`.
  // nullopt: the console was ended.
  template <typename Attempt>
  absl::StatusOr<std::optional<int>> Until(int event, Attempt attempt) {
    while (!ended()) {
      const int done = attempt(stream_.get());
      if (done >= 0) return std::optional<int>(done);
      if (done != -2) return Lost(virGetLastErrorMessage());
      if (virConnectIsAlive(connection_.get()) != 1) return Lost("libvirtd went away");
      Await(event);
    }
    return std::optional<int>();
  }

  void End() {
    MutexLock lock(mutex_);
    ended_ = true;
    changed_.SignalAll();
  }

  // After the last other call. Talks to libvirtd, which may hang.
  void Close() {
    virStreamEventRemoveCallback(stream_.get());
    virStreamAbort(stream_.get());
  }

  // Hears of `stream` from now on. What the loop holds of `self` goes with Close.
  static absl::Status Listen(const std::shared_ptr<StreamState>& self) {
    auto held = std::make_unique<std::shared_ptr<StreamState>>(self);
    const auto on_event = [](virStreamPtr, int events, void* data) {
      (*static_cast<std::shared_ptr<StreamState>*>(data))->OnEvent(events);
    };
    const auto release = [](void* data) {
      delete static_cast<std::shared_ptr<StreamState>*>(data);
    };
    if (virStreamEventAddCallback(self->stream_.get(),
                                  VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP, on_event,
                                  held.get(), release) != 0) {
      return LibvirtError("cannot follow the console");
    }
    (void)held.release();  // the loop's
    return absl::OkStatus();
  }

 private:
  bool ended() const {
    MutexLock lock(mutex_);
    return ended_;
  }

  // The loop would tell of what has been told until it is seen to, so it is asked only while
  // somebody waits.
  void Await(int event) {
    MutexLock lock(mutex_);
    if (ended_) return;
    asked_ |= event;
    virStreamEventUpdateCallback(stream_.get(), asked_);
    changed_.WaitFor(mutex_, kLookAtConnection);
  }

  void OnEvent(int events) {
    MutexLock lock(mutex_);
    asked_ &= ~events;
    virStreamEventUpdateCallback(stream_.get(), asked_);
    changed_.SignalAll();
  }

  const VirConnect connection_;
  const VirStream stream_;
  mutable Mutex mutex_;
  CondVar changed_;
  int asked_ ABSL_GUARDED_BY(mutex_) = VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

class LibvirtConsole final : public Console {
 public:
  explicit LibvirtConsole(std::shared_ptr<StreamState> stream) : stream_(std::move(stream)) {}

  // Closing may hang, so it is left to a thread that nobody waits for.
  ~LibvirtConsole() override {
    std::thread([stream = std::move(stream_)] { stream->Close(); }).detach();
  }

  absl::StatusOr<std::string> Read() override {
    std::array<char, 4096> buffer;
    ASSIGN_OR_RETURN(const std::optional<int> count,
                     stream_->Until(VIR_STREAM_EVENT_READABLE, [&](virStreamPtr stream) {
                       return virStreamRecv(stream, buffer.data(), buffer.size());
                     }));
    return std::string(buffer.data(), static_cast<size_t>(count.value_or(0)));
  }

  absl::Status Write(absl::string_view bytes) override {
    while (!bytes.empty()) {
      ASSIGN_OR_RETURN(const std::optional<int> count,
                       stream_->Until(VIR_STREAM_EVENT_WRITABLE, [&](virStreamPtr stream) {
                         return virStreamSend(stream, bytes.data(), bytes.size());
                       }));
      if (!count.has_value()) {
        return Error(absl::StatusCode::kFailedPrecondition, "CONSOLE_ENDED",
                     "the console has ended");
      }
      bytes.remove_prefix(static_cast<size_t>(*count));
    }
    return absl::OkStatus();
  }

  void End() override { stream_->End(); }

 private:
  std::shared_ptr<StreamState> stream_;
};

// What libvirt's refusal means: it says in words only that somebody else has the console.
absl::Status OpenFailed(virDomainPtr domain, const absl::Status& error, bool take_over) {
  if (virDomainIsActive(domain) == 0) {
    return Error(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_RUNNING",
                 absl::StrCat("cannot open the console of domain ", virDomainGetName(domain),
                              ": it does not run; start it"));
  }
  if (take_over || RawCode(error, "libvirt") != VIR_ERR_OPERATION_FAILED) return error;
  return Error(absl::StatusCode::kFailedPrecondition, "CONSOLE_IN_USE",
               absl::StrCat("the console of domain ", virDomainGetName(domain),
                            " is in use by somebody else; it can be taken over (--force)"));
}

absl::StatusOr<std::shared_ptr<StreamState>> OpenStream(virConnectPtr connection, const Uuid& uuid,
                                                        bool take_over) {
  const VirDomain domain(virDomainLookupByUUID(connection, uuid.bytes().data()));
  if (domain == nullptr) return LibvirtError(kWhat);
  VirStream stream(virStreamNew(connection, VIR_STREAM_NONBLOCK));
  if (stream == nullptr) return LibvirtError(kWhat);
  const unsigned int flags = take_over ? VIR_DOMAIN_CONSOLE_FORCE : 0;
  if (virDomainOpenConsole(domain.get(), /*dev_name=*/nullptr, stream.get(), flags) != 0) {
    return OpenFailed(domain.get(), LibvirtError(kWhat), take_over);
  }
  virConnectRef(connection);
  auto state = std::make_shared<StreamState>(VirConnect(connection), std::move(stream));
  RETURN_IF_ERROR(StreamState::Listen(state));
  return state;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Console>> OpenLibvirtConsole(LibvirtConnection& connection,
                                                            const Uuid& uuid, bool take_over) {
  ASSIGN_OR_RETURN(std::shared_ptr<StreamState> opened,
                   connection.Call(kWhat, [uuid, take_over](virConnectPtr raw) {
                     return OpenStream(raw, uuid, take_over);
                   }));
  return std::make_unique<LibvirtConsole>(std::move(opened));
}

}  // namespace hvagent::hypervisor
