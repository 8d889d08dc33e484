// A whole agent on the memory backends, in this process, with a state folder and a unix socket of
// its own. The backends' other side is at hand, to put things into the simulated cluster and host
// that the API would not, and to make them fail.
#ifndef HVAGENT_TESTS_INTEGRATION_MEMORY_AGENT_H_
#define HVAGENT_TESTS_INTEGRATION_MEMORY_AGENT_H_

#include <memory>
#include <string>

#include "agent/block/memory_block_store.h"
#include "agent/block/memory_cluster_keys.h"
#include "agent/hypervisor/memory_hypervisor.h"
#include "agent/hypervisor/memory_secret_store.h"
#include "agent/server.h"
#include "grpcpp/channel.h"

namespace hvagent::testing {

// A key that Ceph could have made.
inline constexpr char kTestKey[] = "AQBf+wJrXmZAFxAAx7NPkAzxDRwY+XABrA7IPg==";

class MemoryAgent {
 public:
  // `config` over the defaults; its state folder and socket are the test's own. Agents of one
  // `cluster` share its keys and claims; null: it has one of its own.
  explicit MemoryAgent(v1::AgentConfig config = {},
                       std::shared_ptr<block::MemoryCluster> cluster = nullptr);
  ~MemoryAgent();

  MemoryAgent(const MemoryAgent&) = delete;
  MemoryAgent& operator=(const MemoryAgent&) = delete;

  // "unix:/tmp/.../agentd.sock"
  std::string address() const;
  std::shared_ptr<grpc::Channel> channel() const;
  Server& server() { return *server_; }
  block::MemoryBlockStore& block() { return *block_; }
  hypervisor::MemoryHypervisor& hypervisor() { return *hypervisor_; }
  hypervisor::MemorySecretStore& secrets() { return *secrets_; }
  block::MemoryClusterKeys& keys() { return *keys_; }

 private:
  std::string folder_;
  block::MemoryBlockStore* block_ = nullptr;
  hypervisor::MemoryHypervisor* hypervisor_ = nullptr;
  hypervisor::MemorySecretStore* secrets_ = nullptr;
  block::MemoryClusterKeys* keys_ = nullptr;
  std::unique_ptr<Server> server_;
};

}  // namespace hvagent::testing

#endif  // HVAGENT_TESTS_INTEGRATION_MEMORY_AGENT_H_
