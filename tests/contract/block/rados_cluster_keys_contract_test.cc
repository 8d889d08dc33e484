// The contract on a real cluster, and what only a real one can show. Needs, in the environment,
//   HVAGENT_TEST_CEPH_CONF           a ceph.conf that names the monitors
//   HVAGENT_TEST_CEPH_KEYRING        the keyring of client.hvagent, which may fetch client.vm.*
//   HVAGENT_TEST_CEPH_ADMIN_KEYRING  the keyring of client.admin
// and the pool hvagent. Without them it fails: a test that was not run has proved nothing.
#include <sys/inotify.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <latch>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/block/rados_cluster_keys.h"
#include "agent/block/rados_proof.h"
#include "agent/block/rbd_block_store.h"
#include "base/uuid.h"
#include "tests/contract/block/cluster_keys_contract.h"
#include "tests/support/status_matchers.h"

namespace hvagent::block {
namespace {

using hvagent::testing::Fails;
using ::testing::AnyOf;

class RealCluster : public ::testing::Environment {
 public:
  void SetUp() override {
    for (const char* name : {"HVAGENT_TEST_CEPH_CONF", "HVAGENT_TEST_CEPH_KEYRING",
                             "HVAGENT_TEST_CEPH_ADMIN_KEYRING"}) {
      ASSERT_NE(std::getenv(name), nullptr)
          << name << " is not set: this test needs a real cluster (see its source)";
    }
  }
};

const auto* const kRealCluster = ::testing::AddGlobalTestEnvironment(new RealCluster);

class Folder {
 public:
  Folder() {
    std::string path = "/tmp/cluster-keys.XXXXXX";
    if (mkdtemp(path.data()) == nullptr) abort();
    path_ = path;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string file(absl::string_view name) const { return absl::StrCat(path_, "/", name); }
  std::string Write(absl::string_view name, absl::string_view text) const {
    std::ofstream(file(name)) << text;
    return file(name);
  }

 private:
  std::string path_;
};

RbdOptions Options() {
  return {.config_file = std::getenv("HVAGENT_TEST_CEPH_CONF"),
          .entity = "client.hvagent",
          .keyring_file = std::getenv("HVAGENT_TEST_CEPH_KEYRING")};
}

RbdOptions AdminOptions() {
  return {.config_file = std::getenv("HVAGENT_TEST_CEPH_CONF"),
          .entity = "client.admin",
          .keyring_file = std::getenv("HVAGENT_TEST_CEPH_ADMIN_KEYRING")};
}

// Runs `ceph` or `rados` as an operator.
void Operator(const std::string& tool, const std::string& arguments) {
  const RbdOptions admin = AdminOptions();
  const std::string command =
      absl::StrCat(tool, " --conf ", admin.config_file, " --name ", admin.entity, " --keyring ",
                   admin.keyring_file, " ", arguments, " >/dev/null 2>&1");
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

// A node: a connection, and the keys over it.
class Node : public secrets::ClusterKeys {
 public:
  explicit Node(const RbdOptions& options, const std::string& pool = "hvagent")
      : store_(options), keys_(store_.connection(), pool) {}

  // Waits till it is connected.
  static std::unique_ptr<Node> Connected(const RbdOptions& options,
                                         const std::string& pool = "hvagent") {
    auto node = std::make_unique<Node>(options, pool);
    EXPECT_OK(node->store_.WaitUntilHealthy(absl::Seconds(20)));
    return node;
  }

  absl::Status Prove(const std::string& entity, const secrets::CephKey& key) override {
    return keys_.Prove(entity, key);
  }
  absl::StatusOr<secrets::CephKey> Fetch(const std::string& entity) override {
    return keys_.Fetch(entity);
  }
  absl::StatusOr<secrets::SecretBytes> FingerprintSalt() override {
    return keys_.FingerprintSalt();
  }
  absl::StatusOr<std::optional<secrets::SecretClaim>> GetClaim(const std::string& entity) override {
    return keys_.GetClaim(entity);
  }
  absl::Status Claim(const std::string& entity, const secrets::SecretClaim& wanted,
                     const std::optional<Uuid>& replaces) override {
    return keys_.Claim(entity, wanted, replaces);
  }
  absl::Status Unclaim(const std::string& entity, const Uuid& uuid) override {
    return keys_.Unclaim(entity, uuid);
  }

 private:
  RbdBlockStore store_;
  RadosClusterKeys keys_;
};

class RadosUnderTest : public ClusterKeysUnderTest {
 public:
  ~RadosUnderTest() override {
    if (!without_caps_.empty()) RemoveEntity(without_caps_);
  }

  secrets::ClusterKeys& keys() override { return *keys_; }
  secrets::ClusterKeys& other_node() override { return *other_node_; }

  std::unique_ptr<secrets::ClusterKeys> WithoutCaps() override {
    without_caps_ = absl::StrCat("client.nocaps-", Uuid::Random().ToString());
    RbdOptions options = Options();
    options.entity = without_caps_;
    options.keyring_file = folder_.file("keyring");
    Operator("ceph", absl::StrCat("auth get-or-create ", without_caps_, " mon 'profile rbd' -o ",
                                  options.keyring_file));
    return Node::Connected(options);
  }

  std::unique_ptr<secrets::ClusterKeys> CutOff() override {
    RbdOptions options = Options();
    options.config_file = folder_.Write("ceph.conf", "[global]\nmon host = 127.0.0.1:1\n");
    options.mon_timeout = absl::Seconds(1);
    return std::make_unique<Node>(options);
  }

  void AddEntity(const std::string& entity) override {
    Operator("ceph", absl::StrCat("auth get-or-create ", entity, " mon 'profile rbd'"));
  }
  void RemoveEntity(const std::string& entity) override {
    Operator("ceph", absl::StrCat("auth rm ", entity));
  }

 private:
  const Folder folder_;
  std::string without_caps_;
  const std::unique_ptr<Node> keys_ = Node::Connected(Options());
  const std::unique_ptr<Node> other_node_ = Node::Connected(Options());
};

INSTANTIATE_TEST_SUITE_P(Rados, ClusterKeysContract,
                         ::testing::Values([] { return std::make_unique<RadosUnderTest>(); }));

// A guests' user with its key, for a test.
class RadosProofTest : public ::testing::Test {
 protected:
  RadosProofTest() {
    Operator("ceph", absl::StrCat("auth get-or-create ", entity_, " mon 'profile rbd' -o ",
                                  folder_.file("keyring")));
    std::ifstream keyring(folder_.file("keyring"));
    const std::string text((std::istreambuf_iterator<char>(keyring)), {});
    key_.emplace(*secrets::ParseKeyring(text, entity_));
  }
  ~RadosProofTest() override { Operator("ceph", absl::StrCat("auth rm ", entity_)); }

  // The cluster's configuration, and more of it for every client.
  RbdOptions With(absl::string_view settings) {
    std::ifstream file(Options().config_file);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    RbdOptions options = Options();
    options.config_file =
        folder_.Write("ceph.conf", absl::StrCat(text, "\n[client]\n", settings, "\n"));
    return options;
  }

  static secrets::CephKey WrongKey() {
    return *secrets::ParseCephKey("AQBf+wJrXmZAFxAAx7NPkAzxDRwY+XABrA7IPg==");
  }

  const std::string entity_ = absl::StrCat("client.vm.", Uuid::Random().ToString());
  const Folder folder_;
  std::optional<secrets::CephKey> key_;
};

TEST_F(RadosProofTest, AKeyringOfTheNodeDoesNotStandInForTheKey) {
  const RbdOptions options = With(absl::StrCat("keyring = ", folder_.file("keyring")));
  EXPECT_OK(ProveKey(options, entity_, *key_));
  EXPECT_THAT(ProveKey(options, entity_, WrongKey()),
              Fails(absl::StatusCode::kUnauthenticated, "CEPH_KEY_REFUSED"));
}

TEST_F(RadosProofTest, LeavesNeitherLogNorAdminSocket) {
  const Folder traces;
  const int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  ASSERT_GE(inotify_add_watch(watch, traces.file("").c_str(), IN_CREATE | IN_MODIFY), 0);
  const RbdOptions options =
      With(absl::StrCat("log file = ", traces.file("log"), "\nadmin socket = ", traces.file("asok"),
                        "\ndebug auth = 20\ndebug monc = 20\ndebug ms = 20\n"));
  EXPECT_OK(ProveKey(options, entity_, *key_));
  EXPECT_FALSE(ProveKey(options, entity_, WrongKey()).ok());
  char event[sizeof(inotify_event) + NAME_MAX + 1];
  EXPECT_EQ(read(watch, event, sizeof(event)), -1) << "something was made in the folder";
  close(watch);
}

TEST_F(RadosProofTest, AKeyOfATypeThatCephDoesNotKnowYetIsNotProved) {
  const auto key = secrets::ParseCephKey(absl::Base64Escape(absl::StrCat(
      absl::HexStringToBytes("020000f15365000000002000"), "thirty-two bytes of no cluster's")));
  ASSERT_OK(key);
  EXPECT_THAT(ProveKey(Options(), entity_, *key),
              AnyOf(Fails(absl::StatusCode::kUnimplemented, "CEPH_KEY_TYPE"),
                    Fails(absl::StatusCode::kUnauthenticated, "CEPH_KEY_REFUSED")));
}

// A pool that nobody has written to.
class NewPool {
 public:
  NewPool() { Operator("ceph", absl::StrCat("osd pool create ", name_, " 1")); }
  ~NewPool() {
    Operator("ceph",
             absl::StrCat("osd pool rm ", name_, " ", name_, " --yes-i-really-really-mean-it"));
  }
  NewPool(const NewPool&) = delete;
  NewPool& operator=(const NewPool&) = delete;

  const std::string& name() const { return name_; }

 private:
  const std::string name_ = absl::StrCat("salt-", Uuid::Random().ToString());
};

TEST(RadosClusterKeysTest, OfManyNodesThatMakeTheFirstSaltAllHaveTheSame) {
  const NewPool pool;
  constexpr int kNodes = 4;
  std::vector<std::unique_ptr<Node>> nodes;
  for (int i = 0; i < kNodes; ++i) nodes.push_back(Node::Connected(AdminOptions(), pool.name()));
  std::vector<absl::StatusOr<secrets::SecretBytes>> salts(kNodes);
  std::latch start(kNodes);
  std::vector<std::thread> threads;
  for (int i = 0; i < kNodes; ++i) {
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      salts[i] = nodes[i]->FingerprintSalt();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& salt : salts) {
    ASSERT_OK(salt);
    EXPECT_EQ(salt->size(), 32u);
    EXPECT_TRUE(salt->Equals(*salts[0]));
  }
  const auto of_another_pool = Node::Connected(Options())->FingerprintSalt();
  ASSERT_OK(of_another_pool);
  EXPECT_FALSE(of_another_pool->Equals(*salts[0])) << "it is random";
}

TEST(RadosClusterKeysTest, AnObjectThatIsNoClaimIsNotTakenForOne) {
  const std::string entity = absl::StrCat("client.vm.", Uuid::Random().ToString());
  Operator("rados", absl::StrCat("--pool hvagent create secret.", entity));
  const auto node = Node::Connected(Options());
  const auto damaged = Fails(absl::StatusCode::kDataLoss, "CLUSTER_RECORD");
  EXPECT_THAT(node->GetClaim(entity), damaged);
  EXPECT_THAT(node->Claim(entity, {Uuid::Random(), "usage"}, std::nullopt), damaged);
  Operator("rados", absl::StrCat("--pool hvagent rm secret.", entity));
  EXPECT_OK(node->GetClaim(entity));
}

TEST(RadosClusterKeysTest, WithoutTheAgentsPoolItSaysSo) {
  const auto node = Node::Connected(Options(), "no-such-pool");
  const auto no_pool = Fails(absl::StatusCode::kNotFound, "POOL_NOT_FOUND");
  EXPECT_THAT(node->FingerprintSalt(), no_pool);
  EXPECT_THAT(node->GetClaim("client.vm.x"), no_pool);
  EXPECT_THAT(node->Claim("client.vm.x", {Uuid::Random(), "usage"}, std::nullopt), no_pool);
}

}  // namespace
}  // namespace hvagent::block
