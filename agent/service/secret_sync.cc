#include "agent/service/secret_sync.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "base/error.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "secrets/key_source.h"
#include "secrets/secret_identity.h"

namespace hvagent::service {
namespace {

using secrets::SecretStep;

v1::SecretAction::Kind ToProto(SecretStep::Kind kind) {
  switch (kind) {
    case SecretStep::Kind::kDefine:
      return v1::SecretAction::DEFINE;
    case SecretStep::Kind::kSetValue:
      return v1::SecretAction::SET_VALUE;
    case SecretStep::Kind::kMoveDomains:
      return v1::SecretAction::MOVE_DOMAINS;
    case SecretStep::Kind::kUndefine:
      return v1::SecretAction::UNDEFINE;
  }
  return v1::SecretAction::KIND_UNSPECIFIED;
}

absl::Status CheckEntity(absl::string_view field, const std::string& entity) {
  const absl::Status status = CheckClientEntity(entity);
  return status.ok() ? status : InvalidField(field, status.message());
}

// nullopt when `text` is empty.
absl::StatusOr<std::optional<Uuid>> ReadUuid(absl::string_view field, const std::string& text) {
  if (text.empty()) return std::optional<Uuid>();
  const auto uuid = Uuid::Parse(text);
  if (!uuid.ok()) return InvalidField(field, uuid.status().message());
  return std::optional<Uuid>(*uuid);
}

absl::StatusOr<keeper::SecretWish> WishOf(const v1::SyncSecretRequest& request) {
  RETURN_IF_ERROR(CheckEntity("entity", request.entity()));
  keeper::SecretWish wish{.entity = request.entity(),
                          .usage = request.usage(),
                          .ephemeral = request.ephemeral(),
                          .is_private = request.private_(),
                          .adopt = request.adopt(),
                          .force = request.force(),
                          .dry_run = request.dry_run()};
  ASSIGN_OR_RETURN(wish.uuid, ReadUuid("uuid", request.uuid()));
  ASSIGN_OR_RETURN(wish.replaces, ReadUuid("replaces_uuid", request.replaces_uuid()));
  if (!request.usage().empty()) {
    if (absl::Status status = secrets::CheckUsage(request.usage()); !status.ok()) {
      return InvalidField("usage", status.message());
    }
  }
  return wish;
}

v1::SyncSecretResponse ToProto(const keeper::SecretSyncResult& result, const std::string& entity) {
  v1::SyncSecretResponse response;
  v1::Secret& secret = *response.mutable_secret();
  secret.set_uuid(result.record.uuid.ToString());
  secret.set_usage(result.record.usage);
  secret.set_entity(entity);
  secret.set_has_value(result.has_value);
  secret.set_ephemeral(result.record.ephemeral);
  secret.set_private_(result.record.is_private);
  for (const SecretStep& step : result.steps) {
    v1::SecretAction& action = *response.add_actions();
    action.set_kind(ToProto(step.kind));
    action.set_uuid(step.record.uuid.ToString());
    action.set_reason(step.reason);
    if (step.kind == SecretStep::Kind::kMoveDomains) action.set_to_uuid(step.to.ToString());
    for (const std::string& domain : step.domains) action.add_domains(domain);
  }
  if (result.claimed.has_value()) response.set_claimed_uuid(result.claimed->ToString());
  for (const std::string& name : result.running) response.add_running_vms(name);
  return response;
}

}  // namespace

absl::StatusOr<SecretSync::Admitted> SecretSync::Admit(v1::SyncSecretRequest& request) {
  const absl::Cleanup wipe = [&request] { secrets::WipeString(*request.mutable_key()); };
  ASSIGN_OR_RETURN(keeper::SecretWish wish, WishOf(request));
  ASSIGN_OR_RETURN(secrets::CephKey key, KeyOf(request));
  return Admitted{std::move(wish), std::move(key)};
}

absl::StatusOr<secrets::CephKey> SecretSync::KeyOf(const v1::SyncSecretRequest& request) {
  const int sources = int{!request.key().empty()} + int{!request.keyring_file().empty()} +
                      int{request.from_monitors()} + int{!request.credential().empty()};
  if (sources != 1) {
    return InvalidField("key",
                        "exactly one of key, keyring_file, from_monitors and credential is needed");
  }
  if (!request.keyring_file().empty()) {
    auto key = secrets::ReadKeyFile(request.keyring_file(), request.entity());
    return key.ok() ? std::move(key) : Annotate(key.status(), "keyring_file");
  }
  if (!request.credential().empty()) {
    auto key = secrets::ReadKeyCredential(request.credential(), request.entity());
    return key.ok() ? std::move(key) : Annotate(key.status(), "credential");
  }
  if (request.from_monitors()) return keys_.Fetch(request.entity());
  auto key = secrets::ParseCephKey(request.key());
  if (!key.ok()) return InvalidField("key", key.status().message());
  return key;
}

absl::StatusOr<v1::SyncSecretResponse> SecretSync::Sync(const Admitted& secret) {
  ASSIGN_OR_RETURN(const keeper::SecretSyncResult result, keeper_.Sync(secret.wish, secret.key));
  // VMs that waited for the secret need not wait for the resync.
  if (!secret.wish.dry_run) look_at_vms_();
  return ToProto(result, secret.wish.entity);
}

}  // namespace hvagent::service
