// A node on the memory backends, with a golden image and the guests' secret in place, for tests of
// what stands above the seams.
#ifndef HVAGENT_TESTS_SUPPORT_MEMORY_NODE_H_
#define HVAGENT_TESTS_SUPPORT_MEMORY_NODE_H_

#include <memory>
#include <string>

#include "agent/block/memory_block_store.h"
#include "agent/hypervisor/memory_faults.h"
#include "agent/hypervisor/memory_hypervisor.h"
#include "agent/hypervisor/memory_secret_store.h"
#include "agent/reconcile/vm_worker.h"
#include "agent/registry/memory_registry.h"
#include "agent/state/state_store.h"
#include "base/uuid.h"
#include "hvagent/v1/vm.pb.h"

namespace hvagent::testing {

inline constexpr char kImageId[] = "d18923bd-86fc-4f77-b5e8-976d3b1c367c";
inline constexpr char kVmUuid[] = "65bd684f-0414-4b58-9924-af681091be09";

// The guide's VM: 1 vCPU, 256 MiB, 1 GiB cloned from kImageId.
v1::VmSpec GuideVm();

// A record of `spec`, normalized, at generation 1.
state::VmRecord RecordOf(const v1::VmSpec& spec);

class MemoryNode {
 public:
  // An image of 40 MiB at images/<kImageId>@snap, protected; client.cinder's secret synced. Nodes
  // of one cluster share its `records`.
  explicit MemoryNode(const std::string& name = "compute-1",
                      std::shared_ptr<registry::MemoryRecords> records =
                          std::make_shared<registry::MemoryRecords>());

  // Makes images/<id> of `size` with the snapshot `snap`.
  void AddImage(const std::string& id, Bytes size);
  block::ImageName RootDisk(const std::string& uuid = kVmUuid) const;
  // Whether `uuid` has a domain, whatever its state.
  bool HasDomain(const std::string& uuid = kVmUuid);

  hypervisor::MemoryFaults faults;
  hypervisor::MemorySecretStore secrets;
  block::MemoryBlockStore block;
  hypervisor::MemoryHypervisor hypervisor;
  std::shared_ptr<registry::MemoryRecords> records;
  registry::MemoryRegistry registry;
  std::unique_ptr<state::StateStore> state;
  reconcile::VmWorker worker;
};

}  // namespace hvagent::testing

#endif  // HVAGENT_TESTS_SUPPORT_MEMORY_NODE_H_
