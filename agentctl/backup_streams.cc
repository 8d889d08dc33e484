#include "agentctl/backup_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agentctl/progress.h"
#include "agentctl/stream_watch.h"
#include "agentctl/upload_source.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "hvagent/v1/backup_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

// A file that is made whole or not at all, or standard output.
class Target {
 public:
  static absl::StatusOr<Target> Open(const std::string& file, bool out_is_terminal) {
    if (file == "-" && out_is_terminal) {
      return WithExit(
          absl::InvalidArgumentError("standard output is a terminal: give a file, or redirect it"),
          ExitCode::kUsage);
    }
    // What it will hold is a guest's disk: nobody else's to read.
    UniqueFd fd(file == "-" ? ::dup(STDOUT_FILENO)
                            : ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd) return FileError(errno, file);
    return Target(file, std::move(fd));
  }

  absl::Status Write(absl::string_view data) {
    while (!data.empty()) {
      const ssize_t count = ::write(fd_.get(), data.data(), data.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return FileError(errno, file_);
      data.remove_prefix(static_cast<size_t>(count));
    }
    return absl::OkStatus();
  }

  // After the last Write.
  absl::Status Keep() {
    if (file_ != "-" && ::fsync(fd_.get()) != 0) return FileError(errno, file_);
    return absl::OkStatus();
  }
  void Remove() {
    if (file_ != "-") ::unlink(file_.c_str());
  }

 private:
  Target(std::string file, UniqueFd fd) : file_(std::move(file)), fd_(std::move(fd)) {}

  static absl::Status FileError(int error, const std::string& file) {
    return Error(absl::StatusCode::kFailedPrecondition, "FILE_UNWRITABLE",
                 absl::ErrnoToStatus(error, absl::StrCat("cannot write ", file)).message());
  }

  std::string file_;
  UniqueFd fd_;
};

CallOptions StreamOptions(const Cli& cli, Interrupts& interrupts) {
  return {cli.options.timeout.value_or(absl::InfiniteDuration()), &interrupts.calls(),
          /*explain=*/true};
}

// How a stream ended on both sides.
struct Outcome {
  absl::Status local;
  absl::Status remote;
  bool sent_all = false;
  bool from_agent = false;
  bool lost = false;

  // Why it failed where the agent did not say.
  absl::Status Cause() const { return lost ? NodeWasSilent() : remote; }
};

Outcome Receive(Cli& cli, Interrupts& interrupts, Node& node,
                const v1::ExportBackupRequest& request, Target& target) {
  Outcome outcome;
  outcome.remote = node.Call(StreamOptions(cli, interrupts), [&](const Node::Channel& channel,
                                                                 grpc::ClientContext& context) {
    const ContactWatch watch = WatchStream(context, node);
    v1::BackupService::Stub stub(channel);
    const auto reader = stub.Export(&context, request);
    Progress progress(cli.streams().err, cli.streams().err_is_terminal, request.id());
    v1::ExportBackupResponse message;
    uint64_t done = 0;
    while (outcome.local.ok() && reader->Read(&message)) {
      outcome.local = target.Write(message.chunk());
      done += message.chunk().size();
      progress.Update(done, 0);
    }
    if (!outcome.local.ok()) context.TryCancel();
    grpc::Status answer = reader->Finish();
    outcome.lost = watch.lost();
    return answer;
  });
  return outcome;
}

Outcome Send(Cli& cli, Interrupts& interrupts, Node& node, const v1::BackupDisk& source,
             UploadSource& stream, v1::Operation& operation) {
  Outcome outcome;
  outcome.remote = node.Call(StreamOptions(cli, interrupts), [&](const Node::Channel& channel,
                                                                 grpc::ClientContext& context) {
    const ContactWatch watch = WatchStream(context, node);
    v1::BackupService::Stub stub(channel);
    const auto writer = stub.Import(&context, &operation);
    Progress progress(cli.streams().err, cli.streams().err_is_terminal, "import");
    v1::ImportBackupRequest message;
    *message.mutable_header()->mutable_source() = source;
    uint64_t done = 0;
    while (writer->Write(message)) {
      outcome.local = stream.Read(interrupts.fd(), *message.mutable_chunk());
      if (!outcome.local.ok()) break;
      outcome.sent_all = message.chunk().empty();
      if (outcome.sent_all) break;
      done += message.chunk().size();
      progress.Update(done, stream.size());
    }
    if (interrupts.interrupted() || !outcome.local.ok()) context.TryCancel();
    writer->WritesDone();
    grpc::Status answer = writer->Finish();
    outcome.from_agent = IsFromAgent(answer);
    outcome.lost = watch.lost();
    return answer;
  });
  return outcome;
}

}  // namespace

absl::Status ExportBackup(Cli& cli, Interrupts& interrupts, Node& node,
                          const v1::ExportBackupRequest& request, const std::string& file) {
  RETURN_IF_ERROR(node.CheckReachable(cli.call_options()));
  ASSIGN_OR_RETURN(Target target, Target::Open(file, cli.streams().out_is_terminal));
  Outcome outcome = Receive(cli, interrupts, node, request, target);
  if (outcome.remote.ok()) outcome.local.Update(target.Keep());
  if (outcome.remote.ok() && outcome.local.ok()) return absl::OkStatus();
  target.Remove();
  if (interrupts.interrupted()) return absl::CancelledError("interrupted: what came is not whole");
  return outcome.local.ok() ? outcome.Cause() : outcome.local;
}

absl::StatusOr<v1::Operation> ImportBackup(Cli& cli, Interrupts& interrupts, Node& node,
                                           const v1::BackupDisk& source, const std::string& file) {
  ASSIGN_OR_RETURN(UploadSource stream, UploadSource::Open(file));
  RETURN_IF_ERROR(node.CheckReachable(cli.call_options()));
  v1::Operation operation;
  const Outcome outcome = Send(cli, interrupts, node, source, stream, operation);
  if (outcome.remote.ok()) return operation;
  if (interrupts.interrupted()) {
    return absl::CancelledError(
        "interrupted: the import was cancelled, and the agent undoes what it had done");
  }
  if (!outcome.local.ok()) return Annotate(outcome.local, "the import was cancelled");
  if (outcome.from_agent) return outcome.remote;
  if (outcome.sent_all) {
    return WithHint(WithExit(Annotate(outcome.Cause(), "everything was sent, but no answer came"),
                             ExitCode::kInDoubt),
                    "look with `agentctl backup list` before acting");
  }
  return Annotate(outcome.Cause(), "the import broke off, and the agent undoes what it had done");
}

}  // namespace hvagent::agentctl
