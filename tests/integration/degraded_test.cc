// The agent while libvirt or Ceph is away: it says so, answers in time, and goes on by itself when
// they are back. On the memory backends; tests/faults/agent has the same with real daemons.
#include <chrono>
#include <thread>

#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/api_client.h"
#include "tests/integration/memory_agent.h"
#include "tests/support/memory_node.h"
#include "tests/support/status_matchers.h"

namespace hvagent {
namespace {

using ::hvagent::testing::ApiClient;
using ::hvagent::testing::Fails;
using ::hvagent::testing::GuideVm;
using ::hvagent::testing::kImageId;
using ::hvagent::testing::kVmUuid;
using ::hvagent::testing::MemoryAgent;

const absl::Status kLibvirtAway =
    Error(absl::StatusCode::kUnavailable, "LIBVIRT_UNAVAILABLE", "not connected to libvirt");
const absl::Status kCephAway =
    Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE", "not connected to Ceph");

class DegradedTest : public ::testing::Test {
 protected:
  DegradedTest() {
    EXPECT_OK(agent_.block().CreateImage({"images", "", kImageId}, MiB(40), MiB(8)));
    EXPECT_OK(agent_.block().CreateProtectedSnapshot({{"images", "", kImageId}, "snap"}));
    v1::SyncSecretRequest secret;
    secret.set_entity("client.cinder");
    secret.set_key(hvagent::testing::kTestKey);
    EXPECT_OK(ApiClient::Call(*client_.secrets, &v1::SecretService::Stub::Sync, secret));
  }

  void AwaitServing(bool serving) {
    while (*client_.IsServing() != serving) std::this_thread::yield();
  }

  v1::Condition::Status Condition(const std::string& type) {
    const auto node =
        ApiClient::Call(*client_.node, &v1::NodeService::Stub::GetNode, v1::GetNodeRequest());
    EXPECT_OK(node);
    for (const v1::Condition& condition : node->conditions()) {
      if (condition.type() == type) return condition.status();
    }
    return v1::Condition::STATUS_UNSPECIFIED;
  }

  // An Apply that waits, by a client that has two seconds.
  absl::Status ApplyBriefly() {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(2));
    v1::ApplyVmRequest request;
    *request.mutable_spec() = GuideVm();
    request.set_wait(true);
    v1::ApplyVmResponse response;
    return agentctl::FromGrpc(client_.vms->Apply(&context, request, &response));
  }

  // Waits until the VM that was wished for meanwhile runs.
  void AwaitRunning() {
    while (true) {
      const auto vm = client_.GetVm(kVmUuid);
      ASSERT_OK(vm);
      if (vm->status().power_state() == v1::RUNNING) return;
      std::this_thread::yield();
    }
  }

  MemoryAgent agent_;
  ApiClient client_{agent_.channel()};
};

TEST_F(DegradedTest, WithoutCephItSaysSoAndGoesOnWhenItIsBack) {
  AwaitServing(true);
  agent_.block().SetHealth(kCephAway);
  AwaitServing(false);
  EXPECT_EQ(Condition("CEPH_CONNECTED"), v1::Condition::FALSE);
  EXPECT_EQ(Condition("LIBVIRT_CONNECTED"), v1::Condition::TRUE);
  EXPECT_THAT(client_.GetImage(kImageId),
              Fails(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE"));
  EXPECT_THAT(ApplyBriefly(), Fails(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE"))
      << "the reason, and not only that time was up";
  agent_.block().SetHealth(absl::OkStatus());
  AwaitServing(true);
  AwaitRunning();
}

TEST_F(DegradedTest, WithoutLibvirtItSaysSoAndGoesOnWhenItIsBack) {
  AwaitServing(true);
  agent_.hypervisor().SetHealth(kLibvirtAway);
  AwaitServing(false);
  EXPECT_EQ(Condition("CEPH_CONNECTED"), v1::Condition::TRUE);
  EXPECT_EQ(Condition("LIBVIRT_CONNECTED"), v1::Condition::FALSE);
  EXPECT_OK(client_.GetImage(kImageId));
  EXPECT_THAT(ApplyBriefly(), Fails(absl::StatusCode::kUnavailable, "LIBVIRT_UNAVAILABLE"));
  const auto shown = client_.GetVm(kVmUuid);
  ASSERT_OK(shown);
  EXPECT_EQ(shown->status().power_state(), v1::POWER_STATE_UNSPECIFIED) << "nobody can know";
  agent_.hypervisor().SetHealth(absl::OkStatus());
  AwaitServing(true);
  AwaitRunning();
}

TEST_F(DegradedTest, ItsStopEndsCallsThatWaitAndImportsThatRun) {
  agent_.hypervisor().SetHealth(kLibvirtAway);
  std::thread waiting([this] { EXPECT_FALSE(client_.ApplyVm(GuideVm()).ok()); });
  grpc::ClientContext context;
  v1::Operation ignored;
  const auto writer = client_.images->Import(&context, &ignored);
  v1::ImportImageRequest header;
  header.mutable_header()->set_id("half");
  header.mutable_header()->set_size_bytes(1 << 20);
  ASSERT_TRUE(writer->Write(header));
  writer->WaitForInitialMetadata();
  // The wish is stored once it can be read.
  while (!client_.GetVm(kVmUuid).ok()) std::this_thread::yield();
  agent_.server().Stop(absl::Milliseconds(100));
  waiting.join();
  EXPECT_FALSE(writer->Finish().ok());
  EXPECT_FALSE(agent_.block().GetImage({"images", "", "half"}).ok());
  EXPECT_EQ(agent_.block().ListImages("images", "", 10)->size(), 1u) << "only the golden one";
}

}  // namespace
}  // namespace hvagent
