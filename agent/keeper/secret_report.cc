#include "agent/keeper/secret_report.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "google/protobuf/util/time_util.h"
#include "secrets/fingerprint.h"

namespace hvagent::keeper {
namespace {

using google::protobuf::util::TimeUtil;
using secrets::DomainUse;
using secrets::SecretBytes;
using secrets::SecretRecord;
using state::SecretBinding;

void AddFinding(v1::SecretReport& report, absl::string_view reason, absl::string_view message) {
  v1::SecretFinding& finding = *report.add_findings();
  finding.set_reason(reason.data(), reason.size());
  finding.set_message(message.data(), message.size());
}

void Describe(const SecretRecord& record, v1::Secret& secret) {
  secret.set_uuid(record.uuid.ToString());
  secret.set_usage(record.usage);
  secret.set_ephemeral(record.ephemeral);
  secret.set_private_(record.is_private);
}

void AddVm(const DomainUse& domain, google::protobuf::RepeatedPtrField<v1::VmRef>& vms) {
  v1::VmRef& vm = *vms.Add();
  vm.set_uuid(domain.uuid.ToString());
  vm.set_name(domain.name);
}

void ReportDomains(const std::vector<DomainUse>& domains, const Uuid& secret,
                   const std::string& entity, const std::string& fingerprint,
                   v1::SecretReport& report) {
  for (const DomainUse& domain : domains) {
    if (RunsWith(domain, secret, entity)) {
      AddVm(domain, *report.mutable_running_vms());
      if (!domain.runs_with_fingerprint.empty() && !fingerprint.empty() &&
          domain.runs_with_fingerprint != fingerprint) {
        AddVm(domain, *report.mutable_outdated_vms());
      }
    } else if (domain.defined_with.contains(secret)) {
      AddVm(domain, *report.mutable_defined_vms());
    }
  }
}

}  // namespace

absl::StatusOr<v1::CheckSecretsResponse> SecretReporter::Check(bool prove) {
  World world;
  ASSIGN_OR_RETURN(world.present, parts_.store.List());
  ASSIGN_OR_RETURN(world.domains, domains_.List(world.present));
  ASSIGN_OR_RETURN(world.salt, keeper_.Salt());
  ASSIGN_OR_RETURN(const std::vector<SecretBinding> bindings, parts_.state.ListSecrets());

  v1::CheckSecretsResponse response;
  std::set<Uuid> kept;
  for (const SecretBinding& binding : bindings) {
    if (binding.sealed_key.empty() && !binding.superseded_by.empty()) continue;  // retired
    kept.insert(binding.uuid);
    RETURN_IF_ERROR(ReportBinding(world, binding, prove, *response.add_secrets()));
  }
  std::sort(world.present.begin(), world.present.end(),
            [](const SecretRecord& a, const SecretRecord& b) { return a.uuid < b.uuid; });
  for (const SecretRecord& record : world.present) {
    if (kept.contains(record.uuid)) continue;
    v1::SecretReport& report = *response.add_secrets();
    Describe(record, *report.mutable_secret());
    const absl::StatusOr<SecretBytes> value = parts_.store.GetValue(record.uuid);
    report.mutable_secret()->set_has_value(!absl::IsNotFound(value.status()));
    if (value.ok()) report.set_fingerprint(secrets::Fingerprint(world.salt, *value));
    ReportDomains(world.domains, record.uuid, "", "", report);
  }
  return response;
}

absl::Status SecretReporter::ReportBinding(const World& world, const SecretBinding& binding,
                                           bool prove, v1::SecretReport& report) {
  v1::Secret& secret = *report.mutable_secret();
  secret.set_entity(binding.entity);
  report.set_expected_fingerprint(binding.fingerprint);
  report.set_superseded_by(binding.superseded_by);
  if (binding.generation_unix_s != 0) {
    *report.mutable_generation() = TimeUtil::SecondsToTimestamp(binding.generation_unix_s);
  }
  if (binding.prove_time != absl::InfinitePast()) {
    *report.mutable_prove_time() =
        TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(binding.prove_time));
  }
  ReportDomains(world.domains, binding.uuid, binding.entity, binding.fingerprint, report);
  const auto record =
      std::find_if(world.present.begin(), world.present.end(),
                   [&](const SecretRecord& found) { return found.uuid == binding.uuid; });
  if (record == world.present.end()) {
    secret.set_uuid(binding.uuid.ToString());
    secret.set_usage(binding.usage);
    AddFinding(report, "SECRET_MISSING",
               absl::StrCat("libvirt has no secret ", binding.uuid.ToString(),
                            "; the agent makes it again as soon as it can"));
  } else {
    Describe(*record, secret);
    if (record->usage != binding.usage) {
      AddFinding(report, "SECRET_USAGE_DIFFERS",
                 absl::StrCat("libvirt's secret has the usage \"", record->usage, "\", and \"",
                              binding.usage, "\" was synced"));
    }
    RETURN_IF_ERROR(ReportValue(world, binding, *record, prove, report));
  }
  ReportClaim(binding, report);
  if (!prove && binding.prove_time == absl::InfinitePast()) {
    AddFinding(report, "SECRET_NOT_PROVED",
               "no connection to Ceph was ever made with it from this node: sync it again");
  }
  return absl::OkStatus();
}

absl::Status SecretReporter::ReportValue(const World& world, const SecretBinding& binding,
                                         const SecretRecord& record, bool prove,
                                         v1::SecretReport& report) {
  absl::StatusOr<SecretBytes> value = parts_.store.GetValue(record.uuid);
  const bool is_private = absl::IsPermissionDenied(value.status());
  if (absl::IsNotFound(value.status())) {
    AddFinding(report, "SECRET_HAS_NO_VALUE",
               "libvirt's secret has no value; the agent sets it again as soon as it can");
    return absl::OkStatus();
  }
  if (!value.ok() && !is_private) return value.status();
  report.mutable_secret()->set_has_value(true);
  if (value.ok()) {
    report.set_fingerprint(secrets::Fingerprint(world.salt, *value));
    if (!binding.fingerprint.empty() && report.fingerprint() != binding.fingerprint) {
      AddFinding(report, "SECRET_VALUE_DIFFERS",
                 absl::StrCat("libvirt holds the key ", report.fingerprint(), ", and ",
                              binding.fingerprint,
                              " was synced; the agent sets it again as soon as it can"));
    }
  } else {
    value = keeper_.KeptValue(binding);
  }
  if (prove && value.ok()) ReportProof(binding, *value, report);
  return absl::OkStatus();
}

void SecretReporter::ReportProof(const SecretBinding& binding, const SecretBytes& value,
                                 v1::SecretReport& report) {
  const absl::StatusOr<secrets::CephKey> key = secrets::CephKeyOf(value);
  const absl::Status proved = key.ok() ? parts_.keys.Prove(binding.entity, *key) : key.status();
  if (proved.ok()) {
    *report.mutable_prove_time() =
        TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(parts_.clock.Now()));
    return;
  }
  AddFinding(report, absl::IsUnauthenticated(proved) ? "CEPH_KEY_REFUSED" : "SECRET_NOT_PROVED",
             proved.message());
}

void SecretReporter::ReportClaim(const SecretBinding& binding, v1::SecretReport& report) {
  const auto claim = parts_.keys.GetClaim(binding.entity);
  // Without Ceph there is no word of the cluster's; that is a finding of the proof's.
  if (!claim.ok() || !claim->has_value()) return;
  report.set_claimed_uuid((*claim)->uuid.ToString());
  if ((*claim)->uuid == binding.uuid) return;
  AddFinding(report, "SECRET_UUID_DIFFERS",
             absl::StrCat("the cluster agreed on ", report.claimed_uuid(),
                          "; the agent follows as soon as it can"));
}

}  // namespace hvagent::keeper
