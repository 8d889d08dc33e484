#include "agent/service/node_health.h"

#include <map>
#include <string>

#include "base/error.h"
#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_node.h"

namespace hvagent::service {
namespace {

using ::hvagent::testing::MemoryNode;
using v1::Condition;

const absl::Status kLibvirtAway =
    Error(absl::StatusCode::kUnavailable, "LIBVIRT_UNAVAILABLE", "libvirtd is not there");
const absl::Status kCephAway =
    Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE", "no monitor answers");

// What the health thread says, for a test that waits for it.
class Heard {
 public:
  void Say(const std::string& what) {
    MutexLock lock(mutex_);
    ++count_[what];
    changed_.SignalAll();
  }
  // Waits until `what` was said `times` times in all.
  void Await(const std::string& what, int times) {
    MutexLock lock(mutex_);
    while (count_[what] < times) changed_.Wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::map<std::string, int> count_ ABSL_GUARDED_BY(mutex_);
};

class NodeHealthTest : public ::testing::Test {
 protected:
  Condition Get(const std::string& type) {
    for (Condition& condition : health_.Conditions()) {
      if (condition.type() == type) return condition;
    }
    ADD_FAILURE() << "no condition " << type;
    return {};
  }

  MemoryNode node_;
  testing::FakeClock clock_;
  absl::Status secrets_;
  NodeHealth health_{node_.hypervisor, node_.block, [this] { return secrets_; }, clock_};
};

TEST_F(NodeHealthTest, IsReadyWhileBothAreConnected) {
  for (const char* type : {"READY", "LIBVIRT_CONNECTED", "CEPH_CONNECTED"}) {
    EXPECT_EQ(Get(type).status(), Condition::TRUE) << type;
  }
}

TEST_F(NodeHealthTest, NamesWhatIsAwayAndWhy) {
  node_.hypervisor.SetHealth(kLibvirtAway);
  EXPECT_EQ(Get("LIBVIRT_CONNECTED").status(), Condition::FALSE);
  EXPECT_EQ(Get("LIBVIRT_CONNECTED").reason(), "LIBVIRT_UNAVAILABLE");
  EXPECT_EQ(Get("CEPH_CONNECTED").status(), Condition::TRUE);
  EXPECT_EQ(Get("READY").status(), Condition::FALSE);
  EXPECT_EQ(Get("READY").message(), "libvirtd is not there");
  node_.hypervisor.SetHealth(absl::OkStatus());
  node_.block.SetHealth(kCephAway);
  EXPECT_EQ(Get("LIBVIRT_CONNECTED").status(), Condition::TRUE);
  EXPECT_EQ(Get("READY").reason(), "CEPH_UNAVAILABLE");
}

TEST_F(NodeHealthTest, ANodeWithAWrongSecretSaysSoAndIsReady) {
  EXPECT_EQ(Get("SECRETS_RIGHT").status(), Condition::TRUE);
  secrets_ = Error(absl::StatusCode::kFailedPrecondition, "SECRET_CONFLICT", "it is in the way");
  EXPECT_EQ(Get("SECRETS_RIGHT").status(), Condition::FALSE);
  EXPECT_EQ(Get("SECRETS_RIGHT").reason(), "SECRET_CONFLICT");
  EXPECT_EQ(Get("READY").status(), Condition::TRUE);
}

TEST_F(NodeHealthTest, SinceIsWhenItChangedAndNotWhenItWasLookedAt) {
  const int64_t start = Get("READY").since().seconds();
  clock_.Advance(absl::Seconds(10));
  EXPECT_EQ(Get("READY").since().seconds(), start);
  node_.block.SetHealth(kCephAway);
  EXPECT_EQ(Get("READY").since().seconds(), start + 10);
  EXPECT_EQ(Get("LIBVIRT_CONNECTED").since().seconds(), start);
  clock_.Advance(absl::Seconds(10));
  EXPECT_EQ(Get("READY").since().seconds(), start + 10);
}

TEST_F(NodeHealthTest, TellsEachChangeAndGoesOnWhileCephIsConnected) {
  Heard heard;
  node_.block.SetHealth(kCephAway);
  health_.Start(
      absl::Milliseconds(1), [&](bool ready) { heard.Say(ready ? "ready" : "not ready"); },
      [&] { heard.Say("connected"); });
  heard.Await("not ready", 1);
  node_.block.SetHealth(absl::OkStatus());
  heard.Await("connected", 2);
  heard.Await("ready", 1);
  node_.hypervisor.SetHealth(kLibvirtAway);
  heard.Await("not ready", 2);
  node_.hypervisor.SetHealth(absl::OkStatus());
  heard.Await("ready", 2);
  health_.Stop();
}

TEST_F(NodeHealthTest, WhoeverSeesAChangeFirstTheHealthServiceKnowsItBefore) {
  Heard heard;
  bool told = false;
  health_.Start(
      absl::Hours(1),
      [&](bool ready) {
        told = ready;
        heard.Say("told");
      },
      [] {});
  heard.Await("told", 1);
  node_.block.SetHealth(kCephAway);
  EXPECT_EQ(Get("READY").status(), Condition::FALSE);
  EXPECT_FALSE(told);
  node_.block.SetHealth(absl::OkStatus());
  EXPECT_EQ(Get("READY").status(), Condition::TRUE);
  EXPECT_TRUE(told);
  health_.Stop();
}

}  // namespace
}  // namespace hvagent::service
