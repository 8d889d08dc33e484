// Nodes on the memory backends, with a cluster that they share, for tests of the keeper's room.
#ifndef HVAGENT_TESTS_UNIT_KEEPER_KEEPER_NODE_H_
#define HVAGENT_TESTS_UNIT_KEEPER_KEEPER_NODE_H_

#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/block/memory_block_store.h"
#include "agent/block/memory_cluster_keys.h"
#include "agent/hypervisor/memory_faults.h"
#include "agent/hypervisor/memory_hypervisor.h"
#include "agent/hypervisor/memory_secret_store.h"
#include "agent/keeper/secret_keeper.h"
#include "agent/keeper/secret_report.h"
#include "agent/keeper/secret_rollout.h"
#include "domain_xml/domain_xml.h"
#include "tests/support/status_matchers.h"

namespace hvagent::keeper {

inline constexpr char kFsid[] = "d82f0b96-6a69-4f7f-9d79-73d5bac7dd6c";

// A well-formed key that Ceph made `age` seconds after the first.
inline secrets::CephKey MakeKey(char fill, char age = 0) {
  std::string header("\x01\0\0\x5c\x5b\x5a\x07\0\0\0\x10\0", 12);
  header[2] = age;
  return secrets::ParseCephKey(absl::Base64Escape(absl::StrCat(header, std::string(16, fill))))
      .value();
}

struct KeeperNode {
  explicit KeeperNode(std::shared_ptr<block::MemoryCluster> cluster) : keys(std::move(cluster)) {}

  KeeperParts parts() { return {secrets, keys, block, hypervisor, *state, SystemClock()}; }

  // A domain of ours that names the entity's secret, with the stamp that a start gives it now.
  Uuid AddDomain(const std::string& name, const std::string& entity, bool running) {
    const state::SecretBinding binding = state->GetSecret(entity).value().value();
    domain_xml::DomainSpec spec;
    spec.uuid = Uuid::Random();
    spec.name = name;
    spec.memory_mib = 64;
    spec.disks = {{.pool = "vms",
                   .image = name,
                   .monitors = {{"10.0.0.1", 3300}},
                   .auth = domain_xml::CephAuth{entity.substr(7), binding.uuid},
                   .target = "vda"}};
    spec.mark = {
        .agent_node = "compute-1",
        .generation = 1,
        .secret = domain_xml::SecretStamp{entity, binding.fingerprint, binding.generation_unix_s}};
    EXPECT_OK(hypervisor.DefineDomain(domain_xml::Render(spec).value()));
    if (running) {
      EXPECT_OK(hypervisor.StartDomain(spec.uuid));
    }
    return spec.uuid;
  }

  hypervisor::MemoryFaults faults;
  hypervisor::MemorySecretStore secrets{&faults};
  hypervisor::MemoryHypervisor hypervisor{
      {.hostname = "compute-1", .cpus = 4, .memory_mib = 8192}, &faults, &secrets};
  block::MemoryBlockStore block{kFsid,
                                {{.name = "a", .addresses = {{.host = "10.0.0.1", .port = 3300}}}}};
  block::MemoryClusterKeys keys;
  std::unique_ptr<state::StateStore> state = state::StateStore::Open(":memory:").value();
  SecretKeeper keeper{parts(), secrets::Sealer::Ephemeral()};
  SecretReporter reporter{parts(), keeper};
  SecretRollout rollout{parts(), keeper, "client.cinder"};
};

}  // namespace hvagent::keeper

#endif  // HVAGENT_TESTS_UNIT_KEEPER_KEEPER_NODE_H_
