#include <memory>
#include <string>

#include "agentctl/command.h"
#include "agentctl/listing.h"
#include "agentctl/views.h"
#include "base/status_macros.h"
#include "hvagent/v1/node_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

absl::StatusOr<v1::Node> Ask(const Cli& cli, Node& node) {
  return node.Read(cli.call_options(), &v1::NodeService::Stub::GetNode, v1::GetNodeRequest());
}

ExitCode ListNodes(Cli& cli) {
  return ListFromNodes(cli, "get the node's state", NodeColumns(),
                       [&](Node& node) -> absl::StatusOr<std::vector<Row>> {
                         ASSIGN_OR_RETURN(const v1::Node answer, Ask(cli, node));
                         return std::vector<Row>{RowOf(answer)};
                       });
}

ExitCode GetNode(Cli& cli, const std::string& name) {
  const std::string what = "get the node's state";
  auto session = cli.session();
  if (!session.ok()) return cli.Fail({what, name, session.status()});
  auto selected = (*session)->Select({name});
  if (!selected.ok()) return cli.Fail({what, "", selected.status()});
  auto answer = Ask(cli, *selected->front());
  if (!answer.ok()) return cli.Fail({what, name, answer.status()});
  Row row = RowOf(*answer);
  row.node = name;
  return cli.ShowObject(NodeColumns(), row);
}

}  // namespace

void AddNodeCommands(CommandTree& tree) {
  Cli& cli = tree.cli;
  CLI::App* const node = AddNoun(tree.root, "node", "Compute nodes and how they are");
  AddCommand(tree, *node, {"list", "List the nodes", "node list -o wide"},
             [&cli] { return ListNodes(cli); });
  const auto name = std::make_shared<std::string>();
  AddCommand(tree, *node, {"get", "Show one node", "node get compute-1 -o yaml"},
             [&cli, name] { return GetNode(cli, *name); })
      ->add_option("NAME", *name, "The node's name in the configuration")
      ->required();

  AddStorageDoctor(tree, *node);
  AddCommand(tree, *tree.get, {"node", "List the nodes, or show one", "get node"}, [&cli, name] {
    return name->empty() ? ListNodes(cli) : GetNode(cli, *name);
  })->add_option("NAME", *name, "The node's name in the configuration");
}

}  // namespace hvagent::agentctl
