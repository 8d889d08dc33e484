#include "agentctl/apply.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agentctl/fan_out.h"
#include "agentctl/listing.h"
#include "agentctl/manifest_file.h"
#include "agentctl/secret_sync.h"
#include "agentctl/views.h"
#include "agentctl/vm_wait.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "hvagent/v1/vm_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

// How many VMs are awaited at once; each holds a call and a thread open.
constexpr size_t kMaxVms = 32;
constexpr absl::Duration kOwnerTimeout = absl::Seconds(5);

struct PlacedVm {
  const v1::VmSpec* spec = nullptr;
  Node* node = nullptr;
};

// The node that has the VM now, or null. A node that does not answer is passed over: it is not
// the one that the VM is sent to, or it will fail there.
absl::StatusOr<Node*> FindOwner(const std::vector<Node*>& nodes, const v1::VmSpec& spec) {
  v1::GetVmRequest request;
  request.set_id(spec.uuid());
  const CallOptions call{kOwnerTimeout, nullptr, /*explain=*/false};
  const auto answers = FanOut(
      nodes, [&](Node* node) { return node->Read(call, &v1::VmService::Stub::Get, request).ok(); });
  Node* owner = nullptr;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!answers[i]) continue;
    if (owner != nullptr) {
      return Error(
          absl::StatusCode::kFailedPrecondition, "VM_AMBIGUOUS",
          absl::StrCat("VM ", spec.uuid(), " is on ", owner->name(), " and on ", nodes[i]->name()));
    }
    owner = nodes[i];
  }
  return owner;
}

absl::StatusOr<std::vector<PlacedVm>> PlaceVms(Cli& cli, const v1::Manifest& manifest) {
  std::vector<PlacedVm> placed;
  for (int i = 0; i < manifest.vms_size(); ++i) {
    ASSIGN_OR_RETURN(Node * node, ChooseNode(cli, manifest, i));
    placed.push_back({&manifest.vms(i), node});
  }
  ASSIGN_OR_RETURN(Session * session, cli.session());
  const std::vector<Node*> nodes = session->nodes();
  if (nodes.size() == 1) return placed;
  const auto owners = FanOut(
      placed, [&](const PlacedVm& vm) { return FindOwner(nodes, *vm.spec); }, /*max_parallel=*/8);
  for (size_t i = 0; i < placed.size(); ++i) {
    RETURN_IF_ERROR(owners[i].status());
    Node* const owner = *owners[i];
    if (owner == nullptr || owner == placed[i].node) continue;
    if (!cli.options.nodes.empty()) {
      return InvalidField(absl::StrCat("vms[", i, "].uuid"),
                          absl::StrCat("is a VM on ", owner->name(), ", which --node leaves out"));
    }
    cli.Note(absl::StrCat(placed[i].spec->name(), " is on ", owner->name(), " and stays there"));
    placed[i].node = owner;
  }
  return placed;
}

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

absl::StatusOr<std::vector<Node*>> NodesForSecrets(Cli& cli, const std::vector<PlacedVm>& vms) {
  if (vms.empty() || cli.options.all || !cli.options.nodes.empty()) return cli.Targets();
  std::vector<Node*> nodes;
  for (const PlacedVm& vm : vms) {
    if (std::find(nodes.begin(), nodes.end(), vm.node) == nodes.end()) nodes.push_back(vm.node);
  }
  return nodes;
}

Row RowOfApplied(const PlacedVm& placed, const v1::ApplyVmResponse& response, bool dry_run) {
  Row row;
  row.name = absl::StrCat("vm/", placed.spec->uuid());
  row.node = placed.node->name();
  row.message = std::make_shared<v1::ApplyVmResponse>(response);
  Cell result{PowerText(response.vm().status().power_state()), Tone::kGood};
  std::vector<std::string> reasons;
  if (dry_run) {
    std::vector<std::string> actions;
    for (const v1::PlannedAction& action : response.actions()) {
      actions.push_back(action.action());
      reasons.push_back(action.reason());
    }
    result = {actions.empty() ? "nothing to do"
                              : absl::StrCat("would ", absl::StrJoin(actions, ", "))};
  }
  row.cells = {
      {row.name}, {placed.spec->name()}, std::move(result), {absl::StrJoin(reasons, "; ")}};
  return row;
}

absl::StatusOr<v1::ApplyVmResponse> ApplyVm(Cli& cli, Interrupts& interrupts,
                                            const PlacedVm& placed) {
  v1::ApplyVmRequest request;
  *request.mutable_spec() = *placed.spec;
  request.set_request_id(Uuid::Random().ToString());
  request.set_dry_run(cli.options.dry_run);
  request.set_wait(!cli.options.dry_run);
  if (cli.options.dry_run) {
    return placed.node->Change(cli.change_options(interrupts), &v1::VmService::Stub::Apply,
                               request);
  }
  const std::string& name = placed.spec->name();
  cli.Note(absl::StrCat(name, " on ", placed.node->name(), ": applying"));
  return placed.node->Change(WaitForVm(cli, interrupts, placed.spec->uuid(), name),
                             &v1::VmService::Stub::Apply, request);
}

// Returns the nodes where a secret failed.
std::set<Node*> ApplySecrets(Cli& cli, Interrupts& interrupts,
                             const std::vector<SecretWish>& wishes, const std::vector<Node*>& nodes,
                             Outcome& outcome) {
  const bool dry_run = cli.options.dry_run;
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

}  // namespace

ExitCode Apply(Cli& cli, const std::string& file, bool vms_only) {
  const std::string what = absl::StrCat("apply ", file == "-" ? "standard input" : file);
  const auto manifest = ReadManifest(file);
  if (!manifest.ok()) return cli.Fail({"apply", "", manifest.status()});  // it names the file
  if (vms_only && !manifest->secrets().empty()) {
    return cli.Fail(
        {what, "", InvalidField("secrets", "`vm apply` takes VMs only; use `agentctl apply`")});
  }
  const auto wishes = ReadWishes(*manifest);
  if (!wishes.ok()) return cli.Fail({what, "", wishes.status()});
  const auto vms = PlaceVms(cli, *manifest);
  if (!vms.ok()) return cli.Fail({what, "", vms.status()});
  const auto nodes = NodesForSecrets(cli, *vms);
  if (!nodes.ok()) return cli.Fail({what, "", nodes.status()});

  Interrupts interrupts;
  Outcome outcome(cli, ChangeColumns(cli.options.dry_run));
  const std::set<Node*> failed = ApplySecrets(cli, interrupts, *wishes, *nodes, outcome);
  const auto answers = FanOut(
      *vms,
      [&](const PlacedVm& vm) -> absl::StatusOr<Row> {
        if (failed.contains(vm.node)) {
          return absl::FailedPreconditionError("not tried, as a secret failed on its node");
        }
        ASSIGN_OR_RETURN(const auto response, ApplyVm(cli, interrupts, vm));
        return RowOfApplied(vm, response, cli.options.dry_run);
      },
      kMaxVms);
  for (size_t i = 0; i < vms->size(); ++i) {
    const PlacedVm& vm = (*vms)[i];
    if (answers[i].ok()) {
      outcome.AddRow(*answers[i]);
      outcome.Count(ExitCode::kDone);
    } else {
      outcome.Fail(absl::StrCat("apply VM ", vm.spec->name()), vm.node->name(),
                   answers[i].status());
    }
  }
  return outcome.Show();
}

}  // namespace hvagent::agentctl
