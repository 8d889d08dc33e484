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
#include "secrets/secret_identity.h"
#include "secrets/secret_keeper.h"

namespace hvagent::service {
namespace {

// Whether a value is set; a private secret does not say, and is taken to have one.
absl::StatusOr<bool> HasValue(secrets::SecretStore& store, const Uuid& uuid) {
  const absl::Status status = store.GetValue(uuid).status();
  if (status.ok() || absl::IsPermissionDenied(status)) return true;
  if (absl::IsNotFound(status)) return false;
  return status;
}

v1::SecretAction::Kind ToProto(secrets::SecretStep::Kind kind) {
  switch (kind) {
    case secrets::SecretStep::Kind::kDefine:
      return v1::SecretAction::DEFINE;
    case secrets::SecretStep::Kind::kSetValue:
      return v1::SecretAction::SET_VALUE;
  }
  return v1::SecretAction::KIND_UNSPECIFIED;
}

}  // namespace

SecretService::SecretService(WorkerPool& pool, secrets::SecretStore& store,
                             block::BlockStore& block, state::StateStore& state,
                             reconcile::Reconciler& reconciler)
    : pool_(pool), store_(store), block_(block), state_(state), reconciler_(reconciler) {}

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

absl::StatusOr<secrets::SecretRecord> SecretService::RecordFor(
    const v1::SyncSecretRequest& request) {
  if (absl::Status status = CheckClientEntity(request.entity()); !status.ok()) {
    return InvalidField("entity", status.message());
  }
  secrets::SecretRecord record{.usage = request.usage()};
  if (!request.usage().empty()) {
    if (absl::Status status = secrets::CheckUsage(request.usage()); !status.ok()) {
      return InvalidField("usage", status.message());
    }
  }
  if (!request.uuid().empty()) {
    const auto uuid = Uuid::Parse(request.uuid());
    if (!uuid.ok()) return InvalidField("uuid", uuid.status().message());
    record.uuid = *uuid;
  }
  if (request.uuid().empty() || request.usage().empty()) {
    ASSIGN_OR_RETURN(const block::ClusterInfo cluster, block_.GetCluster());
    ASSIGN_OR_RETURN(const Uuid fsid, Uuid::Parse(cluster.fsid));
    if (request.uuid().empty()) record.uuid = secrets::DeriveSecretUuid(fsid, request.entity());
    if (request.usage().empty()) record.usage = secrets::DeriveUsage(fsid, request.entity());
  }
  return record;
}

absl::StatusOr<v1::SyncSecretResponse> SecretService::SyncNow(
    const v1::SyncSecretRequest& request) {
  const auto key = secrets::ParseCephKey(request.key());
  if (!key.ok()) return InvalidField("key", key.status().message());
  ASSIGN_OR_RETURN(const secrets::SecretRecord record, RecordFor(request));
  MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(const secrets::SyncResult result,
                   secrets::SyncSecret(store_, record, *key, request.dry_run()));
  if (!request.dry_run()) {
    RETURN_IF_ERROR(state_.PutSecret(
        {.entity = request.entity(), .uuid = result.record.uuid, .usage = result.record.usage}));
    // VMs that waited for the secret need not wait for the resync.
    ASSIGN_OR_RETURN(const std::vector<Uuid> vms, state_.ListVmUuids());
    for (const Uuid& vm : vms) reconciler_.Enqueue(vm);
  }
  v1::SyncSecretResponse response;
  v1::Secret& secret = *response.mutable_secret();
  secret.set_uuid(result.record.uuid.ToString());
  secret.set_usage(result.record.usage);
  secret.set_entity(request.entity());
  secret.set_has_value(result.has_value);
  for (const secrets::SecretStep& step : result.steps) {
    v1::SecretAction& action = *response.add_actions();
    action.set_kind(ToProto(step.kind));
    action.set_uuid(secret.uuid());
    action.set_reason(step.reason);
  }
  return response;
}

grpc::ServerUnaryReactor* SecretService::List(grpc::CallbackServerContext* context,
                                              const v1::ListSecretsRequest* request,
                                              v1::ListSecretsResponse* response) {
  (void)request;  // empty
  return AnswerOnPool<v1::ListSecretsResponse>(context, pool_, response,
                                               [this] { return ListNow(); });
}

absl::StatusOr<v1::ListSecretsResponse> SecretService::ListNow() {
  ASSIGN_OR_RETURN(std::vector<secrets::SecretRecord> records, store_.List());
  ASSIGN_OR_RETURN(const std::vector<state::SecretBinding> bindings, state_.ListSecrets());
  std::map<Uuid, std::string> entities;
  for (const state::SecretBinding& binding : bindings) entities[binding.uuid] = binding.entity;
  std::sort(records.begin(), records.end(),
            [](const auto& a, const auto& b) { return a.uuid < b.uuid; });
  v1::ListSecretsResponse response;
  for (const secrets::SecretRecord& record : records) {
    v1::Secret& secret = *response.add_secrets();
    secret.set_uuid(record.uuid.ToString());
    secret.set_usage(record.usage);
    if (auto it = entities.find(record.uuid); it != entities.end()) {
      secret.set_entity(it->second);
    }
    ASSIGN_OR_RETURN(const bool has_value, HasValue(store_, record.uuid));
    secret.set_has_value(has_value);
  }
  return response;
}

}  // namespace hvagent::service
