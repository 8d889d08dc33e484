#include "agentctl/image_import.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agentctl/follow.h"
#include "agentctl/progress.h"
#include "agentctl/stream_watch.h"
#include "agentctl/upload_source.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "hvagent/v1/image_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

constexpr absl::string_view kQcow2Magic("QFI\xfb", 4);

// A disk of the bytes of a qcow2 file is hardly ever what is wanted, and boots no guest.
absl::Status CheckFormatIsSaid(absl::string_view first_bytes, const ImportWish& wish) {
  if (wish.format.has_value() || !absl::StartsWith(first_bytes, kQcow2Magic)) {
    return absl::OkStatus();
  }
  return WithHint(Error(absl::StatusCode::kFailedPrecondition, "FORMAT_NOT_SAID",
                        absl::StrCat(wish.file,
                                     " begins as a qcow2 file, and the format was not "
                                     "said")),
                  "give --format qcow2, or --format raw to make a disk of its very bytes");
}

// How the sending ended on this side.
struct Sent {
  absl::Status local;
  bool complete = false;
};

// Writes header and chunks until the end, an error of ours, or until the agent takes no more. Where
// the header has no size, the agent takes the end for one only after the total.
Sent Send(grpc::ClientWriter<v1::ImportImageRequest>& writer, UploadSource& source,
          v1::ImportImageRequest message, std::string chunk, int stop_fd, Progress& progress) {
  if (!writer.Write(message)) return {};
  uint64_t done = 0;
  while (!chunk.empty()) {
    const size_t size = chunk.size();
    message.set_chunk(std::move(chunk));
    if (!writer.Write(message)) return {};
    done += size;
    progress.Update(done, source.size());
    chunk = std::move(*message.mutable_chunk());
    if (absl::Status status = source.Read(stop_fd, chunk); !status.ok()) return {status, false};
  }
  if (source.size() == 0) {
    message.set_total_bytes(done);
    if (!writer.Write(message)) return {};
  }
  return {absl::OkStatus(), true};
}

}  // namespace

absl::StatusOr<v1::Operation> ImportImage(Cli& cli, Interrupts& interrupts, Node& node,
                                          const ImportWish& wish) {
  ASSIGN_OR_RETURN(UploadSource source, UploadSource::Open(wish.file));
  std::string first;
  RETURN_IF_ERROR(source.Read(interrupts.fd(), first));
  RETURN_IF_ERROR(CheckFormatIsSaid(first, wish));
  RETURN_IF_ERROR(node.CheckReachable(cli.call_options()));

  v1::ImportImageRequest header;
  header.mutable_header()->set_id(wish.id);
  header.mutable_header()->set_size_bytes(source.size());
  header.mutable_header()->set_sha256(wish.sha256);
  header.mutable_header()->set_format(wish.format.value_or(v1::Image::RAW));

  v1::Operation operation;
  Sent sent;
  bool from_agent = false;
  bool lost = false;
  const CallOptions call{cli.options.timeout.value_or(absl::InfiniteDuration()),
                         &interrupts.calls(), /*explain=*/true};
  const absl::Status status =
      node.Call(call, [&](const Node::Channel& channel, grpc::ClientContext& context) {
        const ContactWatch watch = WatchStream(context, node);
        v1::ImageService::Stub stub(channel);
        const auto writer = stub.Import(&context, &operation);
        {
          Progress progress(cli.streams().err, cli.streams().err_is_terminal, wish.id);
          sent = Send(*writer, source, header, std::move(first), interrupts.fd(), progress);
        }
        if (interrupts.interrupted() || !sent.local.ok()) context.TryCancel();
        writer->WritesDone();
        grpc::Status answer = writer->Finish();
        from_agent = IsFromAgent(answer);
        lost = watch.lost();
        return answer;
      });
  if (status.ok()) return operation;
  if (interrupts.interrupted()) {
    return absl::CancelledError(
        "interrupted: the upload was cancelled, and the agent removes what it had written");
  }
  if (!sent.local.ok()) return Annotate(sent.local, "the upload was cancelled");
  if (from_agent) return status;
  const absl::Status cause = lost ? NodeWasSilent() : status;
  if (sent.complete) {
    return WithHint(
        WithExit(Annotate(cause, "everything was sent, but no answer came"), ExitCode::kInDoubt),
        absl::StrCat("look with `agentctl image get ", wish.id, "` before acting"));
  }
  return Annotate(cause, "the upload broke off, and the agent removes what it had written");
}

absl::StatusOr<v1::Operation> ImportNodeFile(Cli& cli, Node& node, const ImportWish& wish) {
  v1::ImportImageFileRequest request;
  request.set_request_id(Uuid::Random().ToString());
  request.set_id(wish.id);
  request.set_path(wish.file);
  request.set_format(wish.format.value_or(v1::Image::RAW));
  request.set_sha256(wish.sha256);
  absl::StatusOr<v1::Operation> operation;
  {
    Interrupts interrupts;
    operation =
        node.Change(cli.change_options(interrupts), &v1::ImageService::Stub::ImportFile, request);
  }
  RETURN_IF_ERROR(operation.status());
  ASSIGN_OR_RETURN(v1::Operation ended, FollowOperation(cli, node, *std::move(operation)));
  RETURN_IF_ERROR(OutcomeOf(ended));
  return ended;
}

}  // namespace hvagent::agentctl
