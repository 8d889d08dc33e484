#include "agentctl/apply.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agentctl/fan_out.h"
#include "agentctl/listing.h"
#include "agentctl/manifest_file.h"
#include "agentctl/secret_sync.h"
#include "agentctl/vm_push.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::agentctl {
namespace {

absl::StatusOr<SecretWish> ReadWish(const v1::SecretManifest& secret) {
  SecretWish wish;
  wish.request.set_entity(secret.entity());
  wish.request.set_uuid(secret.uuid());
  wish.request.set_usage(secret.usage());
  wish.request.set_ephemeral(secret.ephemeral());
  wish.request.set_private_(secret.private_());
  const auto& source = secret.key_source();
  RETURN_IF_ERROR(SetKeySource(
      source.from_monitors() ? "mon" : absl::StrCat("keyring:", source.keyring_file()), wish));
  return wish;
}

absl::StatusOr<std::vector<SecretWish>> ReadWishes(const v1::Manifest& manifest) {
  std::vector<SecretWish> wishes;
  for (const v1::SecretManifest& secret : manifest.secrets()) {
    ASSIGN_OR_RETURN(SecretWish wish, ReadWish(secret));
    wishes.push_back(std::move(wish));
  }
  return wishes;
}

absl::StatusOr<std::vector<Node*>> NodesForSecrets(Cli& cli, const std::vector<NodePush>& pushes) {
  if (pushes.empty() || cli.options.all || !cli.options.nodes.empty()) return cli.Targets();
  std::vector<Node*> nodes;
  for (const NodePush& push : pushes) nodes.push_back(push.node);
  return nodes;
}

// Returns the nodes where a secret failed.
std::set<Node*> ApplySecrets(Cli& cli, Interrupts& interrupts,
                             const std::vector<SecretWish>& wishes, const std::vector<Node*>& nodes,
                             bool dry_run, Outcome& outcome) {
  std::set<Node*> failed;
  for (const SecretWish& wish : wishes) {
    const std::string what = absl::StrCat("sync the secret of ", wish.request.entity());
    const auto answers = SyncSecret(cli, interrupts, nodes, wish, dry_run);
    if (!answers.ok()) {
      outcome.Count(cli.Fail({what, "", answers.status()}));
      failed.insert(nodes.begin(), nodes.end());
      continue;
    }
    for (size_t i = 0; i < nodes.size(); ++i) {
      const auto& answer = (*answers)[i];
      if (answer.ok()) {
        outcome.AddRow(RowOf(*answer, nodes[i]->name(), dry_run));
        outcome.Count(ExitCode::kDone);
      } else {
        outcome.Fail(what, nodes[i]->name(), answer.status());
        failed.insert(nodes[i]);
      }
    }
  }
  return failed;
}

// Asks before VMs go that the manifest leaves out.
absl::Status ConfirmPruning(Cli& cli, const std::vector<NodePush>& pushes) {
  std::vector<std::string> names;
  for (const NodePush& push : pushes) {
    for (const std::string& name : push.deleted_names) {
      names.push_back(absl::StrCat(name, " on ", push.node->name()));
    }
  }
  if (names.empty() || cli.options.dry_run) return absl::OkStatus();
  return cli.Confirm(absl::StrCat("Delete ", names.size(), " VM(s) that the manifest leaves out (",
                                  absl::StrJoin(names, ", "),
                                  ")? The trash keeps their disks for a while."));
}

// What a manifest asks of the nodes.
struct Job {
  std::vector<SecretWish> wishes;
  std::vector<NodePush> pushes;
  std::vector<Node*> secret_nodes;
};

absl::StatusOr<Job> ReadJob(Cli& cli, const std::string& file, const ApplyOptions& options) {
  ASSIGN_OR_RETURN(const v1::Manifest manifest, ReadManifest(file));
  if (options.vms_only && !manifest.secrets().empty()) {
    return InvalidField("secrets", "`vm apply` takes VMs only; use `agentctl apply`");
  }
  Job job;
  ASSIGN_OR_RETURN(job.wishes, ReadWishes(manifest));
  ASSIGN_OR_RETURN(job.pushes, PlanPushes(cli, manifest));
  if (options.prune) {
    ASSIGN_OR_RETURN(const std::vector<Node*> targets, cli.Targets());
    RETURN_IF_ERROR(AddPruned(cli, targets, job.pushes));
  }
  ASSIGN_OR_RETURN(job.secret_nodes, NodesForSecrets(cli, job.pushes));
  return job;
}

std::string NameOf(const NodePush& push) {
  const v1::PushStateRequest& request = push.request;
  if (request.vms_size() == 1 && request.deletions().empty()) {
    return absl::StrCat("apply VM ", request.vms(0).spec().name());
  }
  return absl::StrCat("apply ", request.vms_size() + request.deletions_size(), " VMs");
}

}  // namespace

ExitCode Apply(Cli& cli, const std::string& file, const ApplyOptions& options) {
  const std::string verb = options.diff ? "compare" : "apply";
  const bool dry_run = cli.options.dry_run || options.diff;
  const absl::StatusOr<Job> job = ReadJob(cli, file, options);
  if (!job.ok()) return cli.Fail({verb, "", job.status()});
  if (const absl::Status agreed = ConfirmPruning(cli, job->pushes); !agreed.ok()) {
    return cli.Fail({verb, "", agreed});
  }

  Interrupts interrupts;
  Outcome outcome(cli, ChangeColumns(dry_run));
  const std::set<Node*> failed =
      ApplySecrets(cli, interrupts, job->wishes, job->secret_nodes, dry_run, outcome);
  const auto answers =
      FanOut(job->pushes, [&](const NodePush& push) -> absl::StatusOr<v1::PushStateResponse> {
        if (failed.contains(push.node)) return NotTried("a secret failed on its node");
        return Send(cli, interrupts, push, dry_run);
      });
  bool differs = false;
  for (size_t i = 0; i < job->pushes.size(); ++i) {
    const NodePush& push = job->pushes[i];
    if (answers[i].ok()) {
      AddRows(push, *answers[i], dry_run, outcome);
      differs = differs || Changes(*answers[i]);
    } else {
      outcome.Fail(NameOf(push), push.node->name(), answers[i].status());
    }
  }
  if (options.diff && differs) outcome.Count(ExitCode::kNotAsItShouldBe);
  return outcome.Show();
}

}  // namespace hvagent::agentctl
