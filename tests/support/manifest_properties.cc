#include "tests/support/manifest_properties.h"

#include <google/protobuf/util/message_differencer.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "base/error.h"
#include "domain_xml/domain_xml.h"
#include "domain_xml/spec_change.h"
#include "domain_xml/vm_spec.h"
#include "hvagent/v1/manifest.pb.h"
#include "manifest/yaml_proto.h"

namespace hvagent::testing {
namespace {

using ::google::protobuf::util::MessageDifferencer;

void Require(bool holds, const char* what, const std::string& value) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n%s\n", what, value.c_str());
  std::abort();
}

void RequireRefusal(const absl::Status& status) {
  Require(absl::IsInvalidArgument(status) && ErrorReason(status).has_value() &&
              !absl::StrContains(status.message(), '\n'),
          "a refusal is INVALID_ARGUMENT with a reason and one line", status.ToString());
}

domain_xml::Placement SomePlacement() {
  domain_xml::Placement placement;
  placement.node = "compute-1";
  placement.vms_pool = "vms";
  placement.volumes_pool = "volumes";
  placement.monitors = {{"192.0.2.1", 3300}};
  placement.serial_log_dir = "/var/log";
  return placement;
}

bool CheckSpec(const v1::VmSpec& spec) {
  const absl::Status valid = domain_xml::ValidateVmSpec(spec);
  if (!valid.ok()) {
    RequireRefusal(valid);
    return false;
  }
  const std::string shown = spec.ShortDebugString();
  const v1::VmSpec canonical = domain_xml::Normalize(spec);
  Require(domain_xml::ValidateVmSpec(canonical).ok(), "the canonical form is valid", shown);
  Require(MessageDifferencer::Equals(domain_xml::Normalize(canonical), canonical),
          "the canonical form is its own", shown);
  Require(domain_xml::CompareSpecs(spec, canonical).empty(), "the canonical form is the same wish",
          shown);

  const auto domain = domain_xml::ResolveVm(spec, SomePlacement());
  Require(domain.ok(), "a valid spec is resolved", shown);
  const auto xml = domain_xml::Render(*domain);
  Require(xml.ok(), "a valid spec becomes domain XML", shown + "\n" + xml.status().ToString());
  return true;
}

}  // namespace

bool CheckManifest(absl::string_view yaml) {
  v1::Manifest manifest;
  const absl::Status read = manifest::ReadYaml(yaml, &manifest);
  if (!read.ok()) {
    RequireRefusal(read);
    return false;
  }
  bool all_became_xml = true;
  for (const v1::VmSpec& vm : manifest.vms()) {
    if (!CheckSpec(vm)) all_became_xml = false;
  }
  return all_became_xml;
}

}  // namespace hvagent::testing
