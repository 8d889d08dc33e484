#include "tests/bench/baseline_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace hvagent::bench {

absl::StatusOr<std::unique_ptr<BaselineProcess>> BaselineProcess::Start(
    const std::vector<std::string>& command) {
  std::array<int, 2> to{};
  std::array<int, 2> from{};
  if (pipe2(to.data(), O_CLOEXEC) != 0 || pipe2(from.data(), O_CLOEXEC) != 0) {
    return absl::ErrnoToStatus(errno, "cannot make a pipe");
  }
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to[0], 0);
  posix_spawn_file_actions_adddup2(&actions, from[1], 1);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(to[0]);
  close(from[1]);
  if (error != 0) return absl::ErrnoToStatus(error, absl::StrCat("cannot run ", command[0]));
  return std::unique_ptr<BaselineProcess>(
      new BaselineProcess(pid, fdopen(to[1], "w"), fdopen(from[0], "r")));
}

BaselineProcess::~BaselineProcess() {
  fclose(in_);
  waitpid(pid_, nullptr, 0);
  fclose(out_);
}

absl::StatusOr<std::vector<double>> BaselineProcess::Do(const std::string& command) {
  std::fprintf(in_, "%s\n", command.c_str());
  std::fflush(in_);
  std::array<char, 1024> line{};
  if (std::fgets(line.data(), line.size(), out_) == nullptr) {
    return absl::UnknownError(absl::StrCat("the baseline died of ", command));
  }
  const std::vector<absl::string_view> words =
      absl::StrSplit(absl::StripAsciiWhitespace(line.data()), ' ');
  if (words[0] != "ok") return absl::UnknownError(absl::StrCat("baseline: ", line.data()));
  std::vector<double> times;
  for (size_t i = 1; i < words.size(); ++i) {
    if (!absl::SimpleAtod(words[i], &times.emplace_back())) {
      return absl::UnknownError(absl::StrCat("baseline: no number in ", line.data()));
    }
  }
  return times;
}

}  // namespace hvagent::bench
