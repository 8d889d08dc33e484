#include "agent/keeper/secret_rollout.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::keeper {
namespace {

using secrets::DomainUse;
using state::SecretBinding;

absl::Status NotKept(const std::string& entity) {
  return Error(absl::StatusCode::kNotFound, "SECRET_NOT_SYNCED",
               absl::StrCat("this node keeps no secret of ", entity,
                            ": run `agentctl secret sync --entity ", entity, "` first"));
}

absl::Status InUse(const std::string& entity, const std::vector<DomainUse>& users) {
  return Error(
      absl::StatusCode::kFailedPrecondition, "SECRET_IN_USE",
      absl::StrCat(users.size(), " domain(s) of this node use the secret of ", entity, ": ",
                   absl::StrJoin(users, ", ",
                                 [](std::string* out, const DomainUse& user) {
                                   absl::StrAppend(out, user.name,
                                                   user.running ? "" : " (stopped)");
                                 }),
                   "; restart or migrate what runs, and start or delete what does not"));
}

// Whom guests of `entity` start as, through however many rotations.
std::string StartsAs(const std::vector<SecretBinding>& bindings, std::string entity) {
  // A circle has no end.
  for (size_t hops = 0; hops < bindings.size(); ++hops) {
    const auto found =
        std::find_if(bindings.begin(), bindings.end(),
                     [&](const SecretBinding& binding) { return binding.entity == entity; });
    if (found == bindings.end() || found->superseded_by.empty()) break;
    entity = found->superseded_by;
  }
  return entity;
}

}  // namespace

absl::StatusOr<std::vector<DomainUse>> SecretRollout::UsersOf(const SecretBinding& binding) {
  ASSIGN_OR_RETURN(const auto present, parts_.store.List());
  ASSIGN_OR_RETURN(std::vector<DomainUse> users, domains_.List(present));
  std::erase_if(users, [&](const DomainUse& user) {
    return !RunsWith(user, binding.uuid, binding.entity) &&
           !user.defined_with.contains(binding.uuid);
  });
  return users;
}

absl::Status SecretRollout::CheckSuperseded(const std::string& entity) {
  ASSIGN_OR_RETURN(const std::vector<SecretBinding> bindings, parts_.state.ListSecrets());
  for (const SecretBinding& other : bindings) {
    // One that is retired has guests only if it is the one that guests are configured with.
    const bool has_guests =
        other.entity == guest_entity_ || (other.entity != entity && !other.sealed_key.empty());
    if (!has_guests || StartsAs(bindings, other.entity) != entity) continue;
    return Error(absl::StatusCode::kFailedPrecondition, "SECRET_NOT_SUPERSEDED",
                 absl::StrCat("guests of this node start as ", entity,
                              other.entity == entity ? "" : absl::StrCat(" for ", other.entity),
                              ": rotate to another entity first (`agentctl secret rotate --entity ",
                              entity, " --to ENTITY`)"));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::RotateSecretResponse> SecretRollout::Rotate(const std::string& entity,
                                                               const std::string& to,
                                                               bool dry_run) {
  if (entity == to) return InvalidField("to", "must be another entity");
  MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(const auto from_binding, parts_.state.GetSecret(entity));
  ASSIGN_OR_RETURN(const auto to_binding, parts_.state.GetSecret(to));
  if (!from_binding.has_value()) return NotKept(entity);
  if (!to_binding.has_value() || to_binding->sealed_key.empty()) return NotKept(to);

  v1::RotateSecretResponse response;
  response.set_was_rotated(from_binding->superseded_by == to);
  ASSIGN_OR_RETURN(const std::vector<DomainUse> users, UsersOf(*from_binding));
  for (const DomainUse& user : users) {
    if (!RunsWith(user, from_binding->uuid, entity)) continue;
    v1::VmRef& vm = *response.add_running_vms();
    vm.set_uuid(user.uuid.ToString());
    vm.set_name(user.name);
  }
  if (dry_run) return response;
  // The way back first: two that supersede each other would leave guests with neither.
  if (!to_binding->superseded_by.empty()) RETURN_IF_ERROR(keeper_.Supersede(to, ""));
  if (!response.was_rotated()) RETURN_IF_ERROR(keeper_.Supersede(entity, to));
  return response;
}

absl::StatusOr<v1::RetireSecretResponse> SecretRollout::Retire(const std::string& entity,
                                                               bool dry_run) {
  MutexLock lock(mutex_);
  v1::RetireSecretResponse response;
  ASSIGN_OR_RETURN(const auto binding, parts_.state.GetSecret(entity));
  if (!binding.has_value() || binding->sealed_key.empty()) return response;  // gone
  RETURN_IF_ERROR(CheckSuperseded(entity));
  ASSIGN_OR_RETURN(const std::vector<DomainUse> users, UsersOf(*binding));
  if (!users.empty()) return InUse(entity, users);
  response.set_removed(true);
  if (dry_run) return response;
  RETURN_IF_ERROR(keeper_.Forget(*binding));
  return response;
}

}  // namespace hvagent::keeper
