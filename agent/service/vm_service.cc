#include "agent/service/vm_service.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/service/console_call.h"
#include "agent/service/paging.h"
#include "agent/service/push_request.h"
#include "agent/service/request_key.h"
#include "agent/service/serial_log_call.h"
#include "agent/service/unary.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/domain_xml.h"
#include "domain_xml/vm_spec.h"

namespace hvagent::service {
namespace {

using state::RequestKey;
using state::VmRecord;
using Target = SettleCall::Target;

// Each keeps a thread.
constexpr size_t kMaxStreams = 64;
constexpr size_t kMaxWaitingStreams = 16;

Target TargetOf(const VmRecord& vm, bool wait) {
  return {.uuid = vm.uuid, .generation = vm.generation, .wait = wait};
}

}  // namespace

VmService::VmService(const SettleContext& settle, reconcile::DesiredVms& vms,
                     reconcile::VmWorker& worker, hypervisor::Hypervisor& hypervisor,
                     state::StateStore& state, state::RequestLog& requests, VmView& view,
                     operations::JobRunner& jobs, operations::VmSnapshot& snapshots)
    : settle_(settle),
      vms_(vms),
      worker_(worker),
      hypervisor_(hypervisor),
      state_(state),
      requests_(requests),
      view_(view),
      jobs_(jobs),
      snapshots_(snapshots),
      streams_("guest-streams", kMaxStreams, kMaxWaitingStreams) {}

absl::Status VmService::Show(const std::string& id, v1::Vm* shown) {
  ASSIGN_OR_RETURN(const VmRecord vm, vms_.Find(id));
  *shown = view_.Show(vm);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* VmService::Create(grpc::CallbackServerContext* context,
                                            const v1::CreateVmRequest* request, v1::Vm* response) {
  return SettleCall::Start(
      context, settle_,
      [this, request]() -> absl::StatusOr<Target> {
        ASSIGN_OR_RETURN(const v1::VmSpec spec,
                         AdmitVm(request->spec(), "spec", worker_.options().node_name));
        ASSIGN_OR_RETURN(const RequestKey key, KeyOf("VmService.Create", *request));
        ASSIGN_OR_RETURN(const VmRecord vm, vms_.Create(spec, key));
        return TargetOf(vm, request->wait());
      },
      [this, request, response] { return Show(request->spec().uuid(), response); });
}

grpc::ServerUnaryReactor* VmService::Apply(grpc::CallbackServerContext* context,
                                           const v1::ApplyVmRequest* request,
                                           v1::ApplyVmResponse* response) {
  if (request->dry_run()) {
    return AnswerOnPool<v1::ApplyVmResponse>(context, settle_.pool, response,
                                             [this, request] { return DryRun(*request); });
  }
  return SettleCall::Start(
      context, settle_,
      [this, request]() -> absl::StatusOr<Target> {
        ASSIGN_OR_RETURN(const v1::VmSpec spec,
                         AdmitVm(request->spec(), "spec", worker_.options().node_name));
        ASSIGN_OR_RETURN(const RequestKey key, KeyOf("VmService.Apply", *request));
        ASSIGN_OR_RETURN(const VmRecord vm, vms_.Apply(spec, key));
        return TargetOf(vm, request->wait());
      },
      [this, request, response] { return Show(request->spec().uuid(), response->mutable_vm()); });
}

absl::StatusOr<v1::ApplyVmResponse> VmService::DryRun(const v1::ApplyVmRequest& request) {
  ASSIGN_OR_RETURN(const v1::VmSpec spec,
                   AdmitVm(request.spec(), "spec", worker_.options().node_name));
  ASSIGN_OR_RETURN(const auto actions, vms_.DryRun(spec));
  v1::ApplyVmResponse response;
  *response.mutable_vm()->mutable_spec() = spec;
  for (const reconcile::Action& action : actions) {
    *response.add_actions() = reconcile::Shown(action);
  }
  return response;
}

grpc::ServerUnaryReactor* VmService::Get(grpc::CallbackServerContext* context,
                                         const v1::GetVmRequest* request, v1::Vm* response) {
  return AnswerOnPool<v1::Vm>(context, settle_.pool, response,
                              [this, request]() -> absl::StatusOr<v1::Vm> {
                                ASSIGN_OR_RETURN(const VmRecord vm, vms_.Find(request->id()));
                                return view_.Show(vm);
                              });
}

grpc::ServerUnaryReactor* VmService::List(grpc::CallbackServerContext* context,
                                          const v1::ListVmsRequest* request,
                                          v1::ListVmsResponse* response) {
  return AnswerOnPool<v1::ListVmsResponse>(context, settle_.pool, response,
                                           [this, request] { return ListPage(*request); });
}

absl::StatusOr<v1::ListVmsResponse> VmService::ListPage(const v1::ListVmsRequest& request) {
  Uuid after;
  if (!request.page_token().empty()) {
    const auto token = Uuid::Parse(request.page_token());
    if (!token.ok()) return InvalidField("page_token", "is not one that List returned");
    after = *token;
  }
  const size_t size = PageSize(request.page_size());
  ASSIGN_OR_RETURN(const std::vector<VmRecord> vms, state_.ListVms(after, size));
  v1::ListVmsResponse response;
  for (v1::Vm& vm : view_.ShowAll(vms)) *response.add_vms() = std::move(vm);
  if (vms.size() == size) response.set_next_page_token(vms.back().uuid.ToString());
  return response;
}

grpc::ServerUnaryReactor* VmService::Locate(grpc::CallbackServerContext* context,
                                            const v1::LocateVmsRequest* request,
                                            v1::LocateVmsResponse* response) {
  return AnswerOnPool<v1::LocateVmsResponse>(context, settle_.pool, response,
                                             [this, request] { return LocateAll(*request); });
}

absl::StatusOr<v1::LocateVmsResponse> VmService::LocateAll(const v1::LocateVmsRequest& request) {
  v1::LocateVmsResponse response;
  for (int i = 0; i < request.uuids_size(); ++i) {
    const auto uuid = Uuid::Parse(request.uuids(i));
    if (!uuid.ok()) {
      return InvalidField(absl::StrCat("uuids[", i, "]"), uuid.status().message());
    }
    ASSIGN_OR_RETURN(const auto vm, state_.GetVm(*uuid));
    if (!vm.has_value()) continue;
    v1::LocateVmsResponse::Place& place = *response.add_vms();
    place.set_uuid(vm->uuid.ToString());
    place.set_generation(vm->generation);
  }
  return response;
}

grpc::ServerUnaryReactor* VmService::Start(grpc::CallbackServerContext* context,
                                           const v1::StartVmRequest* request, v1::Vm* response) {
  return SettleCall::Start(
      context, settle_,
      [this, request]() -> absl::StatusOr<Target> {
        ASSIGN_OR_RETURN(const RequestKey key, KeyOf("VmService.Start", *request));
        ASSIGN_OR_RETURN(const VmRecord vm,
                         vms_.SetPower(request->id(), v1::RUNNING, /*force=*/false, key));
        return TargetOf(vm, request->wait());
      },
      [this, request, response] { return Show(request->id(), response); });
}

grpc::ServerUnaryReactor* VmService::Stop(grpc::CallbackServerContext* context,
                                          const v1::StopVmRequest* request, v1::Vm* response) {
  return SettleCall::Start(
      context, settle_,
      [this, request]() -> absl::StatusOr<Target> {
        ASSIGN_OR_RETURN(const RequestKey key, KeyOf("VmService.Stop", *request));
        ASSIGN_OR_RETURN(const VmRecord vm,
                         vms_.SetPower(request->id(), v1::STOPPED, request->force(), key));
        return TargetOf(vm, request->wait());
      },
      [this, request, response] { return Show(request->id(), response); });
}

grpc::ServerUnaryReactor* VmService::Restart(grpc::CallbackServerContext* context,
                                             const v1::RestartVmRequest* request,
                                             v1::Vm* response) {
  return SettleCall::Start(
      context, settle_,
      [this, request]() -> absl::StatusOr<Target> {
        ASSIGN_OR_RETURN(const RequestKey key, KeyOf("VmService.Restart", *request));
        ASSIGN_OR_RETURN(const VmRecord vm, vms_.Restart(request->id(), request->force(), key));
        return TargetOf(vm, request->wait());
      },
      [this, request, response] { return Show(request->id(), response); });
}

grpc::ServerUnaryReactor* VmService::Reboot(grpc::CallbackServerContext* context,
                                            const v1::RebootVmRequest* request, v1::Vm* response) {
  return AnswerOnPool<v1::Vm>(context, settle_.pool, response,
                              [this, request] { return RebootNow(*request); });
}

// Not a change of what the VM shall be, so it goes straight to the guest.
absl::StatusOr<v1::Vm> VmService::RebootNow(const v1::RebootVmRequest& request) {
  ASSIGN_OR_RETURN(const VmRecord vm, vms_.Find(request.id()));
  ASSIGN_OR_RETURN(const reconcile::ObservedVm observed, worker_.Observe(vm));
  if (!observed.domain.has_value() || !observed.domain_is_ours) {
    return Error(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_RUNNING",
                 absl::StrCat("VM ", vm.uuid.ToString(), " (", vm.spec.name(),
                              ") has no domain on this node to reboot"));
  }
  ASSIGN_OR_RETURN(const RequestKey key, KeyOf("VmService.Reboot", request));
  ASSIGN_OR_RETURN(const bool answered, requests_.WasAnswered(key));
  if (!answered) {
    RETURN_IF_ERROR(hypervisor_.RebootDomain(vm.uuid, request.force()));
    RETURN_IF_ERROR(requests_.Remember(key));
  }
  return view_.Show(vm);
}

grpc::ServerUnaryReactor* VmService::Delete(grpc::CallbackServerContext* context,
                                            const v1::DeleteVmRequest* request,
                                            v1::DeleteVmResponse* response) {
  (void)response;  // empty
  return SettleCall::Start(
      context, settle_,
      [this, request]() -> absl::StatusOr<Target> {
        ASSIGN_OR_RETURN(const RequestKey key, KeyOf("VmService.Delete", *request));
        const absl::StatusOr<VmRecord> vm = vms_.Delete(request->id(), key);
        if (ErrorReason(vm.status()) == "ALREADY_DELETED") return Target{};
        if (!vm.ok()) return vm.status();
        return TargetOf(*vm, request->wait());
      },
      [] { return absl::OkStatus(); });
}

grpc::ServerUnaryReactor* VmService::AttachVolume(grpc::CallbackServerContext* context,
                                                  const v1::AttachVolumeRequest* request,
                                                  v1::Vm* response) {
  return SettleCall::Start(
      context, settle_,
      [this, request]() -> absl::StatusOr<Target> {
        if (!Uuid::Parse(request->volume().id()).ok()) {
          return InvalidField("volume.id", "must be the UUID of a volume");
        }
        ASSIGN_OR_RETURN(const RequestKey key, KeyOf("VmService.AttachVolume", *request));
        ASSIGN_OR_RETURN(const VmRecord vm,
                         vms_.AttachVolume(request->id(), request->volume(), key));
        return TargetOf(vm, request->wait());
      },
      [this, request, response] { return Show(request->id(), response); });
}

grpc::ServerUnaryReactor* VmService::DetachVolume(grpc::CallbackServerContext* context,
                                                  const v1::DetachVolumeRequest* request,
                                                  v1::Vm* response) {
  return SettleCall::Start(
      context, settle_,
      [this, request]() -> absl::StatusOr<Target> {
        ASSIGN_OR_RETURN(const RequestKey key, KeyOf("VmService.DetachVolume", *request));
        ASSIGN_OR_RETURN(const VmRecord vm,
                         vms_.DetachVolume(request->id(), request->volume_id(), key));
        return TargetOf(vm, request->wait());
      },
      [this, request, response] { return Show(request->id(), response); });
}

grpc::ServerUnaryReactor* VmService::Snapshot(grpc::CallbackServerContext* context,
                                              const v1::SnapshotVmRequest* request,
                                              v1::Operation* response) {
  return AnswerOnPool<v1::Operation>(
      context, settle_.pool, response, [this, request]() -> absl::StatusOr<v1::Operation> {
        ASSIGN_OR_RETURN(const VmRecord vm, vms_.Find(request->id()));
        if (!vm.spec.root_disk().volume().empty()) {
          return Error(absl::StatusCode::kFailedPrecondition, "ROOT_DISK_IS_VOLUME",
                       absl::StrCat("the root disk of VM ", vm.uuid.ToString(), " is volume ",
                                    vm.spec.root_disk().volume(),
                                    ": make a snapshot of the volume, and volumes from that"));
        }
        // By its UUID: a name may be another VM's when the job goes on after a restart.
        v1::SnapshotVmRequest resolved = *request;
        resolved.set_id(vm.uuid.ToString());
        return jobs_.Start(v1::Operation::VM_SNAPSHOT, request->image_id(), request->request_id(),
                           resolved, [&] { return snapshots_.Check(request->image_id()); });
      });
}

grpc::ServerBidiReactor<v1::ConsoleInput, v1::ConsoleOutput>* VmService::Console(
    grpc::CallbackServerContext* context) {
  (void)context;
  return new ConsoleCall(
      [this](
          const v1::ConsoleInput& first) -> absl::StatusOr<std::unique_ptr<hypervisor::Console>> {
        ASSIGN_OR_RETURN(const VmRecord vm, vms_.Find(first.id()));
        return hypervisor_.OpenConsole(vm.uuid, first.take_over());
      },
      streams_);
}

grpc::ServerWriteReactor<v1::ReadLogResponse>* VmService::ReadLog(
    grpc::CallbackServerContext* context, const v1::ReadLogRequest* request) {
  (void)context;
  return new SerialLogCall(
      *request,
      [this](const v1::ReadLogRequest& wanted) -> absl::StatusOr<std::string> {
        ASSIGN_OR_RETURN(const VmRecord vm, vms_.Find(wanted.id()));
        return domain_xml::SerialLogPath(worker_.options().serial_log_dir, vm.uuid.ToString());
      },
      streams_);
}

grpc::ServerUnaryReactor* VmService::RenderXml(grpc::CallbackServerContext* context,
                                               const v1::RenderXmlRequest* request,
                                               v1::RenderXmlResponse* response) {
  return AnswerOnPool<v1::RenderXmlResponse>(
      context, settle_.pool, response, [this, request]() -> absl::StatusOr<v1::RenderXmlResponse> {
        ASSIGN_OR_RETURN(const v1::VmSpec admitted,
                         AdmitVm(request->spec(), "spec", worker_.options().node_name));
        ASSIGN_OR_RETURN(const auto spec, worker_.Resolve(admitted, /*generation=*/0));
        v1::RenderXmlResponse rendered;
        ASSIGN_OR_RETURN(*rendered.mutable_xml(), domain_xml::Render(spec));
        return rendered;
      });
}

}  // namespace hvagent::service
