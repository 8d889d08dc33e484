// `vm console` and `vm logs`.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agentctl/command.h"
#include "agentctl/raw_terminal.h"
#include "agentctl/stream_watch.h"
#include "agentctl/vm_lookup.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "hvagent/v1/vm_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

using ConsoleStream = grpc::ClientReaderWriter<v1::ConsoleInput, v1::ConsoleOutput>;

// Ctrl-], as with telnet and `virsh console`.
constexpr char kEscape = '\x1d';

struct ConsoleWish {
  std::string vm;
  bool take_over = false;
};

struct LogsWish {
  std::string vm;
  uint32_t tail_lines = 0;
  bool follow = false;
};

// Standard output, at once and as it is.
bool WriteOut(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

absl::Status CannotWrite() { return absl::DataLossError("standard output cannot be written"); }

// Sends what is typed on standard input, on a thread of its own, until the user leaves.
class Typist {
 public:
  // Both outlive this. `is_terminal`: the escape key leaves.
  Typist(ConsoleStream& stream, grpc::ClientContext& call, bool is_terminal)
      : stream_(stream), call_(call), is_terminal_(is_terminal), wake_(::eventfd(0, EFD_CLOEXEC)) {
    thread_ = std::thread([this] { Run(); });
  }
  ~Typist() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
    thread_.join();
  }

  bool left() const { return left_; }

 private:
  void Run() {
    std::array<pollfd, 2> ready{{{STDIN_FILENO, POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    while (true) {
      if (::poll(ready.data(), ready.size(), -1) < 0 && errno != EINTR) return;
      if (ready[1].revents != 0) return;
      if (ready[0].revents == 0) continue;
      std::array<char, 4096> buffer;
      const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
      if (count < 0 && errno == EINTR) continue;
      absl::string_view typed(buffer.data(), count > 0 ? static_cast<size_t>(count) : 0);
      const size_t escape = is_terminal_ ? typed.find(kEscape) : absl::string_view::npos;
      typed = typed.substr(0, escape);
      if (!typed.empty() && !Send(typed)) return;
      if (escape != absl::string_view::npos) {
        left_ = true;
        call_.TryCancel();
        return;
      }
      if (count <= 0) {
        stream_.WritesDone();
        return;
      }
    }
  }

  bool Send(absl::string_view typed) {
    v1::ConsoleInput input;
    input.set_data(std::string(typed));
    return stream_.Write(input);
  }

  ConsoleStream& stream_;
  grpc::ClientContext& call_;
  const bool is_terminal_;
  const UniqueFd wake_;
  std::atomic<bool> left_ = false;
  std::thread thread_;
};

ExitCode OpenConsole(Cli& cli, const ConsoleWish& wish) {
  const std::string what = absl::StrCat("open the console of VM ", wish.vm);
  const auto found = FindVm(cli, wish.vm, /*for_change=*/false);
  if (!found.ok()) return cli.Fail({what, "", found.status()});
  Node& node = *found->node;
  v1::ConsoleInput first;
  first.set_id(found->vm.spec().uuid());
  first.set_take_over(wish.take_over);
  bool left = false;
  absl::Status local;
  const CallOptions options = {cli.options.timeout.value_or(absl::InfiniteDuration())};
  absl::Status status =
      node.Call(options, [&](const Node::Channel& channel, grpc::ClientContext& context) {
        const ContactWatch watch = WatchStream(context, node);
        v1::VmService::Stub stub(channel);
        const auto stream = stub.Console(&context);
        v1::ConsoleOutput output;
        if (!stream->Write(first) || !stream->Read(&output)) return stream->Finish();
        cli.Note(absl::StrCat("console of ", found->vm.spec().name(), " on ", node.name(),
                              "; Ctrl-] leaves it"));
        {
          const RawTerminal terminal(STDIN_FILENO);
          const Typist typist(*stream, context, terminal.is_terminal());
          while (local.ok() && stream->Read(&output)) {
            if (WriteOut(output.data())) continue;
            local = CannotWrite();
            context.TryCancel();  // so that what is being typed does not wait for the guest
          }
          left = typist.left();
        }
        return stream->Finish();
      });
  if (!local.ok()) return cli.Fail({what, "", local});
  // As long as was asked for.
  const bool time_is_over = cli.options.timeout.has_value() && absl::IsDeadlineExceeded(status);
  if (!status.ok() && !left && !time_is_over) return cli.Fail({what, node.name(), status});
  cli.Note(left || time_is_over ? "\nleft the console" : "\nthe guest has stopped");
  return ExitCode::kDone;
}

// As a terminal may be shown it: what a guest writes must not drive the operator's.
std::string Harmless(absl::string_view bytes) {
  std::string shown;
  shown.reserve(bytes.size());
  for (const char c : bytes) {
    const bool is_control = static_cast<unsigned char>(c) < ' ' || c == '\x7f';
    if (!is_control || c == '\n' || c == '\t') {
      shown += c;
    } else if (c != '\r') {
      shown += '^';
      shown += static_cast<char>(c ^ 0x40);
    }
  }
  return shown;
}

ExitCode ShowLogs(Cli& cli, const LogsWish& wish) {
  const std::string what = absl::StrCat("read the log of VM ", wish.vm);
  const auto found = FindVm(cli, wish.vm, /*for_change=*/false);
  if (!found.ok()) return cli.Fail({what, "", found.status()});
  Node& node = *found->node;
  v1::ReadLogRequest request;
  request.set_id(found->vm.spec().uuid());
  request.set_tail_lines(wish.tail_lines);
  request.set_follow(wish.follow);
  absl::Status local;
  const CallOptions options = {cli.options.timeout.value_or(absl::InfiniteDuration())};
  const absl::Status status =
      node.Call(options, [&](const Node::Channel& channel, grpc::ClientContext& context) {
        const ContactWatch watch = WatchStream(context, node);
        v1::VmService::Stub stub(channel);
        const auto reader = stub.ReadLog(&context, request);
        v1::ReadLogResponse message;
        while (local.ok() && reader->Read(&message)) {
          const bool written =
              WriteOut(cli.streams().out_is_terminal ? Harmless(message.data()) : message.data());
          if (!written) local = CannotWrite();
        }
        if (!local.ok()) context.TryCancel();
        return reader->Finish();
      });
  if (!local.ok()) return cli.Fail({what, "", local});
  const bool followed = wish.follow && cli.options.timeout.has_value();
  if (followed && absl::IsDeadlineExceeded(status)) return ExitCode::kDone;
  return status.ok() ? ExitCode::kDone : cli.Fail({what, node.name(), status});
}

}  // namespace

void AddVmConsoleCommands(CommandTree& tree, CLI::App& vm) {
  Cli& cli = tree.cli;
  const auto console = std::make_shared<ConsoleWish>();
  CLI::App* const open =
      AddCommand(tree, vm,
                 {"console", "Open a running guest's serial console; Ctrl-] leaves it",
                  "vm console web-1", /*has_dry_run=*/false,
                  "Ends when the guest stops, or after --timeout. Standard input may be a pipe."},
                 [&cli, console] { return OpenConsole(cli, *console); });
  open->add_option("VM", console->vm, "A VM's UUID, or its name where that is unique")->required();
  open->add_flag("--force", console->take_over, "End somebody else's console of this guest");

  const auto logs = std::make_shared<LogsWish>();
  CLI::App* const show = AddCommand(tree, vm,
                                    {"logs", "Print what a guest has written to its serial console",
                                     "vm logs web-1 --tail 100 -f"},
                                    [&cli, logs] { return ShowLogs(cli, *logs); });
  show->add_option("VM", logs->vm, "A VM's UUID, or its name where that is unique")->required();
  show->add_option("--tail", logs->tail_lines, "Only the last so many lines")->type_name("LINES");
  show->add_flag("-f,--follow", logs->follow, "Go on with what comes, until --timeout or Ctrl-C");
}

}  // namespace hvagent::agentctl
