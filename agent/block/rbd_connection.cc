#include "agent/block/rbd_connection.h"

#include <glog/logging.h>
#include <pthread.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/block/rbd_error.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::block {
namespace {

constexpr absl::Duration kFirstBackoff = absl::Milliseconds(500);
constexpr absl::Duration kMaxBackoff = absl::Seconds(5);

absl::Status NotConnected(const RbdOptions& options, absl::string_view why) {
  return Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE",
               absl::StrCat("not connected to Ceph as ", options.entity, ": ", why));
}

}  // namespace

RbdConnection::RbdConnection(RbdOptions options)
    : options_(std::move(options)),
      health_(NotConnected(options_, "connecting")),
      thread_([this] { Run(); }) {}

RbdConnection::~RbdConnection() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.SignalAll();
  }
  thread_.join();
}

absl::Status RbdConnection::Health() const {
  MutexLock lock(mutex_);
  return health_;
}

absl::Status RbdConnection::WaitUntilHealthy(absl::Duration timeout) const {
  const absl::Duration deadline = SystemClock().Monotonic() + timeout;
  MutexLock lock(mutex_);
  while (!health_.ok() && changed_.WaitFor(mutex_, deadline - SystemClock().Monotonic())) {
  }
  return health_;
}

absl::StatusOr<std::shared_ptr<RadosSession>> RbdConnection::Get() const {
  MutexLock lock(mutex_);
  if (!health_.ok()) return health_;
  return session_;
}

void RbdConnection::Report(const std::shared_ptr<RadosSession>& session,
                           const absl::Status& status) {
  if (!IsConnectionSpoilt(status)) return;
  MutexLock lock(mutex_);
  if (session_ != session) return;  // another call has reported it before
  LOG(WARNING) << "drops its connection to Ceph and makes a new one: " << status.message();
  if (absl::IsDeadlineExceeded(status)) unfenced_.push_back(session_->address());
  retired_.push_back(std::move(session_));
  session_ = nullptr;
  health_ = NotConnected(options_, status.message());
  changed_.SignalAll();
}

void RbdConnection::Run() {
  pthread_setname_np(pthread_self(), "ceph-keeper");
  absl::Duration backoff = kFirstBackoff;
  while (true) {
    Probe();
    Connect();
    CloseRetired();
    MutexLock lock(mutex_);
    const bool connected = health_.ok();
    const absl::Duration due =
        SystemClock().Monotonic() + (connected ? options_.probe_interval : backoff);
    // A session that is reported as spoilt ends the wait.
    while (!stopping_ && health_.ok() == connected &&
           changed_.WaitFor(mutex_, due - SystemClock().Monotonic())) {
    }
    if (stopping_) return;
    backoff = connected ? kFirstBackoff : std::min(backoff * 2, kMaxBackoff);
  }
}

void RbdConnection::Probe() {
  std::shared_ptr<RadosSession> session;
  {
    MutexLock lock(mutex_);
    session = session_;
  }
  if (session == nullptr) return;
  Report(session, session->AskForMonMap().status());
}

void RbdConnection::Connect() {
  {
    MutexLock lock(mutex_);
    if (session_ != nullptr || stopping_) return;
  }
  absl::StatusOr<std::shared_ptr<RadosSession>> session = RadosSession::Connect(options_);
  if (session.ok()) {
    if (absl::Status fenced = FenceRetired(**session); !fenced.ok()) session = std::move(fenced);
  }
  MutexLock lock(mutex_);
  if (session.ok()) {
    LOG(INFO) << "connected to Ceph as " << options_.entity;
    session_ = *std::move(session);
    health_ = absl::OkStatus();
  } else {
    absl::Status health = NotConnected(options_, session.status().message());
    if (health != health_) LOG(WARNING) << health.message() << "; tries again";
    health_ = std::move(health);
  }
  changed_.SignalAll();
}

absl::Status RbdConnection::FenceRetired(const RadosSession& session) {
  std::vector<std::string> addresses;
  {
    MutexLock lock(mutex_);
    addresses = unfenced_;
  }
  for (const std::string& address : addresses) {
    const absl::Status fenced = session.Fence(address);
    if (absl::IsPermissionDenied(fenced)) {
      // Without the cap it can only wait for the locks of the old session to expire.
      LOG(ERROR) << fenced.message();
    } else {
      RETURN_IF_ERROR(fenced);
      LOG(INFO) << "fenced its own former connection " << address;
    }
  }
  MutexLock lock(mutex_);
  unfenced_.clear();
  return absl::OkStatus();
}

void RbdConnection::CloseRetired() {
  std::vector<std::shared_ptr<RadosSession>> unused;
  {
    MutexLock lock(mutex_);
    const auto in_use = std::partition(retired_.begin(), retired_.end(), [](const auto& session) {
      return session.use_count() == 1;  // and nobody else can get at it to make it more
    });
    unused.assign(std::make_move_iterator(retired_.begin()), std::make_move_iterator(in_use));
    retired_.erase(retired_.begin(), in_use);
  }
}

}  // namespace hvagent::block
