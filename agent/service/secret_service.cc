#include "agent/service/secret_service.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/service/unary.h"
#include "base/error.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "secrets/ceph_key.h"
#include "secrets/key_source.h"
#include "secrets/secret_identity.h"

namespace hvagent::service {
namespace {

using secrets::SecretStep;

// Whether a value is set; a private secret does not say, and is taken to have one.
absl::StatusOr<bool> HasValue(secrets::SecretStore& store, const Uuid& uuid) {
  const absl::Status status = store.GetValue(uuid).status();
  if (status.ok() || absl::IsPermissionDenied(status)) return true;
  if (absl::IsNotFound(status)) return false;
  return status;
}

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

grpc::ServerUnaryReactor* SecretService::Sync(grpc::CallbackServerContext* context,
                                              const v1::SyncSecretRequest* request,
                                              v1::SyncSecretResponse* response) {
  return AnswerOnPool<v1::SyncSecretResponse>(context, pool_, response, [this, request] {
    absl::StatusOr<v1::SyncSecretResponse> synced = SyncNow(*request);
    // gRPC hands requests out as const, but this one is ours until the call is finished.
    secrets::WipeString(*const_cast<v1::SyncSecretRequest*>(request)->mutable_key());
    return synced;
  });
}

absl::StatusOr<secrets::CephKey> SecretService::KeyOf(const v1::SyncSecretRequest& request) {
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
  if (request.from_monitors()) return parts_.backends.keys.Fetch(request.entity());
  auto key = secrets::ParseCephKey(request.key());
  if (!key.ok()) return InvalidField("key", key.status().message());
  return key;
}

absl::StatusOr<v1::SyncSecretResponse> SecretService::SyncNow(
    const v1::SyncSecretRequest& request) {
  ASSIGN_OR_RETURN(const keeper::SecretWish wish, WishOf(request));
  ASSIGN_OR_RETURN(const secrets::CephKey key, KeyOf(request));
  ASSIGN_OR_RETURN(const keeper::SecretSyncResult result, parts_.keeper.Sync(wish, key));
  // VMs that waited for the secret need not wait for the resync.
  if (!wish.dry_run) parts_.look_at_vms();
  return ToProto(result, wish.entity);
}

grpc::ServerUnaryReactor* SecretService::List(grpc::CallbackServerContext* context,
                                              const v1::ListSecretsRequest* request,
                                              v1::ListSecretsResponse* response) {
  (void)request;  // empty
  return AnswerOnPool<v1::ListSecretsResponse>(context, pool_, response,
                                               [this] { return ListNow(); });
}

absl::StatusOr<v1::ListSecretsResponse> SecretService::ListNow() {
  ASSIGN_OR_RETURN(std::vector<secrets::SecretRecord> records, parts_.backends.store.List());
  ASSIGN_OR_RETURN(const auto bindings, parts_.backends.state.ListSecrets());
  std::map<Uuid, std::string> entities;
  for (const state::SecretBinding& binding : bindings) entities[binding.uuid] = binding.entity;
  std::sort(records.begin(), records.end(),
            [](const auto& a, const auto& b) { return a.uuid < b.uuid; });
  v1::ListSecretsResponse response;
  for (const secrets::SecretRecord& record : records) {
    v1::Secret& secret = *response.add_secrets();
    secret.set_uuid(record.uuid.ToString());
    secret.set_usage(record.usage);
    secret.set_ephemeral(record.ephemeral);
    secret.set_private_(record.is_private);
    if (auto it = entities.find(record.uuid); it != entities.end()) {
      secret.set_entity(it->second);
    }
    ASSIGN_OR_RETURN(const bool has_value, HasValue(parts_.backends.store, record.uuid));
    secret.set_has_value(has_value);
  }
  return response;
}

grpc::ServerUnaryReactor* SecretService::Check(grpc::CallbackServerContext* context,
                                               const v1::CheckSecretsRequest* request,
                                               v1::CheckSecretsResponse* response) {
  return AnswerOnPool<v1::CheckSecretsResponse>(context, pool_, response, [this, request] {
    return parts_.reporter.Check(request->prove());
  });
}

grpc::ServerUnaryReactor* SecretService::Rotate(grpc::CallbackServerContext* context,
                                                const v1::RotateSecretRequest* request,
                                                v1::RotateSecretResponse* response) {
  return AnswerOnPool<v1::RotateSecretResponse>(
      context, pool_, response, [this, request]() -> absl::StatusOr<v1::RotateSecretResponse> {
        RETURN_IF_ERROR(CheckEntity("entity", request->entity()));
        RETURN_IF_ERROR(CheckEntity("to", request->to()));
        ASSIGN_OR_RETURN(
            v1::RotateSecretResponse rotated,
            parts_.rollout.Rotate(request->entity(), request->to(), request->dry_run()));
        // The definitions of those that do not run are brought up to date.
        if (!request->dry_run()) parts_.look_at_vms();
        return rotated;
      });
}

grpc::ServerUnaryReactor* SecretService::Retire(grpc::CallbackServerContext* context,
                                                const v1::RetireSecretRequest* request,
                                                v1::RetireSecretResponse* response) {
  return AnswerOnPool<v1::RetireSecretResponse>(
      context, pool_, response, [this, request]() -> absl::StatusOr<v1::RetireSecretResponse> {
        RETURN_IF_ERROR(CheckEntity("entity", request->entity()));
        return parts_.rollout.Retire(request->entity(), request->dry_run());
      });
}

}  // namespace hvagent::service
