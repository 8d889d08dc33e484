#include "agentctl/listing.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "agentctl/fan_out.h"
#include "base/error.h"

namespace hvagent::agentctl {
namespace {

constexpr char kNotTried[] = "NOT_TRIED";

}  // namespace

absl::Status NotTried(const std::string& why) {
  return Error(absl::StatusCode::kFailedPrecondition, kNotTried,
               absl::StrCat("not tried, as ", why));
}

bool IsNotTried(const absl::Status& status) { return ErrorReason(status) == kNotTried; }

void Outcome::Fail(const std::string& what, const std::string& node, const absl::Status& status) {
  Row row;
  row.node = node;
  row.error = status;
  listing_.rows.push_back(std::move(row));
  codes_.push_back(ExitCodeOf(status));
  if (!IsNotTried(status)) cli_.Fail({what, node, status});
}

ExitCode Outcome::Show() {
  const ExitCode shown = cli_.Show(listing_);
  return shown == ExitCode::kDone ? Combine(codes_) : shown;
}

ExitCode ListFromNodes(Cli& cli, const std::string& what, const std::vector<Column>& columns,
                       const std::function<absl::StatusOr<std::vector<Row>>(Node&)>& fetch) {
  auto targets = cli.Targets();
  if (!targets.ok()) return cli.Fail({what, "", targets.status()});
  auto answers = FanOut(*targets, [&](Node* node) { return fetch(*node); });

  Outcome outcome(cli, columns);
  for (size_t i = 0; i < answers.size(); ++i) {
    const std::string& name = (*targets)[i]->name();
    if (!answers[i].ok()) {
      outcome.Fail(what, name, answers[i].status());
      continue;
    }
    for (Row& row : *answers[i]) {
      row.node = name;
      outcome.AddRow(std::move(row));
    }
    outcome.Count(ExitCode::kDone);
  }
  return outcome.Show();
}

}  // namespace hvagent::agentctl
