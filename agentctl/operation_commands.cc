#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agentctl/command.h"
#include "agentctl/contact_watch.h"
#include "agentctl/fan_out.h"
#include "agentctl/listing.h"
#include "agentctl/progress.h"
#include "agentctl/views.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "hvagent/v1/operation_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

constexpr absl::Duration kPollInterval = absl::Seconds(5);
constexpr absl::Duration kPatience = absl::Seconds(30);

struct FoundOperation {
  Node* node = nullptr;
  v1::Operation operation;
};

// Asks all targets at once. Errors: NOT_FOUND; UNAVAILABLE when not all answered.
absl::StatusOr<FoundOperation> FindOperation(Cli& cli, const std::string& id) {
  ASSIGN_OR_RETURN(const std::vector<Node*> targets, cli.Targets());
  v1::GetOperationRequest request;
  request.set_id(id);
  auto answers = FanOut(targets, [&](Node* node) {
    return node->Read(cli.call_options(), &v1::OperationService::Stub::Get, request);
  });
  std::vector<std::string> silent;
  for (size_t i = 0; i < targets.size(); ++i) {
    if (answers[i].ok()) return FoundOperation{targets[i], *std::move(answers[i])};
    if (!absl::IsNotFound(answers[i].status())) {
      silent.push_back(absl::StrCat(targets[i]->name(), ": ", answers[i].status().message()));
    }
  }
  if (silent.empty()) {
    return Error(absl::StatusCode::kNotFound, "OPERATION_NOT_FOUND",
                 "no node has it; finished operations are kept for a day");
  }
  return absl::UnavailableError(absl::StrCat("no node that answered has it, and these did not: ",
                                             absl::StrJoin(silent, "; ")));
}

ExitCode ListOperations(Cli& cli) {
  return ListFromNodes(cli, "list operations", OperationColumns(), [&](Node& node) {
    return AllPages(node, cli.call_options(), &v1::OperationService::Stub::List,
                    v1::ListOperationsRequest(), &v1::ListOperationsResponse::operations);
  });
}

ExitCode ShowOperation(Cli& cli, const FoundOperation& found) {
  Row row = RowOf(found.operation);
  row.node = found.node->name();
  return cli.ShowObject(OperationColumns(), row);
}

ExitCode GetOperation(Cli& cli, const std::string& id) {
  auto found = FindOperation(cli, id);
  if (!found.ok()) return cli.Fail({absl::StrCat("get operation ", id), "", found.status()});
  return ShowOperation(cli, *found);
}

bool HasEnded(const v1::Operation& operation) {
  return operation.state() != v1::Operation::RUNNING;
}

// Follows the operation to its end; `found.operation` is then the last that was heard of it.
absl::Status Follow(Cli& cli, Interrupts& interrupts, FoundOperation& found) {
  v1::WatchOperationRequest request;
  request.set_id(found.operation.id());
  const CallOptions call{cli.options.timeout.value_or(absl::InfiniteDuration()),
                         &interrupts.calls(), /*explain=*/true};
  const absl::Status status = found.node->Call(call, [&](const Node::Channel& channel,
                                                         grpc::ClientContext& context) {
    const ContactWatch watch(context, kPollInterval, kPatience, [&] {
      return found.node->CheckReachable({kPollInterval, nullptr, /*explain=*/false});
    });
    Progress progress(cli.streams().err, cli.streams().err_is_terminal, found.operation.target());
    v1::OperationService::Stub stub(channel);
    const auto reader = stub.Watch(&context, request);
    while (reader->Read(&found.operation)) {
      progress.Update(found.operation.bytes_done(), found.operation.bytes_total());
    }
    return reader->Finish();
  });
  if (HasEnded(found.operation)) return absl::OkStatus();
  if (interrupts.interrupted() || absl::IsDeadlineExceeded(status)) {
    return WithHint(
        WithExit(interrupts.interrupted() ? absl::CancelledError("stopped watching") : status,
                 ExitCode::kGoesOnThere),
        "it goes on there; `agentctl operation cancel` would end it");
  }
  return WithExit(status.ok() ? absl::DataLossError("the agent ended the stream before the "
                                                    "operation ended")
                              : status,
                  ExitCode::kInDoubt);
}

ExitCode WatchOperation(Cli& cli, const std::string& id) {
  const std::string what = absl::StrCat("watch operation ", id);
  auto found = FindOperation(cli, id);
  if (!found.ok()) return cli.Fail({what, "", found.status()});
  Interrupts interrupts;
  absl::Status status = Follow(cli, interrupts, *found);
  if (!status.ok()) return cli.Fail({what, found->node->name(), status});
  const ExitCode shown = ShowOperation(cli, *found);
  if (found->operation.state() == v1::Operation::SUCCEEDED) return shown;
  absl::Status error = FromRpc(found->operation.error());
  if (error.ok()) error = absl::UnknownError("it did not succeed, and the agent does not say why");
  return cli.Fail({absl::StrCat("operation ", id), found->node->name(), error});
}

ExitCode CancelOperation(Cli& cli, const std::string& id) {
  const std::string what = absl::StrCat("cancel operation ", id);
  auto found = FindOperation(cli, id);
  if (!found.ok()) return cli.Fail({what, "", found.status()});
  v1::CancelOperationRequest request;
  request.set_id(id);
  Interrupts interrupts;
  auto operation = found->node->Change(cli.change_options(interrupts),
                                       &v1::OperationService::Stub::Cancel, request);
  if (!operation.ok()) return cli.Fail({what, found->node->name(), operation.status()});
  return ShowOperation(cli, {found->node, *std::move(operation)});
}

}  // namespace

void AddOperationCommands(CommandTree& tree) {
  Cli& cli = tree.cli;
  CLI::App* const operation = AddNoun(tree.root, "operation", "Long jobs and how far they are");
  const auto id = std::make_shared<std::string>();
  AddCommand(tree, *operation, {"list", "List the operations of every node", "operation list"},
             [&cli] { return ListOperations(cli); });
  AddCommand(tree, *operation, {"get", "Show one operation", "operation get ID -o json"},
             [&cli, id] { return GetOperation(cli, *id); })
      ->add_option("ID", *id, "The operation's id")
      ->required();
  AddCommand(
      tree, *operation,
      {"watch", "Follow an operation until it ends; fails when it fails", "operation watch ID"},
      [&cli, id] { return WatchOperation(cli, *id); })
      ->add_option("ID", *id, "The operation's id")
      ->required();
  AddCommand(tree, *operation,
             {"cancel", "Ask an operation to stop and undo", "operation cancel ID"},
             [&cli, id] { return CancelOperation(cli, *id); })
      ->add_option("ID", *id, "The operation's id")
      ->required();
  AddCommand(tree, *tree.get,
             {"operation", "List the operations of every node, or show one", "get operation"},
             [&cli, id] { return id->empty() ? ListOperations(cli) : GetOperation(cli, *id); })
      ->add_option("ID", *id, "The operation's id");
}

}  // namespace hvagent::agentctl
