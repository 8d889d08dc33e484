#include "agentctl/vm_push.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agentctl/fan_out.h"
#include "agentctl/manifest_file.h"
#include "agentctl/vm_wait.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "hvagent/v1/node_service.grpc.pb.h"
#include "hvagent/v1/vm_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

constexpr absl::Duration kLookTimeout = absl::Seconds(5);
// Of a larger push the VMs are not followed one by one.
constexpr int kMaxFollowed = 16;

// What the nodes said about the VMs of a manifest.
struct Places {
  struct Place {
    Node* node = nullptr;
    int64_t generation = 0;
  };
  std::map<std::string, Place> by_uuid;  // lower case
  std::set<Node*> answered;
};

// A node that does not answer is passed over: it is not the one that a VM is sent to, or that will
// fail there.
absl::StatusOr<Places> Locate(const std::vector<Node*>& nodes, const v1::Manifest& manifest) {
  v1::LocateVmsRequest request;
  for (const v1::VmSpec& spec : manifest.vms()) request.add_uuids(spec.uuid());
  const auto answers = FanOut(nodes, [&](Node* node) {
    return node->Read({kLookTimeout, nullptr, /*explain=*/false}, &v1::VmService::Stub::Locate,
                      request);
  });
  Places places;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!answers[i].ok()) continue;
    places.answered.insert(nodes[i]);
    for (const auto& vm : answers[i]->vms()) {
      const auto [it, first] =
          places.by_uuid.try_emplace(vm.uuid(), Places::Place{nodes[i], vm.generation()});
      if (!first) {
        return Error(absl::StatusCode::kFailedPrecondition, "VM_AMBIGUOUS",
                     absl::StrCat("VM ", vm.uuid(), " is on ", it->second.node->name(), " and on ",
                                  nodes[i]->name()));
      }
    }
  }
  return places;
}

NodePush& PushTo(Node* node, std::vector<NodePush>& pushes) {
  const auto it = std::find_if(pushes.begin(), pushes.end(),
                               [&](const NodePush& push) { return push.node == node; });
  if (it != pushes.end()) return *it;
  NodePush push{.node = node};
  push.request.set_kind(v1::PushStateRequest::PARTIAL);
  push.request.set_request_id(Uuid::Random().ToString());
  pushes.push_back(std::move(push));
  return pushes.back();
}

// Notes each change of state of the push's VMs.
std::function<absl::Status(Node&)> Follow(Cli& cli, Interrupts& interrupts,
                                          const v1::PushStateRequest& push) {
  std::vector<std::function<absl::Status(Node&)>> looks;
  for (const v1::PushedVm& vm : push.vms()) {
    looks.push_back(WaitForVm(cli, interrupts, vm.spec().uuid(), vm.spec().name()).poll);
  }
  return [looks = std::move(looks)](Node& node) {
    for (const auto& look : looks) {
      const absl::Status status = look(node);
      if (!status.ok() && !absl::IsNotFound(status)) return status;
    }
    return absl::OkStatus();
  };
}

void NoteStart(Cli& cli, const NodePush& push) {
  const v1::PushStateRequest& request = push.request;
  if (request.vms_size() > kMaxFollowed) {
    cli.Note(absl::StrCat(request.vms_size(), " VMs on ", push.node->name(), ": applying"));
    return;
  }
  for (const v1::PushedVm& vm : request.vms()) {
    cli.Note(absl::StrCat(vm.spec().name(), " on ", push.node->name(), ": applying"));
  }
}

std::string ChangeText(v1::VmChange::Kind kind, bool dry_run) {
  switch (kind) {
    case v1::VmChange::CREATE:
      return dry_run ? "would be created" : "created";
    case v1::VmChange::UPDATE:
      return dry_run ? "would be updated" : "updated";
    case v1::VmChange::DELETE:
      return dry_run ? "would be deleted" : "deleted";
    default:
      return "unchanged";
  }
}

// "DESTROYS_DATA REMOVE_ROOT_DISK (the VM is being deleted)"
std::string ActionText(const v1::PlannedAction& action) {
  std::string text = action.action();
  if (action.consequence() != v1::CONSEQUENCE_UNSPECIFIED) {
    text = absl::StrCat(v1::Consequence_Name(action.consequence()), " ", text);
  }
  return absl::StrCat(text, " (", action.reason(), ")");
}

// "NEEDS_RESTART vcpus (...)"
std::string FieldText(const v1::FieldChange& field) {
  std::string text = field.path();
  if (field.consequence() != v1::CONSEQUENCE_UNSPECIFIED) {
    text = absl::StrCat(v1::Consequence_Name(field.consequence()), " ", text);
  }
  return field.how().empty() ? text : absl::StrCat(text, " (", field.how(), ")");
}

std::string WhyText(const v1::VmChange& change) {
  std::vector<std::string> parts;
  for (const v1::FieldChange& field : change.fields()) parts.push_back(FieldText(field));
  for (const v1::PlannedAction& action : change.actions()) parts.push_back(ActionText(action));
  return absl::StrJoin(parts, "; ");
}

absl::Status StatusOf(const v1::VmProblem& problem) {
  absl::Status status =
      Error(absl::StatusCode::kFailedPrecondition, problem.reason(), problem.message());
  return problem.reason() == "STILL_IN_PROGRESS"
             ? WithExit(std::move(status), ExitCode::kGoesOnThere)
             : status;
}

}  // namespace

absl::StatusOr<std::vector<NodePush>> PlanPushes(Cli& cli, const v1::Manifest& manifest) {
  ASSIGN_OR_RETURN(Session * session, cli.session());
  std::vector<Node*> chosen;
  for (int i = 0; i < manifest.vms_size(); ++i) {
    ASSIGN_OR_RETURN(Node * node, ChooseNode(cli, manifest, i));
    chosen.push_back(node);
  }
  std::vector<NodePush> pushes;
  if (chosen.empty()) return pushes;
  ASSIGN_OR_RETURN(const Places places, Locate(session->nodes(), manifest));
  for (int i = 0; i < manifest.vms_size(); ++i) {
    const v1::VmSpec& spec = manifest.vms(i);
    Node* node = chosen[static_cast<size_t>(i)];
    int64_t generation = 0;
    if (const auto it = places.by_uuid.find(absl::AsciiStrToLower(spec.uuid()));
        it != places.by_uuid.end()) {
      if (it->second.node != node && !cli.options.nodes.empty()) {
        return InvalidField(
            absl::StrCat("vms[", i, "].uuid"),
            absl::StrCat("is a VM on ", it->second.node->name(), ", which --node leaves out"));
      }
      if (it->second.node != node) {
        cli.Note(absl::StrCat(spec.name(), " is on ", it->second.node->name(), " and stays there"));
      }
      node = it->second.node;
      generation = it->second.generation;
    }
    v1::PushedVm& pushed = *PushTo(node, pushes).request.add_vms();
    *pushed.mutable_spec() = spec;
    pushed.mutable_spec()->clear_node();  // it is where it goes
    if (places.answered.contains(node)) pushed.set_if_generation(generation);
  }
  return pushes;
}

absl::Status AddPruned(Cli& cli, const std::vector<Node*>& nodes, std::vector<NodePush>& pushes) {
  std::set<std::string> named;
  for (const NodePush& push : pushes) {
    for (const v1::PushedVm& vm : push.request.vms()) {
      named.insert(absl::AsciiStrToLower(vm.spec().uuid()));
    }
  }
  for (Node* const node : nodes) {
    v1::ListVmsRequest request;
    request.set_page_size(1000);
    do {
      ASSIGN_OR_RETURN(const auto page,
                       node->Read(cli.call_options(), &v1::VmService::Stub::List, request));
      for (const v1::Vm& vm : page.vms()) {
        if (vm.status().deleting() || named.contains(vm.spec().uuid())) continue;
        NodePush& push = PushTo(node, pushes);
        v1::PushedDeletion& deletion = *push.request.add_deletions();
        deletion.set_uuid(vm.spec().uuid());
        deletion.set_if_generation(vm.generation());
        push.deleted_names.push_back(vm.spec().name());
      }
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::PushStateResponse> Send(Cli& cli, Interrupts& interrupts, const NodePush& push,
                                           bool dry_run) {
  v1::PushStateRequest request = push.request;
  request.set_dry_run(dry_run);
  request.set_wait(!dry_run);
  if (dry_run) {
    return push.node->Change(cli.change_options(interrupts), &v1::NodeService::Stub::PushState,
                             request);
  }
  NoteStart(cli, push);
  ChangeOptions options = cli.wait_options(interrupts);
  if (request.vms_size() <= kMaxFollowed) options.poll = Follow(cli, interrupts, request);
  return push.node->Change(options, &v1::NodeService::Stub::PushState, request);
}

void AddRows(const NodePush& push, const v1::PushStateResponse& response, bool dry_run,
             Outcome& outcome) {
  std::map<std::string, const v1::VmChange*> changes;
  std::map<std::string, const v1::VmProblem*> problems;
  for (const v1::VmChange& change : response.changes()) changes[change.uuid()] = &change;
  for (const v1::VmProblem& problem : response.problems()) problems[problem.uuid()] = &problem;
  const auto add = [&](const std::string& uuid, const std::string& name) {
    if (const auto problem = problems.find(uuid); problem != problems.end()) {
      outcome.Fail(absl::StrCat("apply VM ", name), push.node->name(), StatusOf(*problem->second));
      return;
    }
    v1::VmChange change;
    if (const auto it = changes.find(uuid); it != changes.end()) {
      change = *it->second;
    } else {
      change.set_uuid(uuid);
      change.set_name(name);
    }
    Row row;
    row.name = absl::StrCat("vm/", uuid);
    row.node = push.node->name();
    row.cells = {{row.name},
                 {name},
                 {ChangeText(change.kind(), dry_run), dry_run ? Tone::kPlain : Tone::kGood},
                 {WhyText(change)}};
    row.message = std::make_shared<v1::VmChange>(std::move(change));
    outcome.AddRow(std::move(row));
    outcome.Count(ExitCode::kDone);
  };
  for (const v1::PushedVm& vm : push.request.vms()) {
    add(absl::AsciiStrToLower(vm.spec().uuid()), vm.spec().name());
  }
  for (int i = 0; i < push.request.deletions_size(); ++i) {
    add(push.request.deletions(i).uuid(), push.deleted_names[static_cast<size_t>(i)]);
  }
}

bool Changes(const v1::PushStateResponse& response) {
  return std::any_of(
      response.changes().begin(), response.changes().end(),
      [](const v1::VmChange& change) { return change.kind() != v1::VmChange::CLAIM; });
}

}  // namespace hvagent::agentctl
