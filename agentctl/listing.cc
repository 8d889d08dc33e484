#include "agentctl/listing.h"

#include <utility>

#include "agentctl/fan_out.h"

namespace hvagent::agentctl {

ExitCode ListFromNodes(Cli& cli, const std::string& what, const std::vector<Column>& columns,
                       const std::function<absl::StatusOr<std::vector<Row>>(Node&)>& fetch) {
  auto targets = cli.Targets();
  if (!targets.ok()) return cli.Fail({what, "", targets.status()});
  auto answers = FanOut(*targets, [&](Node* node) { return fetch(*node); });

  Listing listing{columns, {}, /*with_node=*/true};
  std::vector<ExitCode> outcomes;
  for (size_t i = 0; i < answers.size(); ++i) {
    const std::string& name = (*targets)[i]->name();
    if (!answers[i].ok()) {
      Row row;
      row.node = name;
      row.error = answers[i].status();
      listing.rows.push_back(std::move(row));
      outcomes.push_back(cli.Fail({what, name, answers[i].status()}));
      continue;
    }
    for (Row& row : *answers[i]) {
      row.node = name;
      listing.rows.push_back(std::move(row));
    }
    outcomes.push_back(ExitCode::kDone);
  }
  const ExitCode shown = cli.Show(listing);
  return shown == ExitCode::kDone ? Combine(outcomes) : shown;
}

}  // namespace hvagent::agentctl
