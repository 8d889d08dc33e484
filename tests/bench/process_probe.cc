#include "tests/bench/process_probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"

namespace hvagent::bench {
namespace {

constexpr char kAdminSockets[] = "/run/ceph/guests";

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path));
  return text.str();
}

absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& command) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return absl::ErrnoToStatus(error, absl::StrCat("cannot run ", command[0]));
  return pid;
}

// The number after `"name":` in JSON that has it once.
absl::StatusOr<double> JsonNumber(absl::string_view json, const std::string& name) {
  const std::string key = absl::StrCat("\"", name, "\":");
  const size_t at = json.find(key);
  double number = 0;
  if (at == absl::string_view::npos ||
      !absl::SimpleAtod(absl::StripAsciiWhitespace(json.substr(
                            at + key.size(), json.find_first_of(",}", at) - at - key.size())),
                        &number)) {
    return absl::NotFoundError(absl::StrCat("no counter ", name, " in ", json));
  }
  return number;
}

}  // namespace

absl::Status RunCommand(const std::vector<std::string>& command) {
  ASSIGN_OR_RETURN(const pid_t pid, Spawn(command));
  int status = 0;
  waitpid(pid, &status, 0);
  if (status == 0) return absl::OkStatus();
  return absl::UnknownError(absl::StrCat(command[0], " ", command[1], " ended with ", status));
}

absl::StatusOr<absl::Duration> ProcessProbe::CpuTime() const {
  ASSIGN_OR_RETURN(const std::string stat, ReadFile(absl::StrCat("/proc/", pid_, "/stat")));
  // The name may hold spaces; the fields after it begin with the third.
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(stat).substr(stat.rfind(')') + 2), ' ');
  int64_t user = 0;
  int64_t system = 0;
  if (fields.size() < 13 || !absl::SimpleAtoi(fields[11], &user) ||
      !absl::SimpleAtoi(fields[12], &system)) {
    return absl::InternalError(absl::StrCat("cannot read the CPU time in ", stat));
  }
  return absl::Seconds(static_cast<double>(user + system) /
                       static_cast<double>(sysconf(_SC_CLK_TCK)));
}

absl::StatusOr<double> ProcessProbe::RssAnonMib() const {
  ASSIGN_OR_RETURN(const std::string status, ReadFile(absl::StrCat("/proc/", pid_, "/status")));
  for (absl::string_view line : absl::StrSplit(status, '\n')) {
    if (!absl::ConsumePrefix(&line, "RssAnon:") || !absl::ConsumeSuffix(&line, "kB")) continue;
    double kib = 0;
    if (absl::SimpleAtod(absl::StripAsciiWhitespace(line), &kib)) return kib / 1024;
  }
  return absl::InternalError("no RssAnon");
}

absl::StatusOr<double> ProcessProbe::RadosOps() const {
  ASSIGN_OR_RETURN(const std::string counters,
                   AskAdminSocket(R"({"prefix": "perf dump", "logger": "objecter"})"));
  return JsonNumber(counters, "op");
}

absl::StatusOr<std::string> ProcessProbe::AskAdminSocket(const std::string& command) const {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  for (const auto& entry : std::filesystem::directory_iterator(kAdminSockets)) {
    if (!absl::StrContains(entry.path().string(), absl::StrCat(".", pid_, "."))) continue;
    entry.path().string().copy(address.sun_path, sizeof(address.sun_path) - 1);
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const absl::Cleanup closer = [fd] { close(fd); };
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat("no admin socket of ", pid_, " in ", kAdminSockets));
  }
  // The command ends with a NUL; the answer begins with its length.
  if (write(fd, command.c_str(), command.size() + 1) < 0) {
    return absl::ErrnoToStatus(errno, "cannot write to the admin socket");
  }
  std::string answer;
  char buffer[4096];
  ssize_t got = 0;
  while ((got = read(fd, buffer, sizeof(buffer))) > 0) answer.append(buffer, got);
  if (answer.size() < sizeof(uint32_t)) return absl::UnknownError("the admin socket says nothing");
  return answer.substr(sizeof(uint32_t));
}

absl::StatusOr<ProcessProbe::Trace> ProcessProbe::TraceDuring(
    const std::function<absl::Status()>& body) const {
  const std::string output = absl::StrCat("/tmp/bench-strace.", getpid());
  const absl::Cleanup remover = [&output] { unlink(output.c_str()); };
  ASSIGN_OR_RETURN(const pid_t strace, Spawn({"strace", "--quiet=all", "--follow-forks",
                                              "--trace=clone,clone3,fork,vfork,execve,connect",
                                              "--output", output, "--attach", absl::StrCat(pid_)}));
  // It has attached to every thread when the last of them has a tracer.
  bool attached = false;
  while (!attached) {
    if (waitpid(strace, nullptr, WNOHANG) != 0) return absl::UnknownError("strace ended");
    attached = true;
    for (const auto& task :
         std::filesystem::directory_iterator(absl::StrCat("/proc/", pid_, "/task"))) {
      ASSIGN_OR_RETURN(const std::string status, ReadFile(task.path().string() + "/status"));
      attached &= !absl::StrContains(status, "TracerPid:\t0\n");
    }
    std::this_thread::yield();
  }
  const absl::Status done = body();
  kill(strace, SIGINT);
  waitpid(strace, nullptr, 0);
  RETURN_IF_ERROR(done);
  ASSIGN_OR_RETURN(const std::string log, ReadFile(output));
  Trace trace;
  for (absl::string_view line : absl::StrSplit(log, '\n')) {
    if (absl::StrContains(line, "connect(")) {
      ++trace.connects;
    } else if (absl::StrContains(line, "CLONE_THREAD")) {
      ++trace.threads;
    } else if (absl::StrContains(line, "fork(") || absl::StrContains(line, "execve(") ||
               absl::StrContains(line, "clone(") || absl::StrContains(line, "clone3(")) {
      ++trace.processes;
    }
  }
  return trace;
}

}  // namespace hvagent::bench
