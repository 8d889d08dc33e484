#include "agent/service/node_service.h"

#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/reconcile/monitors.h"
#include "agent/service/push_request.h"
#include "agent/service/request_key.h"
#include "agent/service/unary.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/version.h"

namespace hvagent::service {
namespace {

constexpr size_t kPage = 500;

std::string ToText(const domain_xml::MonitorHost& host) {
  if (absl::StrContains(host.name, ':')) return absl::StrCat("[", host.name, "]:", host.port);
  return absl::StrCat(host.name, ":", host.port);
}

// The name of a VM that the push is about.
std::string NameIn(const v1::PushStateRequest& push, const v1::PushStateResponse& response,
                   const std::string& uuid) {
  for (const v1::PushedVm& vm : push.vms()) {
    if (vm.spec().uuid() == uuid) return vm.spec().name();
  }
  for (const v1::VmChange& change : response.changes()) {
    if (change.uuid() == uuid) return change.name();
  }
  return "";
}

}  // namespace

NodeService::NodeService(const SettleContext& settle, std::string backend,
                         const reconcile::VmWorkerOptions& options,
                         hypervisor::Hypervisor& hypervisor, block::BlockStore& block,
                         state::StateStore& state, NodeHealth& health, reconcile::Pushes& pushes,
                         SecretSync& secrets, const WatchContext& watch)
    : settle_(settle),
      backend_(std::move(backend)),
      options_(options),
      hypervisor_(hypervisor),
      block_(block),
      state_(state),
      health_(health),
      pushes_(pushes),
      secrets_(secrets),
      watch_(watch) {}

grpc::ServerUnaryReactor* NodeService::GetNode(grpc::CallbackServerContext* context,
                                               const v1::GetNodeRequest* request,
                                               v1::Node* response) {
  (void)request;  // empty
  return AnswerOnPool<v1::Node>(context, settle_.pool, response, [this] { return Describe(); });
}

grpc::ServerUnaryReactor* NodeService::PushState(grpc::CallbackServerContext* context,
                                                 const v1::PushStateRequest* request,
                                                 v1::PushStateResponse* response) {
  const auto targets = std::make_shared<std::vector<SettleCall::Target>>();
  return SettleCall::StartAll(
      context, settle_,
      [this, request, response, targets] {
        // gRPC hands requests out as const, but this one is ours until the call is finished.
        auto pushed = Push(*const_cast<v1::PushStateRequest*>(request), *response);
        if (pushed.ok()) *targets = *pushed;
        return pushed;
      },
      [request, response, targets](const std::vector<absl::Status>& settled) {
        for (size_t i = 0; i < settled.size(); ++i) {
          if (settled[i].ok()) continue;
          const std::string uuid = (*targets)[i].uuid.ToString();
          *response->add_problems() =
              reconcile::ProblemOf(uuid, NameIn(*request, *response, uuid), settled[i]);
        }
        return absl::OkStatus();
      });
}

absl::StatusOr<std::vector<SecretSync::Admitted>> NodeService::AdmitSecrets(
    v1::PushStateRequest& request) {
  const absl::Cleanup wipe = [&request] {
    for (auto& secret : *request.mutable_secrets()) secrets::WipeString(*secret.mutable_key());
  };
  std::vector<SecretSync::Admitted> admitted;
  std::set<std::string> entities;
  for (int i = 0; i < request.secrets_size(); ++i) {
    const std::string path = absl::StrCat("secrets[", i, "]");
    v1::SyncSecretRequest& secret = *request.mutable_secrets(i);
    if (secret.dry_run()) {
      return InvalidField(path + ".dry_run", "is the whole push's or nobody's");
    }
    if (!entities.insert(secret.entity()).second) {
      return InvalidField(path + ".entity", "is in the push twice");
    }
    auto taken = secrets_.Admit(secret);
    if (!taken.ok()) return PrefixField(taken.status(), path);
    taken->wish.dry_run = request.dry_run();
    admitted.push_back(*std::move(taken));
  }
  return admitted;
}

absl::StatusOr<std::vector<SettleCall::Target>> NodeService::Push(v1::PushStateRequest& request,
                                                                  v1::PushStateResponse& response) {
  ASSIGN_OR_RETURN(const std::vector<SecretSync::Admitted> secrets, AdmitSecrets(request));
  RETURN_IF_ERROR(AdmitPush(request));
  // How it is asked changes nothing of what it says.
  const bool dry_run = request.dry_run();
  const bool wait = request.wait();
  request.clear_dry_run();
  request.clear_wait();
  ASSIGN_OR_RETURN(const state::RequestKey key, TakeKey("NodeService.PushState", request));
  request.set_dry_run(dry_run);
  const auto admit = [this](const v1::VmSpec& spec, absl::string_view path) {
    return AdmitVm(spec, path, options_.node_name);
  };
  std::vector<v1::SyncSecretResponse> synced;
  const auto sync_secrets = [&]() -> absl::Status {
    for (const SecretSync::Admitted& secret : secrets) {
      auto done = secrets_.Sync(secret);
      if (!done.ok()) return Annotate(done.status(), secret.wish.entity);
      synced.push_back(*std::move(done));
    }
    return absl::OkStatus();
  };
  ASSIGN_OR_RETURN(response, pushes_.Push(request, key.body_digest, key, admit, sync_secrets));
  for (v1::SyncSecretResponse& secret : synced) *response.add_secrets() = std::move(secret);
  if (!wait || dry_run) return std::vector<SettleCall::Target>();

  std::map<std::string, int64_t> generations;
  for (const v1::PushedVm& vm : request.vms()) generations[vm.spec().uuid()] = 0;
  for (const v1::PushedDeletion& deletion : request.deletions()) generations[deletion.uuid()] = 0;
  for (const v1::VmChange& change : response.changes()) {
    generations[change.uuid()] = change.generation();
  }
  std::vector<SettleCall::Target> targets;
  for (const auto& [id, generation] : generations) {
    ASSIGN_OR_RETURN(const Uuid uuid, Uuid::Parse(id));
    targets.push_back({.uuid = uuid, .generation = generation, .wait = true});
  }
  return targets;
}

grpc::ServerWriteReactor<v1::StateEvent>* NodeService::WatchState(
    grpc::CallbackServerContext* context, const v1::WatchStateRequest* request) {
  (void)context;
  return new WatchCall(*request, watch_);
}

absl::StatusOr<v1::Node> NodeService::Describe() {
  v1::Node node;
  node.set_name(options_.node_name);
  node.set_backend(backend_);
  node.mutable_versions()->set_agent(kVersion);
  DescribeHost(node);
  DescribeCluster(node);
  RETURN_IF_ERROR(CountVms(*node.mutable_capacity()));
  for (v1::Condition& condition : health_.Conditions()) {
    *node.add_conditions() = std::move(condition);
  }
  return node;
}

// Both describe what answers; what does not is left out, and a condition says why.
void NodeService::DescribeHost(v1::Node& node) {
  const auto host = hypervisor_.GetHost();
  if (!host.ok()) return;
  node.set_domain_type(host->kvm ? "kvm" : "qemu");
  node.mutable_versions()->set_libvirt(host->libvirt_version);
  node.mutable_versions()->set_hypervisor(host->hypervisor_version);
  node.mutable_capacity()->set_cpus(host->cpus);
  node.mutable_capacity()->set_memory_mib(host->memory_mib);
}

void NodeService::DescribeCluster(v1::Node& node) {
  const auto cluster = block_.GetCluster();
  if (!cluster.ok()) return;
  node.mutable_versions()->set_librbd(cluster->library_version);
  node.mutable_ceph()->set_fsid(cluster->fsid);
  for (const auto& host :
       reconcile::GuestMonitors(cluster->monitors, options_.prefer_v1_monitors)) {
    node.mutable_ceph()->add_monitors(ToText(host));
  }
}

absl::Status NodeService::CountVms(v1::Node::Capacity& capacity) {
  Uuid after;
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<state::VmRecord> vms, state_.ListVms(after, kPage));
    for (const state::VmRecord& vm : vms) {
      capacity.set_vms(capacity.vms() + 1);
      if (vm.spec.power_state() == v1::STOPPED) continue;
      capacity.set_vcpus_of_vms(capacity.vcpus_of_vms() + vm.spec.vcpus());
      capacity.set_memory_mib_of_vms(capacity.memory_mib_of_vms() + vm.spec.memory_mib());
    }
    if (vms.size() < kPage) return absl::OkStatus();
    after = vms.back().uuid;
  }
}

}  // namespace hvagent::service
