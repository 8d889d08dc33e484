#include "domain_xml/vm_spec.h"

#include <algorithm>
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
constexpr int kMaxTags = 64;
constexpr size_t kMaxTagKey = 63;
constexpr size_t kMaxTagValue = 255;

absl::Status CheckTagKey(absl::string_view field, absl::string_view key) {
  const auto is_plain = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-' ||
           c == '/';
  };
  if (!key.empty() && key.size() <= kMaxTagKey &&
      absl::ascii_isalnum(static_cast<unsigned char>(key.front())) &&
      std::all_of(key.begin(), key.end(), is_plain)) {
    return absl::OkStatus();
  }
  return InvalidField(field, absl::StrCat("a key must be 1 to ", kMaxTagKey,
                                          " letters, digits, '.', '_', '-' or '/', the first a "
                                          "letter or digit"));
}

absl::Status ValidateTags(const v1::VmSpec& spec) {
  if (spec.tags_size() > kMaxTags) {
    return InvalidField("tags", absl::StrCat("there may be at most ", kMaxTags));
  }
  for (const auto& [key, value] : spec.tags()) {
    RETURN_IF_ERROR(CheckTagKey("tags", key));
    const bool has_control = std::any_of(value.begin(), value.end(), [](char c) {
      return absl::ascii_iscntrl(static_cast<unsigned char>(c));
    });
    if (value.size() > kMaxTagValue || has_control) {
      return InvalidField(
          absl::StrCat("tags[", key, "]"),
          absl::StrCat("must have at most ", kMaxTagValue, " bytes, and no control characters"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateVmSpec(const v1::VmSpec& spec) {
  RETURN_IF_ERROR(CheckUuid("uuid", spec.uuid()));
  RETURN_IF_ERROR(AsField("name", CheckVmName(spec.name())));
  if (!spec.node().empty()) {
    RETURN_IF_ERROR(CheckSystemName("node", spec.node(), kMaxNodeName));
  }
  if (!v1::PowerState_IsValid(spec.power_state())) {
    return InvalidField("power_state", "must be RUNNING, STOPPED or PAUSED");
  }
  if (!v1::VmSpec::RestartPolicy_IsValid(spec.restart_policy())) {
    return InvalidField("restart_policy", "must be NEVER, ON_FAILURE or ALWAYS");
  }
  RETURN_IF_ERROR(ValidateMachine(spec));
  RETURN_IF_ERROR(ValidatePlacement(spec));
  RETURN_IF_ERROR(ValidateDisks(spec));
  RETURN_IF_ERROR(ValidateNics(spec));
  RETURN_IF_ERROR(ValidateBootOrder(spec));
  RETURN_IF_ERROR(ValidateOtherDevices(spec));
  return ValidateTags(spec);
}

v1::VmSpec Normalize(v1::VmSpec spec) {
  absl::AsciiStrToLower(spec.mutable_uuid());
  if (spec.power_state() == v1::POWER_STATE_UNSPECIFIED) spec.set_power_state(v1::RUNNING);
  if (spec.restart_policy() == v1::VmSpec::RESTART_POLICY_UNSPECIFIED) {
    spec.set_restart_policy(v1::VmSpec::ALWAYS);
  }
  NormalizeMachine(spec);
  NormalizeDisks(spec);
  NormalizeNics(spec);
  NormalizeBootOrder(spec);
  NormalizePlacement(spec);
  NormalizeOtherDevices(spec);
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
  ResolveMachine(vm, domain);
  ResolvePlacement(vm, domain);
  ResolveDisks(vm, placement, domain);
  ResolveNics(vm, domain);
  ResolveOtherDevices(vm, placement, domain);
  return domain;
}

}  // namespace hvagent::domain_xml
