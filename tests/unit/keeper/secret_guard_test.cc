#include "agent/keeper/secret_guard.h"

#include <chrono>
#include <thread>

#include "gtest/gtest.h"
#include "tests/unit/keeper/keeper_node.h"

namespace hvagent::keeper {
namespace {

class SecretGuardTest : public ::testing::Test {
 protected:
  SecretGuardTest() { cluster_->SetKey("client.cinder", MakeKey('r')); }

  void Sync(bool ephemeral, bool is_private) {
    const auto synced = node_.keeper.Sync(
        {.entity = "client.cinder", .ephemeral = ephemeral, .is_private = is_private},
        MakeKey('r'));
    ASSERT_OK(synced);
    uuid_ = synced->record.uuid;
  }

  // Returns when it is so; the test's own time limit is the only one.
  void AwaitUsable() {
    while (!node_.secrets.CheckUsable(uuid_).ok()) std::this_thread::yield();
  }

  const std::shared_ptr<block::MemoryCluster> cluster_ =
      std::make_shared<block::MemoryCluster>(kFsid);
  KeeperNode node_{cluster_};
  // So long that only notices can be the reason.
  SecretGuard guard_{node_.keeper, node_.secrets, absl::Hours(24)};
  Uuid uuid_;
};

TEST_F(SecretGuardTest, MakesASecretRightThatIsUndefinedRightAfterItWasSynced) {
  guard_.Start();
  Sync(/*ephemeral=*/false, /*is_private=*/false);
  for (int i = 0; i < 10; ++i) {
    ASSERT_OK(node_.secrets.Undefine(uuid_));
    AwaitUsable();
  }
}

TEST_F(SecretGuardTest, SetsEphemeralSecretsAgainAfterARestartOfLibvirtd) {
  guard_.Start();
  Sync(/*ephemeral=*/true, /*is_private=*/true);
  node_.secrets.LoseEphemeral();
  AwaitUsable();
}

TEST_F(SecretGuardTest, GoesOnAfterAFailedLook) {
  Sync(/*ephemeral=*/true, /*is_private=*/false);
  node_.secrets.LoseEphemeral();
  node_.faults.FailCall(1, absl::UnavailableError("libvirtd restarts"));
  guard_.Start();
  AwaitUsable();
}

// Its own writes bring notices; were each a reason to set a private value again, it would never
// end.
TEST_F(SecretGuardTest, ItsOwnWritesAreNoReasonToWriteAPrivateValueAgain) {
  Sync(/*ephemeral=*/false, /*is_private=*/true);
  guard_.Start();
  ASSERT_OK(node_.secrets.SetValue(uuid_, MakeKey('w').value()));
  uint64_t calls = 0;
  do {
    calls = node_.faults.calls();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));  // quiet for so long
  } while (node_.faults.calls() != calls);
}

}  // namespace
}  // namespace hvagent::keeper
