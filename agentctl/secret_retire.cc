#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agentctl/fan_out.h"
#include "agentctl/listing.h"
#include "agentctl/secret_rotate.h"
#include "base/error.h"
#include "hvagent/v1/secret_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

using Answer = absl::StatusOr<v1::RetireSecretResponse>;

Row RowOf(const v1::RetireSecretResponse& response, const std::string& node,
          const std::string& entity, const std::string& result) {
  Row row;
  row.name = absl::StrCat("secret/", entity);
  row.node = node;
  row.message = std::make_shared<v1::RetireSecretResponse>(response);
  row.cells = {{entity}, {result}};
  return row;
}

// What it would do, before anything is done. A node that refuses has looked, and found it not as it
// should be.
std::vector<Answer> Look(const Cli& cli, const std::vector<Node*>& nodes,
                         v1::RetireSecretRequest request) {
  request.set_dry_run(true);
  return FanOut(nodes, [&](Node* node) -> Answer {
    Answer answer = node->Read(cli.call_options(), &v1::SecretService::Stub::Retire, request);
    if (answer.ok()) return answer;
    if (absl::IsFailedPrecondition(answer.status()) && ErrorReason(answer.status()).has_value()) {
      return WithExit(answer.status(), ExitCode::kNotAsItShouldBe);
    }
    return WithHint(answer.status(),
                    "whether guests there use it is not known, so it stays on every node");
  });
}

}  // namespace

ExitCode RetireSecret(Cli& cli, const std::string& entity) {
  const std::string what = absl::StrCat("retire the secret of ", entity);
  auto targets = cli.Targets();
  if (!targets.ok()) return cli.Fail({what, "", targets.status()});
  v1::RetireSecretRequest request;
  request.set_entity(entity);

  std::vector<Answer> answers = Look(cli, *targets, request);
  const bool allowed =
      std::all_of(answers.begin(), answers.end(), [](const Answer& answer) { return answer.ok(); });
  const auto nodes_to_do = std::count_if(answers.begin(), answers.end(), [](const Answer& answer) {
    return answer.ok() && answer->removed();
  });
  const bool acts = allowed && nodes_to_do > 0 && !cli.options.dry_run;
  if (acts) {
    const absl::Status confirmed = cli.Confirm(absl::StrCat(
        "Remove the secret of ", entity, " from ", nodes_to_do, " node(s)? No guest uses it."));
    if (!confirmed.ok()) return cli.Fail({what, "", confirmed});
    Interrupts interrupts;
    answers = FanOut(*targets, [&](Node* node) {
      return node->Change(cli.change_options(interrupts), &v1::SecretService::Stub::Retire,
                          request);
    });
  }

  Outcome outcome(cli, {{"ENTITY"}, {"RESULT"}});
  for (size_t i = 0; i < answers.size(); ++i) {
    const std::string& node = (*targets)[i]->name();
    if (!answers[i].ok()) {
      outcome.Fail(what, node, answers[i].status());
      continue;
    }
    std::string result = "gone already";
    if (answers[i]->removed()) {
      result = !allowed ? "stays, as it does on other nodes"
               : acts   ? "removed"
                        : "would be removed";
    }
    answers[i]->set_removed(answers[i]->removed() && allowed);
    outcome.AddRow(RowOf(*answers[i], node, entity, result));
    outcome.Count(ExitCode::kDone);
  }
  return outcome.Show();
}

}  // namespace hvagent::agentctl
