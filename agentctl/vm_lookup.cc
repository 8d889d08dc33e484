#include "agentctl/vm_lookup.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agentctl/fan_out.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "hvagent/v1/vm_service.grpc.pb.h"

namespace hvagent::agentctl {

absl::StatusOr<FoundVm> FindVm(Cli& cli, const std::string& id, bool for_change) {
  ASSIGN_OR_RETURN(const std::vector<Node*> targets, cli.Targets());
  v1::GetVmRequest request;
  request.set_id(id);
  const CallOptions call = cli.call_options();
  auto answers = FanOut(
      targets, [&](Node* node) { return node->Read(call, &v1::VmService::Stub::Get, request); });
  if (targets.size() == 1) {
    RETURN_IF_ERROR(answers.front().status());
    return FoundVm{targets.front(), *std::move(answers.front())};
  }

  std::vector<FoundVm> found;
  std::vector<std::string> silent;
  for (size_t i = 0; i < targets.size(); ++i) {
    if (answers[i].ok()) {
      found.push_back({targets[i], *std::move(answers[i])});
    } else if (!absl::IsNotFound(answers[i].status())) {
      silent.push_back(absl::StrCat(targets[i]->name(), ": ", answers[i].status().message()));
    }
  }
  if (found.size() > 1) {
    const auto where = absl::StrJoin(found, " and ", [](std::string* out, const FoundVm& each) {
      absl::StrAppend(out, each.node->name(), " (", each.vm.spec().uuid(), ")");
    });
    return Error(absl::StatusCode::kFailedPrecondition, "VM_AMBIGUOUS",
                 absl::StrCat("more than one node has a VM ", id, ": ", where,
                              "; say which with its UUID or --node"));
  }
  if (found.empty() && silent.empty()) {
    return Error(absl::StatusCode::kNotFound, "VM_NOT_FOUND",
                 absl::StrCat("no node has a VM ", id, "; `agentctl vm list` shows what there is"));
  }
  if (found.empty()) {
    return absl::UnavailableError(
        absl::StrCat("no node that answered has a VM ", id,
                     ", and these did not answer: ", absl::StrJoin(silent, "; ")));
  }
  if (for_change && !silent.empty() && !Uuid::Parse(id).ok()) {
    return absl::UnavailableError(
        absl::StrCat(found.front().node->name(), " has a VM ", id,
                     ", but whether it is the only one is not known; name its UUID or --node. "
                     "These did not answer: ",
                     absl::StrJoin(silent, "; ")));
  }
  return std::move(found.front());
}

}  // namespace hvagent::agentctl
