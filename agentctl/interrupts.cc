#include "agentctl/interrupts.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "agentctl/exit_code.h"

namespace hvagent::agentctl {
namespace {

// What the signal handler reads; it can have no argument.
std::atomic<int> g_interrupts{0};
std::atomic<bool> g_leaving{false};
std::atomic<int> g_event_fd{-1};

void Wake(int fd) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(fd, &one, sizeof one);
}

void OnInterrupt(int /*signal*/) {
  const int saved_errno = errno;
  if (g_interrupts.fetch_add(1) > 0) ::_exit(static_cast<int>(ExitCode::kInDoubt));
  Wake(g_event_fd.load());
  errno = saved_errno;
}

}  // namespace

void CancelSet::Add(grpc::ClientContext& call) {
  MutexLock lock(mutex_);
  calls_.insert(&call);
  if (cancelled_) call.TryCancel();
}

void CancelSet::Remove(grpc::ClientContext& call) {
  MutexLock lock(mutex_);
  calls_.erase(&call);
}

void CancelSet::CancelAll() {
  MutexLock lock(mutex_);
  cancelled_ = true;
  for (grpc::ClientContext* call : calls_) call->TryCancel();
}

Interrupts::Interrupts() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  g_interrupts = 0;
  g_leaving = false;
  g_event_fd = fd_;
  struct sigaction action {};
  action.sa_handler = OnInterrupt;
  // No SA_RESTART: a read from a pipe that says nothing must end too.
  ::sigaction(SIGINT, &action, &previous_);
  watcher_ = std::thread([this] {
    pollfd event{fd_, POLLIN, 0};
    while (::poll(&event, 1, -1) < 0 && errno == EINTR) {
    }
    if (!g_leaving) calls_.CancelAll();
  });
}

Interrupts::~Interrupts() {
  ::sigaction(SIGINT, &previous_, nullptr);
  g_leaving = true;
  Wake(fd_);
  watcher_.join();
  g_event_fd = -1;
  ::close(fd_);
}

bool Interrupts::interrupted() const { return g_interrupts > 0; }

}  // namespace hvagent::agentctl
