#include "agent/backends.h"

#include <utility>

#include "agent/block/memory_block_store.h"
#include "agent/block/memory_object_store.h"
#include "agent/block/rados_cluster_keys.h"
#include "agent/block/rados_object_store.h"
#include "agent/block/rbd_block_store.h"
#include "agent/hypervisor/libvirt_connection.h"
#include "agent/hypervisor/libvirt_hypervisor.h"
#include "agent/hypervisor/libvirt_secret_store.h"
#include "agent/hypervisor/memory_faults.h"
#include "agent/hypervisor/memory_hypervisor.h"
#include "agent/hypervisor/memory_secret_store.h"
#include "agent/hypervisor/start_order.h"
#include "agent/registry/rados_registry.h"
#include "base/status_macros.h"

namespace hvagent {
namespace {

// The simulated cluster: the same fsid for every simulated node, so that derived secrets agree.
constexpr char kMemoryFsid[] = "00000000-0000-4000-8000-000000000001";

block::Monitor MemoryMonitor() {
  using Protocol = block::MonitorAddress::Protocol;
  return {.name = "a",
          .addresses = {{.host = "127.0.0.1", .port = 3300, .protocol = Protocol::kV2},
                        {.host = "127.0.0.1", .port = 6789, .protocol = Protocol::kV1}}};
}

hypervisor::HostInfo MemoryHost(const std::string& node_name) {
  return {.hostname = node_name,
          .cpus = 16,
          .memory_mib = 64 << 10,
          .libvirt_version = "memory",
          .hypervisor_version = "memory",
          .kvm = false};
}

}  // namespace

absl::StatusOr<Backends> MakeRealBackends(const v1::AgentConfig& config) {
  auto connection = std::make_shared<hypervisor::LibvirtConnection>(
      hypervisor::LibvirtOptions{.uri = config.libvirt().uri(),
                                 .call_timeout = absl::Seconds(config.libvirt().call_timeout_s())});
  const std::string& start_orders_dir = config.libvirt().start_orders_dir();
  RETURN_IF_ERROR(hypervisor::PrepareStartOrders(start_orders_dir));
  const absl::Duration op_timeout = absl::Seconds(config.ceph().op_timeout_s());
  Backends backends;
  backends.name = "real";
  backends.secrets = std::make_unique<hypervisor::LibvirtSecretStore>(connection.get());
  backends.hypervisor =
      std::make_unique<hypervisor::LibvirtHypervisor>(connection.get(), start_orders_dir);
  backends.shared = std::move(connection);
  auto block = std::make_unique<block::RbdBlockStore>(
      block::RbdOptions{.config_file = config.ceph().config_file(),
                        .entity = config.ceph().entity(),
                        .keyring_file = config.ceph().keyring_file(),
                        .op_timeout = op_timeout});
  backends.keys = std::make_unique<block::RadosClusterKeys>(block->connection(),
                                                            config.ceph().pools().hvagent());
  backends.objects = std::make_unique<block::RadosObjectStore>(block->connection());
  backends.registry = std::make_unique<registry::RadosRegistry>(block->connection(),
                                                                config.ceph().pools().hvagent());
  backends.block = std::move(block);
  return backends;
}

Backends MakeMemoryBackends(const v1::AgentConfig& config,
                            std::shared_ptr<block::MemoryCluster> cluster,
                            std::shared_ptr<registry::MemoryRecords> records) {
  if (cluster == nullptr) {
    cluster = std::make_shared<block::MemoryCluster>(kMemoryFsid,
                                                     block::MemoryCluster::Strangers::kTakenIn);
  }
  auto faults = std::make_shared<hypervisor::MemoryFaults>();
  auto secrets = std::make_unique<hypervisor::MemorySecretStore>(faults.get());
  auto hypervisor = std::make_unique<hypervisor::MemoryHypervisor>(MemoryHost(config.node_name()),
                                                                   faults.get(), secrets.get());
  auto block = std::make_unique<block::MemoryBlockStore>(
      kMemoryFsid, std::vector<block::Monitor>{MemoryMonitor()});
  const auto& pools = config.ceph().pools();
  for (const std::string& pool : {pools.images(), pools.vms(), pools.volumes(), pools.backups()}) {
    block->CreatePool(pool);
  }
  auto objects = std::make_unique<block::MemoryObjectStore>();
  objects->CreatePool(pools.backups());
  hypervisor->SetStorage(
      {.open = [store = block.get()](const std::string& address,
                                     const domain_xml::RbdDisk& disk) -> absl::Status {
         const block::ImageName image = {disk.pool, disk.rados_namespace, disk.image};
         RETURN_IF_ERROR(store->GetImage(image).status());
         if (!disk.read_only) store->AddWatcher(image, address);
         return absl::OkStatus();
       },
       .close = [store =
                     block.get()](const std::string& address) { store->RemoveWatcher(address); }});
  Backends backends;
  backends.name = "memory";
  backends.shared = std::move(faults);
  backends.block = std::move(block);
  backends.objects = std::move(objects);
  backends.keys = std::make_unique<block::MemoryClusterKeys>(std::move(cluster));
  if (records == nullptr) records = std::make_shared<registry::MemoryRecords>();
  backends.registry = std::make_unique<registry::MemoryRegistry>(std::move(records));
  backends.secrets = std::move(secrets);
  backends.hypervisor = std::move(hypervisor);
  return backends;
}

}  // namespace hvagent
