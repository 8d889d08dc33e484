// RbdBlockStore and RadosClusterKeys on a real cluster whose OSD and monitor die and come back.
//
// HVAGENT_TEST_CEPH_CONF and HVAGENT_TEST_CEPH_KEYRING (of client.hvagent) are the cluster, with
// one monitor, mon.a, and one OSD, osd.0. HVAGENT_TEST_LAB is the lab's folder of commands, whose
// `fault` breaks and heals them.
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "agent/block/rados_cluster_keys.h"
#include "agent/block/rbd_block_store.h"
#include "agent/block/rbd_error.h"
#include "agent/block/rbd_image.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/uuid.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace hvagent::block {
namespace {

using hvagent::testing::Fails;
using ::testing::AnyOf;

constexpr absl::Duration kPatience = absl::Minutes(2);

std::string Setting(const char* name) {
  const char* value = std::getenv(name);
  EXPECT_NE(value, nullptr) << "set " << name << ": see the top of this test";
  return value != nullptr ? value : "";
}

RbdOptions Options() {
  return {.config_file = Setting("HVAGENT_TEST_CEPH_CONF"),
          .entity = "client.hvagent",
          .keyring_file = Setting("HVAGENT_TEST_CEPH_KEYRING"),
          .op_timeout = absl::Seconds(2),
          .mon_timeout = absl::Seconds(2),
          .probe_interval = absl::Milliseconds(200)};
}

void Fault(const std::string& action, const std::string& service) {
  const std::string command =
      absl::StrCat(Setting("HVAGENT_TEST_LAB"), "/fault ", action, " ", service);
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

// UNAVAILABLE, or DEADLINE_EXCEEDED for the one that found out.
auto EndsInTime() {
  return AnyOf(Fails(absl::StatusCode::kDeadlineExceeded, "CEPH_TIMEOUT"),
               Fails(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE"));
}

// Repeats a call that may still fail for what has not healed yet.
template <typename Call>
absl::Status Eventually(Call call) {
  const absl::Duration deadline = SystemClock().Monotonic() + kPatience;
  while (true) {
    const absl::Status status = call();
    const bool away = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
    if (!away || SystemClock().Monotonic() > deadline) return status;
    std::this_thread::yield();
  }
}

class RbdFaultsTest : public ::testing::Test {
 protected:
  RbdFaultsTest() {
    EXPECT_OK(store_.WaitUntilHealthy(kPatience));
    EXPECT_OK(store_.CreateImage(golden_.image, MiB(16), MiB(4)));
    EXPECT_OK(store_.CreateProtectedSnapshot(golden_));
  }

  ~RbdFaultsTest() override {
    Fault("heal", "all");
    EXPECT_THAT(
        Eventually([&] { return store_.RemoveImage(disk_); }),
        AnyOf(hvagent::testing::IsOk(), Fails(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND")));
    EXPECT_OK(Eventually([&] { return store_.RemoveSnapshot(golden_); }));
    EXPECT_OK(Eventually([&] { return store_.RemoveImage(golden_.image); }));
  }

  const SnapshotName golden_{{"images", "", absl::StrCat("fault-", getpid())}, "snap"};
  const ImageName disk_{"vms", "", absl::StrCat("fault-", getpid(), "_disk")};
  RbdBlockStore store_{Options()};
};

TEST_F(RbdFaultsTest, CallsEndInTimeWhileTheOsdIsDeadAndSucceedAfterwards) {
  ASSERT_OK(store_.CloneImage(golden_, disk_));
  Fault("kill", "osd.0");
  EXPECT_THAT(store_.GetSnapshot(golden_), EndsInTime());
  EXPECT_THAT(Eventually([&] { return store_.Health(); }), hvagent::testing::IsOk());
  EXPECT_THAT(store_.AmendImage(disk_, {GiB(1), {{"k", "v"}}}), EndsInTime());
  EXPECT_THAT(store_.CloneImage(golden_, {"vms", "", disk_.name + "2"}), EndsInTime());
  EXPECT_THAT(store_.RemoveImage(disk_), EndsInTime());
  EXPECT_THAT(store_.OpenWriter(disk_), EndsInTime());

  Fault("heal", "osd.0");
  EXPECT_OK(Eventually([&] { return store_.AmendImage(disk_, {GiB(1), {{"k", "v"}}}); }));
  const auto info = store_.GetImage(disk_);
  ASSERT_OK(info);
  EXPECT_EQ(info->size, GiB(1));
}

TEST_F(RbdFaultsTest, AWriterWhoseOsdDiesSaysSo) {
  ASSERT_OK(store_.CreateImage(disk_, GiB(1), MiB(4)));
  auto writer = store_.OpenWriter(disk_);
  ASSERT_OK(writer);
  Fault("kill", "osd.0");
  absl::Status status;
  for (uint64_t i = 0; i < 1024 && status.ok(); ++i) {
    status = (*writer)->Write(i << 20, std::string(MiB(1).count(), 'x'));
  }
  EXPECT_THAT(status, EndsInTime());
  EXPECT_EQ((*writer)->Finish(), status);
}

TEST_F(RbdFaultsTest, HealthSaysThatTheMonitorsAreAwayAndHealsByItself) {
  Fault("kill", "mon.a");
  const absl::Duration deadline = SystemClock().Monotonic() + kPatience;
  while (store_.Health().ok()) {
    ASSERT_LT(SystemClock().Monotonic(), deadline);
    std::this_thread::yield();
  }
  EXPECT_THAT(store_.Health(), Fails(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE"));
  EXPECT_THAT(store_.GetCluster(), Fails(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE"));

  Fault("heal", "mon.a");
  EXPECT_OK(store_.WaitUntilHealthy(kPatience));
  EXPECT_OK(Eventually([&] { return store_.CloneImage(golden_, disk_); }));
}

TEST_F(RbdFaultsTest, APoolThatNobodyKnowsIsAskedForInBoundedTime) {
  auto session = RadosSession::Connect(Options());
  ASSERT_OK(session);
  Fault("kill", "mon.a");
  EXPECT_THAT((*session)->OpenPool("no-such-pool"),
              Fails(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE"));
  Fault("heal", "mon.a");
}

// What an operator's fence, or our own after a timeout, does to a connection.
TEST_F(RbdFaultsTest, AFencedSessionIsRefusedAndItsExclusiveLockIsFree) {
  ASSERT_OK(store_.CloneImage(golden_, disk_));
  auto fenced = RadosSession::Connect(Options());
  auto other = RadosSession::Connect(Options());
  ASSERT_OK(fenced);
  ASSERT_OK(other);
  auto image = RbdImage::Open(**fenced, disk_);
  ASSERT_OK(image);
  ASSERT_OK(image->Resize(GiB(1)));  // takes the lock

  ASSERT_OK((*other)->Fence((*fenced)->address()));
  const absl::Status refused = image->Resize(GiB(2));
  EXPECT_TRUE(IsConnectionSpoilt(refused)) << refused;
  EXPECT_OK(store_.AmendImage(disk_, {GiB(3), {}}));
  EXPECT_EQ(store_.GetImage(disk_)->size, GiB(3));
}

class KeyFaultsTest : public RbdFaultsTest {
 protected:
  const std::string entity_ = absl::StrCat("client.vm.fault-", getpid());
  RadosClusterKeys keys_{store_.connection(), "hvagent"};
};

TEST_F(KeyFaultsTest, AClaimEndsInTimeWhileTheOsdIsDeadAndCanBeMadeAfterwards) {
  const secrets::SecretClaim wanted{Uuid::Random(), "fault"};
  Fault("kill", "osd.0");
  EXPECT_THAT(keys_.Claim(entity_, wanted, std::nullopt), EndsInTime());
  EXPECT_OK(Eventually([&] { return store_.Health(); }));
  EXPECT_THAT(keys_.GetClaim(entity_), EndsInTime());

  Fault("heal", "osd.0");
  EXPECT_OK(Eventually([&] { return keys_.Claim(entity_, wanted, std::nullopt); }));
  EXPECT_EQ(*keys_.GetClaim(entity_), wanted);
  EXPECT_OK(keys_.Unclaim(entity_, wanted.uuid));
}

// What timed out on a frozen OSD would be done when that wakes. It must not undo what came later.
TEST_F(KeyFaultsTest, AClaimThatTimedOutDoesNotLandAfterAnotherOne) {
  const secrets::SecretClaim late{Uuid::Random(), "late"}, wanted{Uuid::Random(), "wanted"};
  Fault("freeze", "osd.0");
  EXPECT_THAT(keys_.Claim(entity_, late, std::nullopt), EndsInTime());
  Fault("thaw", "osd.0");
  EXPECT_OK(Eventually([&] { return store_.Health(); }));
  const absl::Status claimed =
      Eventually([&] { return keys_.Claim(entity_, wanted, std::nullopt); });
  const auto standing = keys_.GetClaim(entity_);
  ASSERT_OK(standing);
  ASSERT_TRUE(standing->has_value());
  if (claimed.ok()) {
    EXPECT_EQ(*standing, wanted);
  } else {
    EXPECT_THAT(claimed, Fails(absl::StatusCode::kAborted, "SECRET_CLAIMED"));
    EXPECT_EQ(*standing, late);
  }
  EXPECT_OK(keys_.Unclaim(entity_, (*standing)->uuid));
}

TEST_F(KeyFaultsTest, WithoutMonitorsNoKeyIsJudged) {
  const auto key = keys_.Fetch("client.cinder");
  ASSERT_OK(key);
  for (const char* fault : {"kill", "freeze"}) {
    Fault(fault, "mon.a");
    EXPECT_THAT(keys_.Prove("client.cinder", *key),
                Fails(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE"));
    EXPECT_THAT(keys_.Prove("client.glance", *key),
                Fails(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE"));
    EXPECT_THAT(keys_.Fetch("client.cinder"),
                Fails(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE"));
    Fault("heal", "mon.a");
    EXPECT_OK(Eventually([&] { return keys_.Prove("client.cinder", *key); }));
    EXPECT_THAT(Eventually([&] { return keys_.Prove("client.glance", *key); }),
                Fails(absl::StatusCode::kUnauthenticated, "CEPH_KEY_REFUSED"));
  }
}

}  // namespace
}  // namespace hvagent::block
