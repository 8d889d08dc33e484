#include "agent/service/push_request.h"

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "domain_xml/vm_spec.h"

namespace hvagent::service {
namespace {

// A push is of a controller, with a place in its order, or of an operator, without one.
absl::Status CheckOrder(const v1::PushStateRequest& push) {
  if (push.controller().empty() && push.term() == 0 && push.generation() == 0) {
    if (push.kind() == v1::PushStateRequest::PARTIAL) return absl::OkStatus();
    return InvalidField("term",
                        "a FULL push is a controller's: it needs controller, term and "
                        "generation");
  }
  if (!CheckVmName(push.controller()).ok()) {
    return InvalidField("controller", "must be 1 to 63 letters, digits, '.', '_' or '-'");
  }
  if (push.term() < 1) return InvalidField("term", "must be at least 1");
  if (push.generation() < 1) return InvalidField("generation", "must be at least 1");
  return absl::OkStatus();
}

absl::Status CheckIfGeneration(const v1::PushStateRequest& push, absl::string_view path,
                               int64_t generation) {
  if (push.kind() != v1::PushStateRequest::PARTIAL) {
    return InvalidField(path, "goes with PARTIAL pushes only");
  }
  return generation < 0 ? InvalidField(path, "must not be negative") : absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::VmSpec> AdmitVm(const v1::VmSpec& spec, absl::string_view path,
                                   absl::string_view node) {
  RETURN_IF_ERROR(PrefixField(domain_xml::ValidateVmSpec(spec), path));
  if (!spec.node().empty() && spec.node() != node) {
    return InvalidField(absl::StrCat(path, ".node"),
                        absl::StrCat("the VM is meant for \"", spec.node(), "\", and this is \"",
                                     node, "\": send it to that node's agent"));
  }
  v1::VmSpec admitted = domain_xml::Normalize(spec);
  admitted.set_node(std::string(node));
  return admitted;
}

absl::Status AdmitPush(v1::PushStateRequest& push) {
  if (push.kind() != v1::PushStateRequest::FULL && push.kind() != v1::PushStateRequest::PARTIAL) {
    return InvalidField("kind", "must be FULL or PARTIAL");
  }
  RETURN_IF_ERROR(CheckOrder(push));
  if (push.kind() == v1::PushStateRequest::FULL && !push.deletions().empty()) {
    return InvalidField("deletions", "a FULL push deletes what it leaves out");
  }
  absl::flat_hash_set<Uuid> uuids;
  absl::flat_hash_set<absl::string_view> names;
  for (int i = 0; i < push.vms_size(); ++i) {
    const v1::PushedVm& vm = push.vms(i);
    // What is no UUID is refused with its spec.
    const auto uuid = Uuid::Parse(vm.spec().uuid());
    if (uuid.ok() && !uuids.insert(*uuid).second) {
      return InvalidField(absl::StrCat("vms[", i, "].spec.uuid"), "is in the push twice");
    }
    if (!names.insert(vm.spec().name()).second) {
      return InvalidField(absl::StrCat("vms[", i, "].spec.name"),
                          "is another VM's in the same push");
    }
    if (vm.has_if_generation()) {
      RETURN_IF_ERROR(
          CheckIfGeneration(push, absl::StrCat("vms[", i, "].if_generation"), vm.if_generation()));
    }
  }
  for (int i = 0; i < push.deletions_size(); ++i) {
    v1::PushedDeletion& deletion = *push.mutable_deletions(i);
    const std::string path = absl::StrCat("deletions[", i, "]");
    const auto uuid = Uuid::Parse(deletion.uuid());
    if (!uuid.ok()) return InvalidField(path + ".uuid", uuid.status().message());
    deletion.set_uuid(uuid->ToString());
    if (!uuids.insert(*uuid).second) {
      return InvalidField(path + ".uuid", "is in the push twice");
    }
    if (deletion.has_if_generation()) {
      RETURN_IF_ERROR(CheckIfGeneration(push, path + ".if_generation", deletion.if_generation()));
    }
  }
  return absl::OkStatus();
}

}  // namespace hvagent::service
