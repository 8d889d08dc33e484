#include "agentctl/secret_rotate.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agentctl/fan_out.h"
#include "agentctl/listing.h"
#include "agentctl/secret_compare.h"
#include "agentctl/secret_sync.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "hvagent/v1/secret_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

// How far one node is.
struct NodeRollout {
  Node* node = nullptr;
  // What keeps it from going on.
  absl::Status status;
  // Of the secret of the next entity: "in sync", "DEFINE, SET_VALUE".
  std::string secret;
  // Whether guests start as the next entity now.
  bool rotated = false;
  // Who runs as the entity before, and whether guests started as the next one when we came.
  v1::RotateSecretResponse found;
  std::vector<std::string> restarted;
  // Of guests that could not be restarted.
  std::vector<ExitCode> failures;
};

using Guests = google::protobuf::RepeatedPtrField<v1::VmRef>;

std::string Names(const Guests& guests) {
  return absl::StrJoin(guests, ", ", [](std::string* out, const v1::VmRef& guest) {
    absl::StrAppend(out, guest.name());
  });
}

const v1::SecretReport* FindReport(const v1::CheckSecretsResponse& response,
                                   const std::string& entity) {
  for (const v1::SecretReport& report : response.secrets()) {
    if (report.secret().entity() == entity) return &report;
  }
  return nullptr;
}

class Rollout {
 public:
  Rollout(Cli& cli, const RotateFlags& flags, const std::vector<Node*>& targets)
      : cli_(cli),
        flags_(flags),
        what_(absl::StrCat("rotate ", flags.entity, " to ", flags.to)),
        targets_(targets) {
    for (Node* const node : targets) nodes_.push_back({.node = node});
  }

  ExitCode Run() {
    SecretWish wish;
    wish.request.set_entity(flags_.to);
    if (!flags_.from.empty()) {
      if (absl::Status status = SetKeySource(flags_.from, wish); !status.ok()) {
        return cli_.Fail({what_, "", status});
      }
    }
    if (absl::Status status = Look(wish); !status.ok()) return cli_.Fail({what_, "", status});
    if (AnyFailed()) return Stop("nothing was changed; leave such a node out with --node");
    if (cli_.options.dry_run) return Show();
    cli_.NoteTable(Table(/*planned=*/true));
    if (absl::Status status = Confirm(); !status.ok()) return cli_.Fail({what_, "", status});

    Interrupts interrupts;
    if (absl::Status status = Sync(interrupts, wish, /*dry_run=*/false); !status.ok()) {
      return cli_.Fail({what_, "", status});
    }
    if (AnyFailed()) return Stop("guests start as before; try again");
    Rotate(interrupts);
    if (AnyFailed()) return Stop("the same command goes on where this one stopped");
    if (flags_.restart) Restart(interrupts);
    return Show();
  }

 private:
  bool AnyFailed() const {
    return std::any_of(nodes_.begin(), nodes_.end(),
                       [](const NodeRollout& each) { return !each.status.ok(); });
  }

  // Runs `fn` for all nodes at once.
  void ForEach(const std::function<absl::Status(NodeRollout&)>& fn) {
    std::vector<NodeRollout*> all;
    for (NodeRollout& each : nodes_) all.push_back(&each);
    FanOut(all, [&](NodeRollout* each) {
      each->status = fn(*each);
      return each->status;
    });
  }

  // What there is to do on each node, and whether it can be done. Changes nothing.
  absl::Status Look(const SecretWish& wish) {
    v1::CheckSecretsRequest request;
    request.set_prove(flags_.from.empty());
    std::vector<v1::CheckSecretsResponse> answers(nodes_.size());
    ForEach([&](NodeRollout& each) -> absl::Status {
      ASSIGN_OR_RETURN(
          v1::CheckSecretsResponse answer,
          each.node->Read(cli_.call_options(), &v1::SecretService::Stub::Check, request));
      RETURN_IF_ERROR(ReadGuests(answer, each));
      answers[static_cast<size_t>(&each - nodes_.data())] = std::move(answer);
      return absl::OkStatus();
    });
    if (AnyFailed()) return absl::OkStatus();
    if (flags_.from.empty()) return CheckNext(answers);
    Interrupts interrupts;
    return Sync(interrupts, wish, /*dry_run=*/true);
  }

  absl::Status ReadGuests(const v1::CheckSecretsResponse& answer, NodeRollout& each) {
    const v1::SecretReport* const report = FindReport(answer, flags_.entity);
    if (report == nullptr) {
      return Error(absl::StatusCode::kNotFound, "SECRET_NOT_SYNCED",
                   absl::StrCat("this node keeps no secret of ", flags_.entity,
                                ": it was never synced, or is retired"));
    }
    each.rotated = report->superseded_by() == flags_.to;
    each.found.set_was_rotated(each.rotated);
    *each.found.mutable_running_vms() = report->running_vms();
    return absl::OkStatus();
  }

  // The secret of the next entity, that somebody synced before: right on every node, and the same.
  absl::Status CheckNext(const std::vector<v1::CheckSecretsResponse>& answers) {
    std::vector<std::pair<std::string, v1::CheckSecretsResponse>> reports;
    for (size_t i = 0; i < answers.size(); ++i) {
      reports.emplace_back(nodes_[i].node->name(), answers[i]);
      nodes_[i].secret = "in sync";
    }
    bool found = false;
    for (const SecretCell& cell : CompareSecrets(reports)) {
      if (cell.report.secret().entity() != flags_.to) continue;
      found = true;
      for (const v1::SecretFinding& finding : cell.report.findings()) {
        // That is what comes next.
        if (finding.reason() == "SECRET_ROTATION_DIFFERS") continue;
        return WithExit(
            Error(absl::StatusCode::kFailedPrecondition, finding.reason(),
                  absl::StrCat("the secret of ", flags_.to, " is not as it should be on ",
                               cell.node, ": ", finding.message(), "; or say --from SOURCE")),
            ExitCode::kNotAsItShouldBe);
      }
    }
    if (found) return absl::OkStatus();
    return Error(absl::StatusCode::kNotFound, "SECRET_NOT_SYNCED",
                 absl::StrCat("no node keeps a secret of ", flags_.to,
                              ": say where its key is with --from SOURCE"));
  }

  absl::Status Sync(Interrupts& interrupts, const SecretWish& wish, bool dry_run) {
    if (flags_.from.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const auto answers, SyncSecret(cli_, interrupts, targets_, wish, dry_run));
    for (size_t i = 0; i < nodes_.size(); ++i) {
      nodes_[i].status = Annotate(answers[i].status(), absl::StrCat("sync ", flags_.to));
      if (answers[i].ok()) nodes_[i].secret = SyncText(*answers[i], dry_run);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<v1::RotateSecretResponse> AskToRotate(Interrupts& interrupts, Node& node,
                                                       bool dry_run) {
    v1::RotateSecretRequest request;
    request.set_entity(flags_.entity);
    request.set_to(flags_.to);
    request.set_dry_run(dry_run);
    if (dry_run) return node.Read(cli_.call_options(), &v1::SecretService::Stub::Rotate, request);
    return node.Change(cli_.change_options(interrupts), &v1::SecretService::Stub::Rotate, request);
  }

  void Rotate(Interrupts& interrupts) {
    ForEach([&](NodeRollout& each) -> absl::Status {
      ASSIGN_OR_RETURN(each.found, AskToRotate(interrupts, *each.node, /*dry_run=*/false));
      each.rotated = true;
      return absl::OkStatus();
    });
  }

  // Asks before guests are restarted; everything else goes unnoticed by them.
  absl::Status Confirm() {
    Guests all;
    for (const NodeRollout& each : nodes_) all.MergeFrom(each.found.running_vms());
    if (!flags_.restart || all.empty()) return absl::OkStatus();
    return cli_.Confirm(absl::StrCat("Restart ", all.size(),
                                     " guest(s), one node after another: ", Names(all), "?"));
  }

  void Restart(Interrupts& interrupts) {
    for (NodeRollout& each : nodes_) {
      if (each.found.running_vms().empty()) continue;
      RestartOn(interrupts, each);
      if (!each.failures.empty()) return;
    }
  }

  void RestartOn(Interrupts& interrupts, NodeRollout& each) {
    const std::vector<v1::VmRef> guests(each.found.running_vms().begin(),
                                        each.found.running_vms().end());
    const std::vector<absl::Status> ends =
        RestartGuests(cli_, interrupts, *each.node, guests, flags_.restart_options);
    for (size_t i = 0; i < ends.size(); ++i) {
      const std::string& name = guests[i].name();
      if (ends[i].ok()) {
        each.restarted.push_back(name);
      } else {
        Report(each, absl::StrCat("restart ", name), ends[i]);
      }
    }
    const auto left = AskToRotate(interrupts, *each.node, /*dry_run=*/true);
    if (!left.ok()) {
      Report(each, "ask which guests are left", left.status());
      return;
    }
    *each.found.mutable_running_vms() = left->running_vms();
    if (left->running_vms().empty() || !each.failures.empty()) return;
    Report(each, what_,
           Error(absl::StatusCode::kFailedPrecondition, "GUESTS_LEFT",
                 absl::StrCat("these were restarted and still run as ", flags_.entity, ": ",
                              Names(left->running_vms()))));
  }

  void Report(NodeRollout& each, const std::string& what, const absl::Status& status) {
    each.failures.push_back(IsNotTried(status) ? ExitCodeOf(status)
                                               : cli_.Fail({what, each.node->name(), status}));
  }

  std::string GuestsText(const NodeRollout& each, bool planned) const {
    const Guests& guests = each.found.running_vms();
    std::vector<std::string> parts;
    if (!each.restarted.empty()) {
      parts.push_back(absl::StrCat("restarted ", absl::StrJoin(each.restarted, ", ")));
    }
    if (!guests.empty() && !flags_.restart) {
      parts.push_back(absl::StrCat(Names(guests), " at their next restart or migration"));
    } else if (!guests.empty()) {
      parts.push_back(absl::StrCat(planned ? "would restart " : "left: ", Names(guests)));
    }
    return parts.empty() ? "none left" : absl::StrJoin(parts, "; ");
  }

  Row RowOf(const NodeRollout& each, bool planned) const {
    Row row;
    row.name = absl::StrCat("node/", each.node->name());
    row.node = each.node->name();
    const std::string starts_as = each.rotated ? flags_.to
                                  : planned    ? absl::StrCat("would be ", flags_.to)
                                               : flags_.entity;
    row.cells = {{each.secret}, {starts_as}, {GuestsText(each, planned)}};
    row.message = std::make_shared<v1::RotateSecretResponse>(each.found);
    return row;
  }

  Listing Table(bool planned) const {
    Listing listing{{{"NEW-SECRET"}, {"GUESTS-START-AS"}, {"GUESTS"}}, {}, /*with_node=*/true};
    for (const NodeRollout& each : nodes_) listing.rows.push_back(RowOf(each, planned));
    return listing;
  }

  // The end, when a step failed on some node.
  ExitCode Stop(const std::string& hint) {
    for (NodeRollout& each : nodes_) {
      if (!each.status.ok()) each.status = WithHint(each.status, hint);
    }
    return Show();
  }

  ExitCode Show() {
    const Listing table = Table(cli_.options.dry_run);
    Outcome outcome(cli_, table.columns);
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const NodeRollout& each = nodes_[i];
      if (!each.status.ok()) {
        outcome.Fail(what_, each.node->name(), each.status);
        continue;
      }
      outcome.AddRow(table.rows[i]);
      outcome.Count(each.failures.empty() ? ExitCode::kDone : Combine(each.failures));
    }
    return outcome.Show();
  }

  Cli& cli_;
  const RotateFlags& flags_;
  const std::string what_;
  const std::vector<Node*> targets_;
  std::vector<NodeRollout> nodes_;
};

}  // namespace

ExitCode RotateSecret(Cli& cli, const RotateFlags& flags) {
  auto targets = cli.Targets();
  if (!targets.ok()) {
    return cli.Fail(
        {absl::StrCat("rotate ", flags.entity, " to ", flags.to), "", targets.status()});
  }
  return Rollout(cli, flags, *targets).Run();
}

}  // namespace hvagent::agentctl
