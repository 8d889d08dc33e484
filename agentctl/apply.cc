#include "agentctl/apply.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agentctl/fan_out.h"
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

struct SecretJob {
  const SecretWish* wish = nullptr;
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

absl::StatusOr<std::vector<SecretWish>> ReadWishes(const v1::Manifest& manifest) {
  std::vector<SecretWish> wishes;
  for (const v1::SecretManifest& secret : manifest.secrets()) {
    ASSIGN_OR_RETURN(auto key, ReadKey(secret.key_source().keyring_file(), secret.entity()));
    wishes.push_back({secret.entity(), secret.uuid(), secret.usage(), std::move(key)});
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

// What came of it all, in the order of the manifest.
class Outcome {
 public:
  explicit Outcome(Cli& cli) : cli_(cli) {}

  void Add(const std::string& what, const std::string& node, const absl::StatusOr<Row>& row) {
    outcomes_.push_back(ExitCodeOf(row.status()));
    if (row.ok()) {
      listing_.rows.push_back(*row);
      return;
    }
    Row failed;
    failed.node = node;
    failed.error = row.status();
    listing_.rows.push_back(std::move(failed));
    cli_.Fail({what, node, row.status()});
  }

  ExitCode Show() {
    const ExitCode shown = cli_.Show(listing_);
    return shown == ExitCode::kDone ? Combine(outcomes_) : shown;
  }

 private:
  Cli& cli_;
  Listing listing_{ChangeColumns(), {}, /*with_node=*/true};
  std::vector<ExitCode> outcomes_;
};

// Returns the nodes where a secret failed.
std::set<Node*> ApplySecrets(Cli& cli, Interrupts& interrupts,
                             const std::vector<SecretWish>& wishes, const std::vector<Node*>& nodes,
                             Outcome& outcome) {
  std::vector<SecretJob> jobs;
  for (const SecretWish& wish : wishes) {
    for (Node* const node : nodes) jobs.push_back({&wish, node});
  }
  const auto answers = FanOut(jobs, [&](const SecretJob& job) -> absl::StatusOr<Row> {
    ASSIGN_OR_RETURN(const auto response, SyncSecret(cli, interrupts, *job.node, *job.wish));
    return RowOf(response, job.node->name(), cli.options.dry_run);
  });
  std::set<Node*> failed;
  for (size_t i = 0; i < jobs.size(); ++i) {
    if (!answers[i].ok()) failed.insert(jobs[i].node);
    outcome.Add(absl::StrCat("sync the secret of ", jobs[i].wish->entity), jobs[i].node->name(),
                answers[i]);
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
  Outcome outcome(cli);
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
    outcome.Add(absl::StrCat("apply VM ", (*vms)[i].spec->name()), (*vms)[i].node->name(),
                answers[i]);
  }
  return outcome.Show();
}

}  // namespace hvagent::agentctl
