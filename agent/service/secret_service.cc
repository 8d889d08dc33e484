#include "agent/service/secret_service.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/service/unary.h"
#include "base/error.h"
#include "base/names.h"
#include "base/status_macros.h"

namespace hvagent::service {
namespace {

// Whether a value is set; a private secret does not say, and is taken to have one.
absl::StatusOr<bool> HasValue(secrets::SecretStore& store, const Uuid& uuid) {
  const absl::Status status = store.GetValue(uuid).status();
  if (status.ok() || absl::IsPermissionDenied(status)) return true;
  if (absl::IsNotFound(status)) return false;
  return status;
}

absl::Status CheckEntity(absl::string_view field, const std::string& entity) {
  const absl::Status status = CheckClientEntity(entity);
  return status.ok() ? status : InvalidField(field, status.message());
}

}  // namespace

grpc::ServerUnaryReactor* SecretService::Sync(grpc::CallbackServerContext* context,
                                              const v1::SyncSecretRequest* request,
                                              v1::SyncSecretResponse* response) {
  return AnswerOnPool<v1::SyncSecretResponse>(
      context, pool_, response, [this, request]() -> absl::StatusOr<v1::SyncSecretResponse> {
        // gRPC hands requests out as const, but this one is ours until the call is finished.
        auto& ours = *const_cast<v1::SyncSecretRequest*>(request);
        ASSIGN_OR_RETURN(const SecretSync::Admitted secret, parts_.sync.Admit(ours));
        return parts_.sync.Sync(secret);
      });
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
