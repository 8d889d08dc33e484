#include "agent/hypervisor/libvirt_connection.h"

#include <glog/logging.h>
#include <pthread.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/hypervisor/event_dispatcher.h"
#include "agent/hypervisor/libvirt_event_loop.h"
#include "agent/hypervisor/libvirt_session.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mutex.h"

namespace hvagent::hypervisor {
namespace {

// One less than libvirtd's default max_client_requests: with 5 requests of ours under way it
// reads no more from us, the answers to its keepalives included.
constexpr size_t kMaxRunningCalls = 4;
constexpr size_t kMaxAbandonedCalls = 8;
constexpr absl::Duration kCloseTimeout = absl::Seconds(5);

absl::Status Unavailable(absl::string_view message) {
  return Error(absl::StatusCode::kUnavailable, "LIBVIRT_UNAVAILABLE", message);
}

absl::Status AllStuck(absl::string_view uri) {
  return Unavailable(
      absl::StrCat(kMaxAbandonedCalls, " calls hang in libvirt at ", uri, "; look at libvirtd"));
}

// A call failed and its connection is gone, which libvirt reports in many ways.
absl::Status ConnectionLost(const absl::Status& error) {
  absl::Status status = Error(
      absl::StatusCode::kUnavailable, "LIBVIRT_CONNECTION_LOST",
      absl::StrCat(error.message(),
                   "; the connection to libvirt ended during the call, so its outcome is unknown"));
  if (const auto code = RawCode(error, "libvirt")) SetRawCode(status, "libvirt", *code);
  return status;
}

// The pauses between attempts to connect. Not thread-safe.
class Backoff {
 public:
  Backoff(absl::Duration min, absl::Duration max) : min_(min), max_(max), next_(min) {}

  void Reset() { next_ = min_; }

  // Half of the pause is random, so that the agents of a rack do not come back in step.
  absl::Duration Next() {
    const absl::Duration pause = next_ * std::uniform_real_distribution<>(0.5, 1.0)(random_);
    next_ = std::min(next_ * 2, max_);
    return pause;
  }

 private:
  const absl::Duration min_;
  const absl::Duration max_;
  absl::Duration next_;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace

// Shared with the thread that connects, with libvirt's callbacks and with calls, each of which
// may hang and so outlive the LibvirtConnection.
struct LibvirtConnection::State {
  explicit State(LibvirtOptions connection_options) : options(std::move(connection_options)) {
    health = Unavailable(absl::StrCat("connecting to libvirt at ", options.uri));
  }

  const LibvirtOptions options;
  EventDispatcher domain_events{"domain-events"};
  EventDispatcher secret_events{"secret-events"};

  Mutex mutex;
  CondVar changed;
  // The open session, or none. They are numbered, so that late news of one cannot harm the next.
  std::shared_ptr<LibvirtSession> session ABSL_GUARDED_BY(mutex);
  uint64_t session_number ABSL_GUARDED_BY(mutex) = 0;
  // The last one known to have ended, which may be before it was published.
  uint64_t lost_number ABSL_GUARDED_BY(mutex) = 0;
  // Given up, and to be released by the thread that connects, since closing may hang.
  std::vector<std::shared_ptr<LibvirtSession>> retired ABSL_GUARDED_BY(mutex);
  absl::Status health ABSL_GUARDED_BY(mutex);
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  bool stopped ABSL_GUARDED_BY(mutex) = false;

  // Gives session `number` up. Does not block and calls nothing of libvirt's.
  void Lose(uint64_t number, absl::string_view reason) {
    MutexLock lock(mutex);
    lost_number = std::max(lost_number, number);
    if (session == nullptr || number != session_number) return;
    health = Unavailable(absl::StrCat("lost the connection to libvirt at ", options.uri, ": ",
                                      reason, "; connecting again"));
    LOG(WARNING) << health.message();
    retired.push_back(std::exchange(session, nullptr));
    changed.SignalAll();
  }

  // Session `number` while it is the open one.
  std::shared_ptr<LibvirtSession> Find(uint64_t number) {
    MutexLock lock(mutex);
    return number == session_number ? session : nullptr;
  }

  // Makes session `number` the open one, or notes why there is none.
  void Publish(uint64_t number, absl::StatusOr<std::unique_ptr<LibvirtSession>> opened) {
    MutexLock lock(mutex);
    if (!opened.ok()) {
      if (opened.status() != health) LOG(WARNING) << opened.status().message();
      health = opened.status();
      return;
    }
    if (stopping || lost_number >= number) {
      retired.push_back(*std::move(opened));
      return;
    }
    LOG(INFO) << "connected to libvirt at " << options.uri;
    session = *std::move(opened);
    session_number = number;
    health = absl::OkStatus();
    changed.SignalAll();
    domain_events.Post(std::nullopt);
    secret_events.Post(std::nullopt);
  }

  // Blocks while a session is open, and releases those that were given up. Returns whether
  // another one is wanted.
  bool AwaitDisconnection() {
    while (true) {
      std::vector<std::shared_ptr<LibvirtSession>> closing;  // released outside the lock
      MutexLock lock(mutex);
      while (!stopping && retired.empty() && session != nullptr) changed.Wait(mutex);
      if (retired.empty()) return !stopping;
      closing.swap(retired);
    }
  }

  // Returns false when it was cut short because nothing is wanted any more.
  bool Pause(absl::Duration pause) {
    const absl::Duration end = SystemClock().Monotonic() + pause;
    MutexLock lock(mutex);
    while (!stopping) {
      const absl::Duration left = end - SystemClock().Monotonic();
      if (left <= absl::ZeroDuration()) return true;
      changed.WaitFor(mutex, left);
    }
    return false;
  }
};

LibvirtConnection::LibvirtConnection(LibvirtOptions options)
    : state_(std::make_shared<State>(std::move(options))),
      calls_("libvirt-call", kMaxRunningCalls, kMaxAbandonedCalls) {
  StartLibvirtEventLoop();
  std::thread([state = state_] { KeepConnected(state); }).detach();
}

LibvirtConnection::~LibvirtConnection() {
  SetDomainListener(nullptr);
  SetSecretListener(nullptr);
  const absl::Duration deadline = SystemClock().Monotonic() + kCloseTimeout;
  MutexLock lock(state_->mutex);
  state_->stopping = true;
  if (state_->session != nullptr) {
    state_->retired.push_back(std::exchange(state_->session, nullptr));
  }
  state_->changed.SignalAll();
  while (!state_->stopped) {
    const absl::Duration left = deadline - SystemClock().Monotonic();
    if (left <= absl::ZeroDuration()) break;  // it hangs in libvirt, and is left there
    state_->changed.WaitFor(state_->mutex, left);
  }
}

absl::Status LibvirtConnection::Health() const {
  if (calls_.abandoned() >= kMaxAbandonedCalls) return AllStuck(state_->options.uri);
  MutexLock lock(state_->mutex);
  return state_->health;
}

absl::StatusOr<HostInfo> LibvirtConnection::Host() const {
  MutexLock lock(state_->mutex);
  if (state_->session == nullptr) return state_->health;
  return state_->session->host();
}

void LibvirtConnection::SetDomainListener(DomainListener listener) {
  state_->domain_events.SetListener(std::move(listener));
}

void LibvirtConnection::SetSecretListener(secrets::SecretListener listener) {
  state_->secret_events.SetListener(std::move(listener));
}

absl::Status LibvirtConnection::WaitUntilConnected(absl::Duration timeout) {
  const absl::Duration deadline = SystemClock().Monotonic() + timeout;
  MutexLock lock(state_->mutex);
  while (state_->session == nullptr) {
    const absl::Duration left = deadline - SystemClock().Monotonic();
    if (left <= absl::ZeroDuration()) break;
    state_->changed.WaitFor(state_->mutex, left);
  }
  return state_->health;
}

// The body of the thread that connects, closes and connects again. It alone may hang in an open or
// a close, so never more than one thread does; an open that hangs ends when libvirtd goes on or
// dies.
void LibvirtConnection::KeepConnected(const std::shared_ptr<State>& state) {
  pthread_setname_np(pthread_self(), "libvirt-connect");
  const LibvirtOptions& options = state->options;
  Backoff backoff(options.min_reconnect_pause, options.max_reconnect_pause);
  absl::Duration connected_at = SystemClock().Monotonic();
  for (uint64_t number = 1; state->AwaitDisconnection(); ++number) {
    // One that ends soon after it was made counts as a failure.
    if (SystemClock().Monotonic() - connected_at > options.max_reconnect_pause) backoff.Reset();
    if (number > 1 && !state->Pause(backoff.Next())) continue;
    connected_at = SystemClock().Monotonic();
    auto session = LibvirtSession::Open(
        options.uri, options.keepalive_interval, options.keepalive_count,
        {.domain_changed = [state](const Uuid& uuid) { state->domain_events.Post(uuid); },
         .secret_changed = [state](const Uuid& uuid) { state->secret_events.Post(uuid); },
         .closed = [state, number](absl::string_view why) { state->Lose(number, why); }});
    state->Publish(number, std::move(session));
  }
  MutexLock lock(state->mutex);
  state->stopped = true;
  state->changed.SignalAll();
}

absl::Status LibvirtConnection::Run(absl::string_view what,
                                    std::function<absl::Status(virConnectPtr)> function) {
  uint64_t number = 0;
  {
    MutexLock lock(state_->mutex);
    if (state_->session == nullptr) return Annotate(state_->health, what);
    number = state_->session_number;
  }
  auto result = std::make_shared<absl::Status>();
  const absl::Duration timeout = state_->options.call_timeout;
  const CallPool::Outcome outcome =
      calls_.Run(timeout, [state = state_, number, result, function = std::move(function)] {
        // Looked up here: a caller must never hold the last reference, since closing may hang.
        const std::shared_ptr<LibvirtSession> session = state->Find(number);
        if (session == nullptr) {
          *result = Unavailable("the connection to libvirt ended before the call");
          return;
        }
        *result = function(session->connection());
        if (result->ok() || session->IsAlive()) return;
        *result = ConnectionLost(*result);
        state->Lose(number, "a call found it closed");
      });
  switch (outcome) {
    case CallPool::Outcome::kDone:
      return *result;
    case CallPool::Outcome::kAbandoned:
      state_->Lose(number, absl::StrCat("no answer within ", absl::FormatDuration(timeout)));
      return Error(
          absl::StatusCode::kDeadlineExceeded, "LIBVIRT_TIMEOUT",
          absl::StrCat(what, ": libvirt gave no answer within ", absl::FormatDuration(timeout),
                       "; whether it was done is unknown, so look before trying again"));
    case CallPool::Outcome::kNotStarted:
      return Unavailable(absl::StrCat(what, ": ", kMaxRunningCalls,
                                      " other calls kept libvirt busy for ",
                                      absl::FormatDuration(timeout), "; nothing was done"));
    case CallPool::Outcome::kAllStuck:
      break;
  }
  // Not Health's answer: they may have come to their end since, and this call was not made.
  return Annotate(AllStuck(state_->options.uri), what);
}

}  // namespace hvagent::hypervisor
