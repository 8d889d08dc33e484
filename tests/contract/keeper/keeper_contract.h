// What the keeper does with a node's libvirt, on the memory backends and on a real libvirtd. The
// cluster is simulated in both.
#ifndef HVAGENT_TESTS_CONTRACT_KEEPER_KEEPER_CONTRACT_H_
#define HVAGENT_TESTS_CONTRACT_KEEPER_KEEPER_CONTRACT_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/block/memory_block_store.h"
#include "agent/block/memory_cluster_keys.h"
#include "agent/hypervisor/hypervisor.h"
#include "agent/keeper/secret_keeper.h"
#include "agent/state/state_store.h"
#include "gtest/gtest.h"
#include "secrets/secret_store.h"

namespace hvagent::keeper {

// A node's libvirt. What a test leaves in it is taken away by the contract.
class LibvirtUnderTest {
 public:
  virtual ~LibvirtUnderTest() = default;
  virtual secrets::SecretStore& store() = 0;
  virtual hypervisor::Hypervisor& hypervisor() = 0;
};

using MakeLibvirt = std::function<std::unique_ptr<LibvirtUnderTest>()>;

// Counts the writes, and loses the connection before one of them: as far as the node's libvirt
// goes, that is a crash of the agent.
class WatchedStore final : public secrets::SecretStore {
 public:
  explicit WatchedStore(secrets::SecretStore& store) : store_(store) {}

  // Every write from the `nth` on (0 is the next) is lost; -1: none.
  void LoseFrom(int nth) { lose_from_ = nth < 0 ? -1 : writes_ + nth; }
  int writes() const { return writes_; }

  absl::StatusOr<std::vector<secrets::SecretRecord>> List() override { return store_.List(); }
  absl::Status Define(const secrets::SecretRecord& record) override {
    return Write([&] { return store_.Define(record); });
  }
  absl::Status SetValue(const Uuid& uuid, const secrets::SecretBytes& value) override {
    return Write([&] { return store_.SetValue(uuid, value); });
  }
  absl::StatusOr<secrets::SecretBytes> GetValue(const Uuid& uuid) override {
    return store_.GetValue(uuid);
  }
  absl::Status Undefine(const Uuid& uuid) override {
    return Write([&] { return store_.Undefine(uuid); });
  }
  void SetListener(secrets::SecretListener listener) override {
    store_.SetListener(std::move(listener));
  }

 private:
  template <typename Body>
  absl::Status Write(Body body) {
    if (lose_from_ >= 0 && writes_ >= lose_from_) return absl::UnavailableError("the agent died");
    ++writes_;
    return body();
  }

  secrets::SecretStore& store_;
  int writes_ = 0;
  int lose_from_ = -1;
};

class KeeperContract : public testing::TestWithParam<MakeLibvirt> {
 protected:
  KeeperContract();
  ~KeeperContract() override;

  // A keeper as after a start of the agent.
  std::unique_ptr<SecretKeeper> StartKeeper();
  // A domain of ours, defined, that names `secret`.
  void DefineDomain(const std::string& name, const Uuid& secret);
  // The secret that its definition names.
  Uuid NamedBy(const std::string& name);
  // libvirt holds `key` under the UUID and usage, and neither under any other.
  void ExpectRight(const secrets::SecretRecord& record, const secrets::CephKey& key);

  const std::unique_ptr<LibvirtUnderTest> libvirt_;
  WatchedStore store_{libvirt_->store()};
  const std::shared_ptr<block::MemoryCluster> cluster_;
  block::MemoryClusterKeys keys_;
  block::MemoryBlockStore block_;
  const std::unique_ptr<state::StateStore> state_;
  std::unique_ptr<SecretKeeper> keeper_;

 private:
  std::vector<Uuid> domains_;
};

}  // namespace hvagent::keeper

#endif  // HVAGENT_TESTS_CONTRACT_KEEPER_KEEPER_CONTRACT_H_
