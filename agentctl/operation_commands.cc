#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agentctl/command.h"
#include "agentctl/fan_out.h"
#include "agentctl/follow.h"
#include "agentctl/listing.h"
#include "agentctl/views.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "hvagent/v1/operation_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

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

ExitCode WatchOperation(Cli& cli, const std::string& id) {
  const std::string what = absl::StrCat("watch operation ", id);
  auto found = FindOperation(cli, id);
  if (!found.ok()) return cli.Fail({what, "", found.status()});
  auto ended = FollowOperation(cli, *found->node, std::move(found->operation));
  if (!ended.ok()) return cli.Fail({what, found->node->name(), ended.status()});
  found->operation = *std::move(ended);
  const ExitCode shown = ShowOperation(cli, *found);
  const absl::Status outcome = OutcomeOf(found->operation);
  if (outcome.ok()) return shown;
  return cli.Fail({absl::StrCat("operation ", id), found->node->name(), outcome});
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
