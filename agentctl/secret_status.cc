#include "agentctl/secret_status.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agentctl/fan_out.h"
#include "agentctl/listing.h"
#include "agentctl/secret_compare.h"
#include "agentctl/views.h"
#include "base/error.h"
#include "hvagent/v1/secret_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

std::vector<Column> StatusColumns() {
  return {{"ENTITY"},     {"UUID"},   {"USAGE", true}, {"VALUE"}, {"FINGERPRINT"},
          {"GENERATION"}, {"PROVED"}, {"GUESTS"},      {"STATE"}, {"WHY"}};
}

std::string GenerationText(const v1::SecretReport& report) {
  if (!report.has_generation()) return "";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ",
                          absl::FromUnixSeconds(report.generation().seconds()),
                          absl::UTCTimeZone());
}

std::string ProvedText(const v1::SecretReport& report) {
  if (!report.has_prove_time()) return report.secret().entity().empty() ? "" : "never";
  return DurationText(absl::Now() - absl::FromUnixSeconds(report.prove_time().seconds()));
}

std::string GuestsText(const v1::SecretReport& report) {
  if (report.outdated_vms().empty()) return absl::StrCat(report.running_vms_size());
  return absl::StrCat(report.running_vms_size(), " (", report.outdated_vms_size(), " old key)");
}

std::string WhyText(const v1::SecretReport& report) {
  std::vector<std::string> reasons;
  for (const v1::SecretFinding& finding : report.findings()) reasons.push_back(finding.message());
  if (!report.superseded_by().empty()) {
    reasons.push_back(absl::StrCat("guests start as ", report.superseded_by()));
  }
  return absl::StrJoin(reasons, "; ");
}

Row RowOf(const SecretCell& cell) {
  const v1::SecretReport& report = cell.report;
  const v1::Secret& secret = report.secret();
  Cell state{"OK", Tone::kGood};
  if (!report.findings().empty()) {
    state = {report.findings(0).reason(), Tone::kBad};
  } else if (secret.entity().empty()) {
    state = {"not kept"};
  }
  Row row;
  row.node = cell.node;
  // One that is missing has no UUID.
  row.name = absl::StrCat("secret/", secret.uuid().empty() ? secret.entity() : secret.uuid());
  row.message = std::make_shared<v1::SecretReport>(report);
  row.cells = {{secret.entity()},       {secret.uuid()},
               {secret.usage()},        secret.has_value() ? Cell{"set"} : Cell{"none", Tone::kBad},
               {FingerprintOf(report)}, {GenerationText(report)},
               {ProvedText(report)},    {GuestsText(report)},
               std::move(state),        {WhyText(report)}};
  return row;
}

// Those of libvirt's secrets that are in nobody's way are for those who want to see everything.
bool IsShown(const SecretCell& cell, const std::string& entity, Format format) {
  if (!entity.empty()) return cell.entity == entity;
  return !cell.entity.empty() || (format != Format::kTable && format != Format::kName);
}

}  // namespace

ExitCode ShowSecretStatus(Cli& cli, const std::string& entity, bool prove) {
  const std::string what = "check the secrets";
  auto targets = cli.Targets();
  if (!targets.ok()) return cli.Fail({what, "", targets.status()});
  v1::CheckSecretsRequest request;
  request.set_prove(prove);
  auto answers = FanOut(*targets, [&](Node* node) {
    return node->Read(cli.call_options(), &v1::SecretService::Stub::Check, request);
  });

  std::vector<std::pair<std::string, v1::CheckSecretsResponse>> reports;
  Outcome outcome(cli, StatusColumns());
  for (size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i].ok()) continue;
    outcome.Count(ExitCode::kDone);
    reports.emplace_back((*targets)[i]->name(), *std::move(answers[i]));
  }
  bool found = false;
  for (const SecretCell& cell : CompareSecrets(reports)) {
    if (!IsShown(cell, entity, cli.options.format)) continue;
    found = true;
    outcome.AddRow(RowOf(cell));
    if (!cell.report.findings().empty()) outcome.Count(ExitCode::kNotAsItShouldBe);
  }
  for (size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i].ok()) outcome.Fail(what, (*targets)[i]->name(), answers[i].status());
  }
  if (!entity.empty() && !found) {
    const absl::Status none =
        Error(absl::StatusCode::kNotFound, "SECRET_NOT_FOUND",
              absl::StrCat("no node that answered keeps a secret of ", entity,
                           ": run `agentctl secret sync --entity ", entity, "`"));
    outcome.Count(cli.Fail({what, "", WithExit(none, ExitCode::kNotAsItShouldBe)}));
  }
  return outcome.Show();
}

}  // namespace hvagent::agentctl
