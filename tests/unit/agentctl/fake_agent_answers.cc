// FakeAgent: what it answers to each call.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/unit/agentctl/fake_agent.h"

namespace hvagent::agentctl {

v1::Vm* FakeAgent::FindVm(const std::string& id) {
  for (auto& [uuid, vm] : vms_) {
    if (uuid == id || vm.spec().name() == id) return &vm;
  }
  return nullptr;
}

grpc::Status FakeAgent::GetNode(const v1::GetNodeRequest&, v1::Node* node) {
  Record("NodeService.GetNode", "", "");
  MutexLock lock(mutex_);
  node->set_name(name_);
  node->set_backend("memory");
  node->set_domain_type("qemu");
  for (const char* type : {"READY", "LIBVIRT_CONNECTED", "CEPH_CONNECTED"}) {
    v1::Condition* const condition = node->add_conditions();
    condition->set_type(type);
    const bool good = ceph_connected_ || std::string(type) == "LIBVIRT_CONNECTED";
    condition->set_status(good ? v1::Condition::TRUE : v1::Condition::FALSE);
    if (!good) {
      condition->set_reason("CEPH_UNREACHABLE");
      condition->set_message("no monitor answers");
    }
  }
  return grpc::Status::OK;
}

grpc::Status FakeAgent::SyncSecret(const v1::SyncSecretRequest& request,
                                   v1::SyncSecretResponse* response) {
  Record("SecretService.Sync", absl::StrCat(request.entity(), request.dry_run() ? " dry-run" : ""),
         "");
  if (on_sync) {
    if (grpc::Status status = on_sync(request); !status.ok()) return status;
  }
  MutexLock lock(mutex_);
  if (!request.dry_run()) synced_.push_back(request);
  response->set_claimed_uuid(claimed_uuid_);
  response->mutable_secret()->set_uuid(
      request.uuid().empty() ? "11111111-1111-5111-8111-111111111111" : request.uuid());
  response->mutable_secret()->set_entity(request.entity());
  v1::SecretAction* const action = response->add_actions();
  action->set_kind(v1::SecretAction::DEFINE);
  action->set_reason("libvirt has none");
  return grpc::Status::OK;
}

grpc::Status FakeAgent::ListSecrets(const v1::ListSecretsRequest&,
                                    v1::ListSecretsResponse* response) {
  MutexLock lock(mutex_);
  for (const auto& request : synced_) {
    v1::Secret* const secret = response->add_secrets();
    secret->set_uuid(request.uuid());
    secret->set_entity(request.entity());
    secret->set_usage(request.usage());
    secret->set_has_value(true);
  }
  return grpc::Status::OK;
}

grpc::Status FakeAgent::CheckSecrets(const v1::CheckSecretsRequest& request,
                                     v1::CheckSecretsResponse* response) {
  Record("SecretService.Check", request.prove() ? "prove" : "", "");
  if (on_check) on_check(request, response);
  return grpc::Status::OK;
}

grpc::Status FakeAgent::RotateSecret(const v1::RotateSecretRequest& request,
                                     v1::RotateSecretResponse* response) {
  Record("SecretService.Rotate", absl::StrCat(request.to(), request.dry_run() ? " dry-run" : ""),
         "");
  return on_rotate ? on_rotate(request, response) : grpc::Status::OK;
}

grpc::Status FakeAgent::RetireSecret(const v1::RetireSecretRequest& request,
                                     v1::RetireSecretResponse* response) {
  Record("SecretService.Retire",
         absl::StrCat(request.entity(), request.dry_run() ? " dry-run" : ""), "");
  response->set_removed(true);
  return on_retire ? on_retire(request, response) : grpc::Status::OK;
}

grpc::Status FakeAgent::ImportImage(grpc::ServerContext* context,
                                    grpc::ServerReader<v1::ImportImageRequest>* reader,
                                    v1::Operation* operation) {
  v1::ImportImageRequest message;
  if (!reader->Read(&message) || !message.has_header()) {
    return AgentError(grpc::StatusCode::INVALID_ARGUMENT, "HEADER_MISSING", "no header");
  }
  const v1::ImportImageRequest::Header header = message.header();
  Record("ImageService.Import", header.id(), "");
  std::string bytes;
  uint64_t promised = header.size_bytes();
  while (reader->Read(&message)) {
    if (message.has_total_bytes()) {
      promised = message.total_bytes();
      continue;
    }
    bytes += message.chunk();
    if (on_chunk) on_chunk(context, bytes.size());
  }
  if (context->IsCancelled()) return grpc::Status::CANCELLED;
  if (promised == 0 || promised != bytes.size()) {
    return AgentError(grpc::StatusCode::INVALID_ARGUMENT, "TRUNCATED_STREAM", "truncated");
  }
  MutexLock lock(mutex_);
  operation->set_id("op-1");
  operation->set_state(v1::Operation::SUCCEEDED);
  operation->mutable_image()->set_id(header.id());
  operation->mutable_image()->set_size_bytes(bytes.size());
  operation->mutable_image()->set_ready(true);
  images_[header.id()] = std::move(bytes);
  import_formats_[header.id()] = header.format();
  return grpc::Status::OK;
}

grpc::Status FakeAgent::GetImage(const v1::GetImageRequest& request, v1::Image* image) {
  MutexLock lock(mutex_);
  if (!images_.contains(request.id())) {
    return AgentError(grpc::StatusCode::NOT_FOUND, "IMAGE_NOT_FOUND",
                      absl::StrCat("there is no image ", request.id()));
  }
  image->set_id(request.id());
  return grpc::Status::OK;
}

grpc::Status FakeAgent::ListImages(const v1::ListImagesRequest&, v1::ListImagesResponse* response) {
  Record("ImageService.List", "", "");
  MutexLock lock(mutex_);
  for (const auto& [id, bytes] : images_) response->add_images()->set_id(id);
  return grpc::Status::OK;
}

grpc::Status FakeAgent::DeleteImage(const v1::DeleteImageRequest& request,
                                    v1::DeleteImageResponse*) {
  Record("ImageService.Delete", request.id(), request.request_id());
  return grpc::Status::OK;
}

grpc::Status FakeAgent::PushState(const v1::PushStateRequest& request,
                                  v1::PushStateResponse* response) {
  std::vector<std::string> names;
  for (const v1::PushedVm& vm : request.vms()) names.push_back(vm.spec().name());
  for (const v1::PushedDeletion& vm : request.deletions()) names.push_back("-" + vm.uuid());
  Record("NodeService.PushState", absl::StrJoin(names, " "), request.request_id());
  if (on_push) {
    if (grpc::Status status = on_push(request, *response); !status.ok()) return status;
  }
  for (const v1::PushedVm& vm : request.vms()) {
    v1::VmChange& change = *response->add_changes();
    change.set_uuid(vm.spec().uuid());
    change.set_name(vm.spec().name());
    change.set_kind(v1::VmChange::CREATE);
    if (request.dry_run()) {
      v1::PlannedAction& action = *change.add_actions();
      action.set_action("CLONE_ROOT_DISK");
      action.set_reason("there is no root disk");
    } else {
      AddVm(vm.spec().uuid(), vm.spec().name(), v1::RUNNING);
    }
  }
  for (const v1::PushedDeletion& vm : request.deletions()) {
    v1::VmChange& change = *response->add_changes();
    change.set_uuid(vm.uuid());
    change.set_kind(v1::VmChange::DELETE);
  }
  return grpc::Status::OK;
}

grpc::Status FakeAgent::LocateVms(const v1::LocateVmsRequest& request,
                                  v1::LocateVmsResponse* response) {
  MutexLock lock(mutex_);
  for (const std::string& uuid : request.uuids()) {
    const v1::Vm* const vm = FindVm(uuid);
    if (vm == nullptr) continue;
    response->add_vms()->set_uuid(uuid);
  }
  return grpc::Status::OK;
}

grpc::Status FakeAgent::GetVm(const v1::GetVmRequest& request, v1::Vm* vm) {
  MutexLock lock(mutex_);
  const v1::Vm* const found = FindVm(request.id());
  if (found == nullptr) {
    return AgentError(grpc::StatusCode::NOT_FOUND, "VM_NOT_FOUND", "there is no such VM");
  }
  *vm = *found;
  return grpc::Status::OK;
}

grpc::Status FakeAgent::ListVms(const v1::ListVmsRequest& request, v1::ListVmsResponse* response) {
  // Pages of one, so that a client that reads only the first is found out.
  MutexLock lock(mutex_);
  auto next = request.page_token().empty() ? vms_.begin() : vms_.find(request.page_token());
  if (next == vms_.end()) return grpc::Status::OK;
  *response->add_vms() = next->second;
  if (++next != vms_.end()) response->set_next_page_token(next->first);
  return grpc::Status::OK;
}

grpc::Status FakeAgent::StartVm(const v1::StartVmRequest& request, v1::Vm* vm) {
  Record("VmService.Start", request.id(), request.request_id());
  int call = 0;
  {
    MutexLock lock(mutex_);
    call = ++starts_;
    if (v1::Vm* const found = FindVm(request.id())) {
      found->mutable_status()->set_power_state(v1::RUNNING);
      *vm = *found;
    }
  }
  vm->mutable_status()->set_power_state(v1::RUNNING);
  return on_start ? on_start(call, vm) : grpc::Status::OK;
}

grpc::Status FakeAgent::RestartVm(grpc::ServerContext* context, const v1::RestartVmRequest& request,
                                  v1::Vm* vm) {
  Record("VmService.Restart", absl::StrCat(request.id(), request.force() ? " force" : ""),
         request.request_id());
  if (on_restart) {
    if (grpc::Status status = on_restart(context, request); !status.ok()) return status;
  }
  MutexLock lock(mutex_);
  v1::Vm* const found = FindVm(request.id());
  if (found == nullptr) {
    return AgentError(grpc::StatusCode::NOT_FOUND, "VM_NOT_FOUND", "there is no such VM");
  }
  found->mutable_status()->set_power_state(v1::RUNNING);
  *vm = *found;
  return grpc::Status::OK;
}

grpc::Status FakeAgent::DeleteVm(const v1::DeleteVmRequest& request, v1::DeleteVmResponse*) {
  const bool to_trash = request.disks() == v1::DeleteVmRequest::TRASH;
  const std::string& fate = v1::DeleteVmRequest::Disks_Name(request.disks());
  Record("VmService.Delete", absl::StrCat(request.id(), to_trash ? "" : " ", to_trash ? "" : fate),
         request.request_id());
  MutexLock lock(mutex_);
  auto vm = vms_.extract(request.id());
  if (to_trash && !vm.empty()) deleted_vms_.insert(std::move(vm));
  return grpc::Status::OK;
}

grpc::Status FakeAgent::UndeleteVm(const v1::UndeleteVmRequest& request, v1::Vm* vm) {
  Record("VmService.Undelete", request.id(), request.request_id());
  MutexLock lock(mutex_);
  if (auto deleted = deleted_vms_.extract(request.id()); !deleted.empty()) {
    vms_.insert(std::move(deleted));
  }
  *vm = vms_.at(request.id());
  return grpc::Status::OK;
}

grpc::Status FakeAgent::ListDeletedVms(v1::ListDeletedVmsResponse* response) {
  MutexLock lock(mutex_);
  for (const auto& [uuid, vm] : deleted_vms_) {
    v1::DeletedVm& deleted = *response->add_vms();
    *deleted.mutable_spec() = vm.spec();
    deleted.mutable_delete_time()->set_seconds(1'700'000'000);
    deleted.mutable_kept_until()->set_seconds(1'700'086'400);
  }
  return grpc::Status::OK;
}

grpc::Status FakeAgent::GetOperation(const v1::GetOperationRequest& request,
                                     v1::Operation* operation) {
  if (!on_watch) {
    return AgentError(grpc::StatusCode::NOT_FOUND, "OPERATION_NOT_FOUND", "no such operation");
  }
  operation->set_id(request.id());
  operation->set_state(v1::Operation::RUNNING);
  return grpc::Status::OK;
}

grpc::Status FakeAgent::WatchOperation(grpc::ServerContext* context,
                                       const v1::WatchOperationRequest*,
                                       grpc::ServerWriter<v1::Operation>* writer) {
  return on_watch(context, writer);
}

}  // namespace hvagent::agentctl
