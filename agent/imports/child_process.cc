#include "agent/imports/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::imports {
namespace {

constexpr int kFirstDescriptor = 3;
constexpr int kCannotRun = 127;
constexpr size_t kMaxLastWords = 300;

absl::Status CannotStart(int error) {
  return Error(
      absl::StatusCode::kResourceExhausted, "NO_CHILD_PROCESS",
      absl::ErrnoToStatus(error, "no child process could be started on this node").message());
}

bool Limit(int resource, uint64_t value) {
  const rlimit limit = {value, value};
  return setrlimit(static_cast<__rlimit_resource_t>(resource), &limit) == 0;
}

// What the child does between fork and exec, where only async-signal-safe calls are allowed.
[[noreturn]] void Become(char* const* argv, const std::vector<UniqueFd>& descriptors, int null,
                         int errors, const ChildLimits& limits) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  bool good = dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 &&
              dup2(errors, STDERR_FILENO) >= 0;
  int next = kFirstDescriptor;
  for (const UniqueFd& fd : descriptors) good = good && dup2(fd.get(), next++) >= 0;
  good = good && syscall(SYS_close_range, next, ~0U, 0) == 0 &&
         Limit(RLIMIT_AS, limits.address_space.count()) &&
         Limit(RLIMIT_CPU, static_cast<uint64_t>(absl::ToInt64Seconds(limits.cpu_time))) &&
         Limit(RLIMIT_NOFILE, limits.open_files) && Limit(RLIMIT_FSIZE, 0) && Limit(RLIMIT_CORE, 0);
  char* const no_environment[] = {nullptr};
  if (good) execve(argv[0], argv, no_environment);
  // Not _exit, in which sanitizers do what a child of several threads may not.
  syscall(SYS_exit_group, kCannotRun);
  __builtin_unreachable();
}

}  // namespace

absl::StatusOr<ChildProcess> ChildProcess::Start(const std::vector<std::string>& argv,
                                                 const std::vector<int>& descriptors,
                                                 const ChildLimits& limits) {
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  // Out of the way of the numbers that they become in the child.
  const int clear_of_all = kFirstDescriptor + static_cast<int>(descriptors.size());
  std::vector<UniqueFd> passed;
  for (const int fd : descriptors) {
    passed.emplace_back(fcntl(fd, F_DUPFD_CLOEXEC, clear_of_all));
    if (!passed.back()) return CannotStart(errno);
  }
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  int pipe_ends[2];
  if (!null || pipe2(pipe_ends, O_CLOEXEC) != 0) return CannotStart(errno);
  UniqueFd errors(pipe_ends[0]);
  const UniqueFd to_errors(pipe_ends[1]);
  const UniqueFd clear_errors(fcntl(to_errors.get(), F_DUPFD_CLOEXEC, clear_of_all));
  const UniqueFd clear_null(fcntl(null.get(), F_DUPFD_CLOEXEC, clear_of_all));
  if (!clear_errors || !clear_null || fcntl(errors.get(), F_SETFL, O_NONBLOCK) != 0) {
    return CannotStart(errno);
  }
  const pid_t pid = fork();
  if (pid < 0) return CannotStart(errno);
  if (pid == 0) Become(arguments.data(), passed, clear_null.get(), clear_errors.get(), limits);
  // Ours until it is reaped, so that the number is nobody else's.
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) {
    const int error = errno;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return CannotStart(error);
  }
  return ChildProcess(pid, std::move(pidfd), std::move(errors));
}

ChildProcess::~ChildProcess() {
  if (pidfd_) Stop(absl::ZeroDuration());
}

ChildProcess::End ChildProcess::Stop(absl::Duration patience) {
  pollfd ended = {pidfd_.get(), POLLIN, 0};
  const absl::Time until = absl::Now() + patience;
  int ready = 0;
  do {
    const auto left = absl::ToInt64Milliseconds(until - absl::Now());
    ready = poll(&ended, 1, static_cast<int>(std::max<int64_t>(left, 0)));
  } while (ready < 0 && errno == EINTR);
  if (ready != 1) syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pidfd_.reset();
  End end;
  if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  if (WIFEXITED(status)) end.exit_code = WEXITSTATUS(status);
  end.last_words = LastWords();
  return end;
}

std::string ChildProcess::LastWords() const {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t count = read(errors_.get(), buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text.append(buffer, static_cast<size_t>(count));
  }
  absl::string_view last = absl::StripAsciiWhitespace(text);
  if (const size_t line = last.rfind('\n'); line != absl::string_view::npos) {
    last.remove_prefix(line + 1);
  }
  std::string words(last.substr(0, kMaxLastWords));
  for (char& c : words) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
  }
  return words;
}

}  // namespace hvagent::imports
