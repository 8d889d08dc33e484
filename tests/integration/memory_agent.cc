#include "tests/integration/memory_agent.h"

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/backends.h"
#include "agent/config.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace hvagent::testing {

MemoryAgent::MemoryAgent(v1::AgentConfig config, std::shared_ptr<block::MemoryCluster> cluster) {
  // Not under TempDir: a socket's path must fit in 108 bytes.
  std::string folder = "/tmp/hvagent-test.XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) abort();
  folder_ = folder;
  if (config.node_name().empty()) config.set_node_name("compute-1");
  config.set_state_dir(folder_ + "/state");
  config.set_unix_socket(folder_ + "/agentd.sock");
  config = WithDefaults(std::move(config));
  Backends backends = MakeMemoryBackends(config, std::move(cluster));
  block_ = static_cast<block::MemoryBlockStore*>(backends.block.get());
  secrets_ = static_cast<hypervisor::MemorySecretStore*>(backends.secrets.get());
  keys_ = static_cast<block::MemoryClusterKeys*>(backends.keys.get());
  hypervisor_ = static_cast<hypervisor::MemoryHypervisor*>(backends.hypervisor.get());
  auto server = Server::Start(config, std::move(backends));
  EXPECT_OK(server);
  server_ = *std::move(server);
}

MemoryAgent::~MemoryAgent() {
  server_.reset();
  std::filesystem::remove_all(folder_);
}

std::string MemoryAgent::address() const { return absl::StrCat("unix:", folder_, "/agentd.sock"); }

std::shared_ptr<grpc::Channel> MemoryAgent::channel() const {
  return grpc::CreateChannel(address(), grpc::experimental::LocalCredentials(UDS));
}

}  // namespace hvagent::testing
