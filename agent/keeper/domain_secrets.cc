#include "agent/keeper/domain_secrets.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/domain_xml.h"
#include "domain_xml/secret_use.h"

namespace hvagent::keeper {
namespace {

using hypervisor::DomainInfo;
using hypervisor::DomainState;
using secrets::DomainUse;
using secrets::SecretRecord;

bool IsRunning(const DomainInfo& domain) {
  return domain.state == DomainState::kRunning || domain.state == DomainState::kPaused;
}

std::set<Uuid> Named(const std::vector<domain_xml::SecretUse>& uses,
                     const std::vector<SecretRecord>& present) {
  std::set<Uuid> uuids;
  for (const domain_xml::SecretUse& use : uses) {
    if (use.uuid.has_value()) uuids.insert(*use.uuid);
    for (const SecretRecord& record : present) {
      if (!use.uuid.has_value() && record.usage == use.usage) uuids.insert(record.uuid);
    }
  }
  return uuids;
}

// Whose secrets are named that are not there.
std::set<std::string> EntitiesOfAbsent(const std::vector<domain_xml::SecretUse>& uses,
                                       const std::vector<SecretRecord>& present) {
  std::set<std::string> entities;
  for (const domain_xml::SecretUse& use : uses) {
    const bool is_there =
        std::any_of(present.begin(), present.end(), [&](const SecretRecord& record) {
          return use.uuid.has_value() ? record.uuid == *use.uuid : record.usage == use.usage;
        });
    if (!is_there) entities.insert(absl::StrCat("client.", use.username));
  }
  return entities;
}

}  // namespace

bool RunsWith(const DomainUse& domain, const Uuid& uuid, const std::string& entity) {
  return domain.runs_with.contains(uuid) || domain.runs_as.contains(entity);
}

absl::StatusOr<DomainUse> DomainSecrets::Look(const DomainInfo& domain,
                                              const std::vector<SecretRecord>& present) {
  DomainUse use{.uuid = domain.uuid, .name = domain.name, .running = IsRunning(domain)};
  ASSIGN_OR_RETURN(const std::string xml, hypervisor_.GetDomainXml(domain.uuid));
  ASSIGN_OR_RETURN(const auto uses, domain_xml::SecretUses(xml));
  // A mark that cannot be read is nobody's: such a domain is never changed.
  const auto mark = domain_xml::ParseMark(xml);
  use.is_ours = mark.ok() && mark->has_value();
  if (!use.running) {
    use.defined_with = Named(uses, present);
    return use;
  }
  use.runs_with = Named(uses, present);
  use.runs_as = EntitiesOfAbsent(uses, present);
  if (use.is_ours && (*mark)->secret.has_value()) {
    use.runs_with_fingerprint = (*mark)->secret->fingerprint;
  }
  if (domain.persistent) {
    ASSIGN_OR_RETURN(const secrets::SecretBytes definition, hypervisor_.GetDefinition(domain.uuid));
    ASSIGN_OR_RETURN(const auto defined, domain_xml::SecretUses(definition.Reveal()));
    use.defined_with = Named(defined, present);
  }
  return use;
}

absl::StatusOr<std::vector<DomainUse>> DomainSecrets::List(
    const std::vector<SecretRecord>& present) {
  ASSIGN_OR_RETURN(const std::vector<DomainInfo> domains, hypervisor_.ListDomains());
  std::vector<DomainUse> uses;
  for (const DomainInfo& domain : domains) {
    absl::StatusOr<DomainUse> use = Look(domain, present);
    if (absl::IsNotFound(use.status())) continue;
    if (!use.ok()) return Annotate(use.status(), absl::StrCat("look at domain ", domain.name));
    if (use->defined_with.empty() && use->runs_with.empty() && use->runs_as.empty()) continue;
    uses.push_back(*std::move(use));
  }
  std::sort(uses.begin(), uses.end(),
            [](const DomainUse& a, const DomainUse& b) { return a.name < b.name; });
  return uses;
}

absl::Status DomainSecrets::MoveOne(const DomainInfo& domain, const SecretRecord& from,
                                    const Uuid& to) {
  ASSIGN_OR_RETURN(const secrets::SecretBytes definition, hypervisor_.GetDefinition(domain.uuid));
  ASSIGN_OR_RETURN(std::optional<std::string> moved,
                   domain_xml::ReplaceSecret(definition.Reveal(), from.uuid, from.usage, to));
  if (!moved.has_value()) return absl::OkStatus();
  const absl::Status defined = hypervisor_.DefineDomain(*moved);
  secrets::WipeString(*moved);
  return defined;
}

absl::Status DomainSecrets::Move(const SecretRecord& from, const Uuid& to) {
  ASSIGN_OR_RETURN(const std::vector<DomainInfo> domains, hypervisor_.ListDomains());
  for (const DomainInfo& domain : domains) {
    if (!domain.persistent) continue;
    const absl::Status moved = MoveOne(domain, from, to);
    if (moved.ok() || absl::IsNotFound(moved)) continue;
    return Annotate(moved,
                    absl::StrCat("make domain ", domain.name, " name secret ", to.ToString()));
  }
  return absl::OkStatus();
}

}  // namespace hvagent::keeper
