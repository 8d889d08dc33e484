#include "domain_xml/vm_spec.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "domain_xml/spec_checks.h"
#include "domain_xml/spec_differences.h"
#include "domain_xml/spec_parts.h"

namespace hvagent::domain_xml {
namespace {

constexpr size_t kMaxNodeName = 253;  // a DNS name

}  // namespace

absl::Status ValidateVmSpec(const v1::VmSpec& spec) {
  RETURN_IF_ERROR(CheckUuid("uuid", spec.uuid()));
  RETURN_IF_ERROR(AsField("name", CheckVmName(spec.name())));
  if (!spec.node().empty()) {
    RETURN_IF_ERROR(CheckSystemName("node", spec.node(), kMaxNodeName));
  }
  if (spec.power_state() != v1::POWER_STATE_UNSPECIFIED && spec.power_state() != v1::RUNNING &&
      spec.power_state() != v1::STOPPED) {
    return InvalidField("power_state", "must be RUNNING or STOPPED");
  }
  RETURN_IF_ERROR(ValidateMachine(spec));
  RETURN_IF_ERROR(ValidateDisks(spec));
  RETURN_IF_ERROR(ValidateNics(spec));
  return ValidateBootOrder(spec);
}

v1::VmSpec Normalize(v1::VmSpec spec) {
  absl::AsciiStrToLower(spec.mutable_uuid());
  if (spec.power_state() == v1::POWER_STATE_UNSPECIFIED) spec.set_power_state(v1::RUNNING);
  NormalizeMachine(spec);
  NormalizeDisks(spec);
  NormalizeNics(spec);
  NormalizeBootOrder(spec);
  return spec;
}

std::vector<std::string> DifferingFields(const v1::VmSpec& a, const v1::VmSpec& b) {
  std::vector<std::string> paths;
  for (Difference& found : FindDifferences(Normalize(a), Normalize(b), MatchElements::kByPlace)) {
    paths.push_back(std::move(found.path));
  }
  return paths;
}

absl::StatusOr<DomainSpec> ResolveVm(const v1::VmSpec& spec, const Placement& placement) {
  RETURN_IF_ERROR(ValidateVmSpec(spec));
  const v1::VmSpec vm = Normalize(spec);

  DomainSpec domain;
  ASSIGN_OR_RETURN(domain.uuid, Uuid::Parse(vm.uuid()));
  domain.name = vm.name();
  domain.type = placement.type;
  domain.mark = {.agent_node = placement.node,
                 .generation = placement.generation,
                 .epoch = placement.epoch,
                 .secret = placement.secret};
  if (!placement.serial_log_dir.empty()) {
    domain.serial_log_file = absl::StrCat(placement.serial_log_dir, "/", vm.uuid(), ".serial.log");
  }
  ResolveMachine(vm, domain);
  ResolveDisks(vm, placement, domain);
  ResolveNics(vm, domain);
  return domain;
}

}  // namespace hvagent::domain_xml
