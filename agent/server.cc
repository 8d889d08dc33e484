#include "agent/server.h"

#include <chrono>
#include <cstdlib>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/backup/backup_catalog.h"
#include "agent/backup/backup_jobs.h"
#include "agent/backup/backup_room.h"
#include "agent/config.h"
#include "agent/housekeeper.h"
#include "agent/keeper/secret_guard.h"
#include "agent/keeper/secret_keeper.h"
#include "agent/keeper/secret_report.h"
#include "agent/keeper/secret_rollout.h"
#include "agent/leftovers/leftovers.h"
#include "agent/listeners.h"
#include "agent/metrics.h"
#include "agent/operations/image_catalog.h"
#include "agent/operations/image_delete.h"
#include "agent/operations/image_file_import.h"
#include "agent/operations/image_import.h"
#include "agent/operations/import_options.h"
#include "agent/operations/job_runner.h"
#include "agent/operations/operation_table.h"
#include "agent/operations/trash_purge.h"
#include "agent/operations/vm_snapshot.h"
#include "agent/operations/volume_catalog.h"
#include "agent/operations/volume_flatten.h"
#include "agent/reconcile/desired_vms.h"
#include "agent/reconcile/pushes.h"
#include "agent/reconcile/reconciler.h"
#include "agent/reconcile/status_board.h"
#include "agent/reconcile/vm_worker.h"
#include "agent/reconcile/volume_users.h"
#include "agent/service/backup_service.h"
#include "agent/service/image_service.h"
#include "agent/service/node_health.h"
#include "agent/service/node_service.h"
#include "agent/service/operation_service.h"
#include "agent/service/secret_service.h"
#include "agent/service/storage_service.h"
#include "agent/service/vm_service.h"
#include "agent/service/vm_view.h"
#include "agent/service/volume_service.h"
#include "agent/state/request_log.h"
#include "agent/state/state_store.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/worker_pool.h"
#include "glog/logging.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"

namespace hvagent {
namespace {

// Calls that may block at once, and that may wait for a thread.
constexpr size_t kCallThreads = 32;
constexpr size_t kCallQueue = 1024;
constexpr absl::Duration kHealthPeriod = absl::Seconds(1);

reconcile::VmWorkerOptions WorkerOptions(const v1::AgentConfig& config,
                                         keeper::SecretKeeper& keeper) {
  return {
      .node_name = config.node_name(),
      .images_pool = config.ceph().pools().images(),
      .vms_pool = config.ceph().pools().vms(),
      .volumes_pool = config.ceph().pools().volumes(),
      .guest_entity = config.ceph().guest_entity(),
      .serial_log_dir = config.guests().serial_log_dir(),
      .prefer_v1_monitors = config.ceph().monitor_protocol() == v1::AgentConfig::Ceph::V1,
      .before_start = [&keeper](const std::string& entity) { return keeper.KeepForStart(entity); }};
}

operations::ImportOptions ImportOptionsOf(const v1::AgentConfig::Imports& imports) {
  return {.folder = imports.folder(),
          .spool = {.folder = imports.spool_dir(), .max_size = GiB(imports.max_upload_gib())},
          .max_image_size = GiB(imports.max_image_gib())};
}

reconcile::ReconcilerOptions LoopOptions(const v1::AgentConfig& config) {
  return {.max_parallel = config.guests().max_parallel(),
          .resync_period = absl::Seconds(config.guests().resync_s())};
}

// Guests and boots come first.
bool IsHostIdle(uint32_t idle_load_percent) {
  double load = 0;
  return getloadavg(&load, 1) == 1 &&
         load * 100 < std::thread::hardware_concurrency() * idle_load_percent;
}

}  // namespace

// Members are in the order in which they need each other; they go in the opposite order.
class Server::Impl {
 public:
  Impl(const v1::AgentConfig& config, Backends backends, std::unique_ptr<state::StateStore> state,
       secrets::Sealer sealer)
      : backends_(std::move(backends)),
        state_(std::move(state)),
        requests_(*state_, clock_),
        operations_(*state_, clock_),
        catalog_(*backends_.block, config.ceph().pools().images(), config.node_name()),
        volumes_(*backends_.block, config.ceph().pools().volumes()),
        imports_(ImportOptionsOf(config.imports())),
        snapshots_(catalog_, *backends_.hypervisor, config.ceph().pools().vms()),
        backups_(*backends_.objects, config.ceph().pools().backups()),
        backup_room_{.block = *backends_.block,
                     .catalog = backups_,
                     .pools = {.volumes = config.ceph().pools().volumes(),
                               .vms = config.ceph().pools().vms(),
                               .backups = config.ceph().pools().backups()},
                     .node_name = config.node_name(),
                     .max_bytes_per_s = config.backups().max_bytes_per_s(),
                     .max_disk_size = imports_.max_image_size,
                     .clock = clock_,
                     .sources = backup_sources_},
        jobs_(operations_, clock_, Jobs()),
        board_(clock_, feed_),
        keeper_parts_{*backends_.secrets,    *backends_.keys, *backends_.block,
                      *backends_.hypervisor, *state_,         clock_},
        keeper_(keeper_parts_, std::move(sealer)),
        reporter_(keeper_parts_, keeper_),
        rollout_(keeper_parts_, keeper_, config.ceph().guest_entity()),
        guard_(keeper_, *backends_.secrets, absl::Seconds(config.guests().resync_s())),
        worker_(WorkerOptions(config, keeper_), *backends_.hypervisor, *backends_.block,
                *backends_.registry, *state_),
        reconciler_(LoopOptions(config), worker_, *backends_.hypervisor, *state_, board_, clock_),
        vms_(*state_, requests_, worker_, reconciler_, clock_),
        pushes_(*state_, requests_, worker_, vms_, reconciler_, clock_),
        view_(*backends_.hypervisor, board_, worker_.options()),
        health_(
            *backends_.hypervisor, *backends_.block, [this] { return keeper_.Health(); }, clock_),
        housekeeper_(*state_, clock_, absl::Seconds(config.trash_purge_s()),
                     [this] { PurgeTrash(); }),
        idle_load_percent_(config.guests().idle_load_percent()),
        pool_("calls", kCallThreads, kCallQueue),
        secret_sync_(*backends_.keys, keeper_, [this] { reconciler_.EnqueueAll(); }),
        node_service_({pool_, board_, reconciler_}, backends_.name, worker_.options(),
                      *backends_.hypervisor, *backends_.block, *state_, health_, pushes_,
                      secret_sync_, {pool_, feed_, *state_, view_}),
        secret_service_(pool_, {.backends = keeper_parts_,
                                .sync = secret_sync_,
                                .reporter = reporter_,
                                .rollout = rollout_,
                                .look_at_vms = [this] { reconciler_.EnqueueAll(); }}),
        image_service_(pool_, catalog_, operations_, jobs_, requests_, imports_),
        leftovers_({.block = *backends_.block,
                    .backups = backups_,
                    .state = *state_,
                    .hypervisor = *backends_.hypervisor,
                    .images_pool = config.ceph().pools().images(),
                    .pools = backup_room_.pools}),
        storage_service_(pool_, leftovers_, config.node_name()),
        volume_users_(*state_, *backends_.hypervisor),
        volume_service_(pool_, catalog_, volumes_, jobs_, volume_users_, requests_,
                        config.ceph().max_clone_depth()),
        backup_service_(pool_, backup_room_, operations_, jobs_),
        operation_service_(pool_, operations_),
        vm_service_({pool_, board_, reconciler_}, vms_, worker_, *backends_.hypervisor, *state_,
                    requests_, view_, jobs_, snapshots_) {}

  absl::Status Listen(const v1::AgentConfig& config) {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    RETURN_IF_ERROR(PrepareSocketFolder(config.unix_socket()));
    builder.AddListeningPort(absl::StrCat("unix:", config.unix_socket()),
                             grpc::experimental::LocalServerCredentials(UDS));
    if (!config.listen_address().empty()) {
      builder.AddListeningPort(config.listen_address(), TlsCredentials(config.tls()), &port_);
    }
    for (grpc::Service* service : std::initializer_list<grpc::Service*>{
             &node_service_, &secret_service_, &image_service_, &volume_service_, &storage_service_,
             &backup_service_, &operation_service_, &vm_service_}) {
      builder.RegisterService(service);
    }
    if (!config.metrics_address().empty()) {
      ASSIGN_OR_RETURN(
          metrics_, Metrics::Serve(config.metrics_address(), {.hypervisor = *backends_.hypervisor,
                                                              .block = *backends_.block,
                                                              .keeper = keeper_}));
    }
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || (!config.listen_address().empty() && port_ == 0)) {
      return Error(absl::StatusCode::kUnavailable, "CANNOT_LISTEN",
                   absl::StrCat("cannot listen on unix:", config.unix_socket(),
                                config.listen_address().empty() ? "" : " and ",
                                config.listen_address(), ": is another agentd running?"));
    }
    return absl::OkStatus();
  }

  void Run() {
    guard_.Start();
    reconciler_.Start();
    housekeeper_.Start();
    health_.Start(
        kHealthPeriod,
        [this](bool ready) { server_->GetHealthCheckService()->SetServingStatus(ready); },
        [this] {
          if (!jobs_.NeedsGoOn()) return;
          // With a full queue the next look asks again.
          pool_.Submit([this] { GoOnWithJobs(); }).IgnoreError();
        });
  }

  void Stop(absl::Duration grace) {
    if (server_ == nullptr) return;
    health_.Stop();
    server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(grace));
    server_.reset();
    jobs_.Stop();
    housekeeper_.Stop();
    reconciler_.Stop();
    guard_.Stop();
  }

  int port() const { return port_; }
  int metrics_port() const { return metrics_ == nullptr ? 0 : metrics_->port(); }

 private:
  std::map<v1::Operation::Kind, operations::JobRunner::Job> Jobs() {
    using operations::RunningOperation;
    std::map<v1::Operation::Kind, operations::JobRunner::Job> jobs = {
        {v1::Operation::IMAGE_IMPORT,
         [this](RunningOperation& operation) {
           // An upload has no request: it cannot go on without its client.
           return operation.begun().has_request()
                      ? operations::ImportImageFile(catalog_, imports_, operation)
                      : operations::ImageImport::SettleCutOff(catalog_, operation);
         }},
        {v1::Operation::VOLUME_FLATTEN,
         [this](RunningOperation& operation) {
           return operations::FlattenVolume(
               volumes_, [this] { return IsHostIdle(idle_load_percent_); }, operation);
         }},
        {v1::Operation::IMAGE_DELETE,
         [this](RunningOperation& operation) {
           return operations::DeleteFlattenedImage(catalog_, operation);
         }},
        {v1::Operation::VM_SNAPSHOT,
         [this](RunningOperation& operation) { return snapshots_.Run(operation); }}};
    jobs.merge(backup::BackupJobs(backup_room_, volumes_));
    return jobs;
  }

  // Images only: nothing else is put into the trash.
  void PurgeTrash() {
    if (!backends_.block->Health().ok()) return;
    const auto purged = operations::PurgeTrash(*backends_.block, catalog_.NameOf("").pool, clock_);
    LOG_IF(WARNING, !purged.ok()) << "the trash cannot be emptied: " << purged.status();
  }

  void GoOnWithJobs() {
    const absl::Status status = jobs_.GoOn();
    if (!status.ok()) {
      LOG_EVERY_T(WARNING, 60) << "cut-off operations cannot be gone on with yet: " << status;
    }
  }

  const Clock& clock_ = SystemClock();
  Backends backends_;
  std::unique_ptr<state::StateStore> state_;
  state::RequestLog requests_;
  operations::OperationTable operations_;
  operations::ImageCatalog catalog_;
  operations::VolumeCatalog volumes_;
  const operations::ImportOptions imports_;
  operations::VmSnapshot snapshots_;
  backup::BackupCatalog backups_;
  KeyedMutex<std::string> backup_sources_;
  backup::BackupRoom backup_room_;
  operations::JobRunner jobs_;
  reconcile::VmFeed feed_;
  reconcile::StatusBoard board_;
  keeper::KeeperParts keeper_parts_;
  keeper::SecretKeeper keeper_;
  keeper::SecretReporter reporter_;
  keeper::SecretRollout rollout_;
  keeper::SecretGuard guard_;
  reconcile::VmWorker worker_;
  reconcile::Reconciler reconciler_;
  reconcile::DesiredVms vms_;
  reconcile::Pushes pushes_;
  service::VmView view_;
  service::NodeHealth health_;
  Housekeeper housekeeper_;
  const uint32_t idle_load_percent_;
  WorkerPool pool_;
  service::SecretSync secret_sync_;
  service::NodeService node_service_;
  service::SecretService secret_service_;
  service::ImageService image_service_;
  leftovers::Leftovers leftovers_;
  service::StorageService storage_service_;
  reconcile::VolumeUsers volume_users_;
  service::VolumeService volume_service_;
  service::BackupService backup_service_;
  service::OperationService operation_service_;
  service::VmService vm_service_;
  std::unique_ptr<Metrics> metrics_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const v1::AgentConfig& config,
                                                      Backends backends) {
  ASSIGN_OR_RETURN(auto state, state::StateStore::Open(config.state_dir()));
  ASSIGN_OR_RETURN(secrets::Sealer sealer,
                   secrets::Sealer::FromFile(config.sealing_key_file(), MakesSealingKey(config)));
  auto impl =
      std::make_unique<Impl>(config, std::move(backends), std::move(state), std::move(sealer));
  RETURN_IF_ERROR(impl->Listen(config));
  impl->Run();
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() { Stop(absl::ZeroDuration()); }

int Server::port() const { return impl_->port(); }
int Server::metrics_port() const { return impl_->metrics_port(); }

void Server::Stop(absl::Duration grace) { impl_->Stop(grace); }

}  // namespace hvagent
