// What a controller does: it pushes, watches, and goes on where it was cut off. On the memory
// backends.
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agentctl/errors.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "hvagent/v1/node_service.grpc.pb.h"
#include "tests/integration/api_client.h"
#include "tests/integration/memory_agent.h"
#include "tests/support/status_matchers.h"

namespace hvagent {
namespace {

using ::hvagent::testing::ApiClient;
using ::hvagent::testing::Fails;
using ::hvagent::testing::MemoryAgent;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Stub = v1::NodeService::Stub;

constexpr char kVm[] = "65bd684f-0414-4b58-9924-af681091be09";
constexpr char kVolume[] = "11111111-0414-4b58-9924-af681091be09";

// One WatchState call.
class Watch {
 public:
  explicit Watch(Stub& nodes, const v1::WatchStateRequest& from = {})
      : reader_(nodes.WatchState(&context_, from)) {}

  // Reads until `is_it` says so of an event; false when the stream ends before.
  template <typename Predicate>
  bool ReadUntil(Predicate is_it) {
    v1::StateEvent event;
    while (reader_->Read(&event)) {
      position_.set_instance(event.instance());
      position_.set_revision(event.revision());
      if (is_it(event)) return true;
    }
    return false;
  }
  absl::Status End() { return agentctl::FromGrpc(reader_->Finish()); }
  void Cancel() { context_.TryCancel(); }
  const v1::WatchStateRequest& position() const { return position_; }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::StateEvent>> reader_;
  v1::WatchStateRequest position_;
};

bool IsSynced(const v1::StateEvent& event) { return event.synced(); }

class PushTest : public ::testing::Test {
 protected:
  PushTest() : client_(agent_.channel()), nodes_(agent_.channel()) {
    const block::SnapshotName golden = {{"images", "", "jammy"}, "snap"};
    EXPECT_OK(agent_.block().CreateImage(golden.image, MiB(40), MiB(8)));
    EXPECT_OK(agent_.block().CreateProtectedSnapshot(golden));
    EXPECT_OK(agent_.block().CreateImage({"volumes", "", absl::StrCat("volume-", kVolume)}, GiB(1),
                                         MiB(4)));
    v1::SyncSecretRequest secret;
    secret.set_entity("client.cinder");
    secret.set_key(testing::kTestKey);
    EXPECT_OK(ApiClient::Call(*client_.secrets, &v1::SecretService::Stub::Sync, secret));
  }

  static v1::PushStateRequest Full(int64_t generation) {
    v1::PushStateRequest push;
    push.set_kind(v1::PushStateRequest::FULL);
    push.set_controller("cloud-1");
    push.set_term(1);
    push.set_generation(generation);
    push.set_wait(true);
    return push;
  }
  static v1::VmSpec& AddVm(v1::PushStateRequest& push) {
    v1::VmSpec& spec = *push.add_vms()->mutable_spec();
    spec.set_uuid(kVm);
    spec.set_name("web-1");
    spec.set_vcpus(1);
    spec.set_memory_mib(64);
    spec.mutable_root_disk()->set_image("jammy");
    spec.mutable_root_disk()->set_size_gib(1);
    return spec;
  }
  absl::StatusOr<v1::PushStateResponse> Push(const v1::PushStateRequest& push) {
    return ApiClient::Call(nodes_, &Stub::PushState, push);
  }

  MemoryAgent agent_;
  ApiClient client_;
  Stub nodes_;
};

TEST_F(PushTest, APushThatWaitsIsAnsweredWhenItsVmsAreAsTheyShallBe) {
  v1::PushStateRequest push = Full(1);
  AddVm(push);
  const auto pushed = Push(push);
  ASSERT_OK(pushed);
  EXPECT_THAT(pushed->problems(), IsEmpty());
  const auto vm = client_.GetVm(kVm);
  ASSERT_OK(vm);
  EXPECT_EQ(vm->status().power_state(), v1::RUNNING);
  EXPECT_TRUE(vm->status().claimed());
}

TEST_F(PushTest, AVmThatCannotBeMadeHoldsUpNoOther) {
  v1::PushStateRequest push = Full(1);
  AddVm(push);
  v1::VmSpec& bad = AddVm(push);
  bad.set_uuid("65bd684f-0414-4b58-9924-af681091be10");
  bad.set_name("web-2");
  bad.mutable_root_disk()->set_image("no-such-image");
  const auto pushed = Push(push);
  ASSERT_OK(pushed);
  ASSERT_EQ(pushed->problems_size(), 1);
  EXPECT_EQ(pushed->problems(0).name(), "web-2");
  EXPECT_EQ(pushed->problems(0).reason(), "IMAGE_NOT_FOUND");
  EXPECT_EQ(client_.GetVm(kVm)->status().power_state(), v1::RUNNING);
}

TEST_F(PushTest, WhatNeedsARestartIsAConditionOfTheVm) {
  v1::PushStateRequest push = Full(1);
  AddVm(push);
  ASSERT_OK(Push(push));
  push = Full(2);
  AddVm(push).set_vcpus(2);
  const auto pushed = Push(push);
  ASSERT_OK(pushed);
  EXPECT_EQ(pushed->changes(0).fields(0).consequence(), v1::NEEDS_RESTART);
  const auto vm = client_.GetVm(kVm);
  ASSERT_OK(vm);
  ASSERT_EQ(vm->status().conditions_size(), 2);
  EXPECT_EQ(vm->status().conditions(1).type(), "PENDING_RESTART");
}

v1::SyncSecretRequest& AddSecret(v1::PushStateRequest& push, const char* uuid) {
  v1::SyncSecretRequest& secret = *push.add_secrets();
  secret.set_entity("client.cinder");
  secret.set_key(testing::kTestKey);
  secret.set_uuid(uuid);
  return secret;
}

TEST_F(PushTest, TheSecretsOfAPushAreRightBeforeItsVmsAre) {
  constexpr char kSecret[] = "457eb676-33da-42ec-9a8c-9293d545c337";
  v1::PushStateRequest push = Full(1);
  AddVm(push);
  AddSecret(push, kSecret);
  const auto before = ApiClient::Call(*client_.secrets, &v1::SecretService::Stub::List, {});
  ASSERT_OK(before);
  push.mutable_secrets(0)->set_replaces_uuid(before->secrets(0).uuid());
  push.set_dry_run(true);
  const auto planned = Push(push);
  ASSERT_OK(planned);
  ASSERT_EQ(planned->secrets_size(), 1);
  EXPECT_GT(planned->secrets(0).actions_size(), 0);
  EXPECT_THAT(client_.GetVm(kVm), Fails(absl::StatusCode::kNotFound, "VM_NOT_FOUND"));
  EXPECT_EQ(
      ApiClient::Call(*client_.secrets, &v1::SecretService::Stub::List, {})->secrets(0).uuid(),
      before->secrets(0).uuid());

  push.set_dry_run(false);
  const auto pushed = Push(push);
  ASSERT_OK(pushed);
  EXPECT_EQ(pushed->secrets(0).secret().uuid(), kSecret);
  EXPECT_THAT(pushed->problems(), IsEmpty());
  EXPECT_EQ(client_.GetVm(kVm)->status().power_state(), v1::RUNNING);

  const auto again = Push(push);
  ASSERT_OK(again);
  EXPECT_THAT(again->secrets(0).actions(), IsEmpty());
}

TEST_F(PushTest, ASecretThatCannotBeSyncedRefusesThePush) {
  v1::PushStateRequest push = Full(1);
  AddVm(push);
  AddSecret(push, "not-a-uuid");
  const auto malformed = Push(push);
  EXPECT_EQ(malformed.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(malformed.status().message()), HasSubstr("secrets[0].uuid"));
  push.mutable_secrets(0)->set_uuid("");
  push.mutable_secrets(0)->set_key("AQBf+wJrXmZAFxAAx7NPkAzxDRwZ+XABrA7IPg==");
  EXPECT_THAT(Push(push), Fails(absl::StatusCode::kUnauthenticated, "CEPH_KEY_REFUSED"));
  EXPECT_THAT(client_.GetVm(kVm), Fails(absl::StatusCode::kNotFound, "VM_NOT_FOUND"));
}

TEST_F(PushTest, AVolumeIsAttachedAndDetachedByTheApi) {
  v1::PushStateRequest push = Full(1);
  AddVm(push);
  ASSERT_OK(Push(push));
  v1::AttachVolumeRequest attach;
  attach.set_id("web-1");
  attach.mutable_volume()->set_id(kVolume);
  attach.set_wait(true);
  attach.mutable_volume()->set_serial("spaces are not allowed");
  const auto refused = ApiClient::Call(*client_.vms, &v1::VmService::Stub::AttachVolume, attach);
  EXPECT_EQ(ErrorField(refused.status()), "volume.serial");
  attach.mutable_volume()->clear_serial();
  for (int times = 0; times < 2; ++times) {
    const auto vm = ApiClient::Call(*client_.vms, &v1::VmService::Stub::AttachVolume, attach);
    ASSERT_OK(vm);
    EXPECT_EQ(vm->generation(), 2) << "the same again changes nothing";
    EXPECT_EQ(vm->spec().volumes_size(), 1);
  }
  v1::DetachVolumeRequest detach;
  detach.set_id("web-1");
  detach.set_volume_id(kVolume);
  detach.set_wait(true);
  const auto vm = ApiClient::Call(*client_.vms, &v1::VmService::Stub::DetachVolume, detach);
  ASSERT_OK(vm);
  EXPECT_THAT(vm->spec().volumes(), IsEmpty());
}

TEST_F(PushTest, AVolumeThatSomebodyElseHasOpenIsNotGivenToAGuest) {
  agent_.block().AddWatcher({"volumes", "", absl::StrCat("volume-", kVolume)}, "192.0.2.9:0/7");
  v1::PushStateRequest push = Full(1);
  AddVm(push).add_volumes()->set_id(kVolume);
  push.set_wait(false);
  ASSERT_OK(Push(push));
  Watch watch(nodes_);
  ASSERT_TRUE(watch.ReadUntil([](const v1::StateEvent& event) {
    return event.has_vm() && event.vm().status().conditions(0).reason() == "DISK_IN_USE";
  }));
  EXPECT_NE(client_.GetVm(kVm)->status().power_state(), v1::RUNNING);
}

TEST_F(PushTest, AWatchBeginsWithAllThereIsAndGoesOnWithEachChange) {
  v1::PushStateRequest push = Full(1);
  AddVm(push);
  ASSERT_OK(Push(push));
  Watch watch(nodes_);
  bool listed = false;
  ASSERT_TRUE(watch.ReadUntil([&](const v1::StateEvent& event) {
    listed = listed || event.vm().spec().uuid() == kVm;
    return IsSynced(event);
  }));
  EXPECT_TRUE(listed);

  agent_.hypervisor().PauseDomain(*Uuid::Parse(kVm));
  EXPECT_TRUE(watch.ReadUntil(
      [](const v1::StateEvent& event) { return event.vm().status().power_state() == v1::PAUSED; }));
  push = Full(2);
  push.set_max_deletions(1);
  ASSERT_OK(Push(push));
  EXPECT_TRUE(watch.ReadUntil([](const v1::StateEvent& event) { return event.removed() == kVm; }));
}

TEST_F(PushTest, AWatchThatWasCutOffMissesNothing) {
  Watch first(nodes_);
  ASSERT_TRUE(first.ReadUntil(IsSynced));
  first.Cancel();
  v1::PushStateRequest push = Full(1);
  AddVm(push);
  ASSERT_OK(Push(push));
  Watch second(nodes_, first.position());
  EXPECT_TRUE(second.ReadUntil([](const v1::StateEvent& event) {
    return event.vm().status().power_state() == v1::RUNNING;
  }));
}

// The end of a watch may come at any moment of its work.
TEST_F(PushTest, WatchesComeAndGoWhileVmsChange) {
  v1::PushStateRequest push = Full(1);
  AddVm(push);
  ASSERT_OK(Push(push));
  const Uuid vm = *Uuid::Parse(kVm);
  std::atomic<bool> over = false;
  std::thread changes([&] {
    while (!over) {
      agent_.hypervisor().PauseDomain(vm);
      EXPECT_OK(agent_.hypervisor().ResumeDomain(vm));
    }
  });
  for (int i = 0; i < 200; ++i) {
    Watch watch(nodes_);
    if (i % 2 == 0) {
      EXPECT_TRUE(watch.ReadUntil(IsSynced));
    }
    watch.Cancel();
    EXPECT_EQ(watch.End().code(), absl::StatusCode::kCancelled);
  }
  over = true;
  changes.join();
}

TEST_F(PushTest, AWatchOfAnotherLifeOfTheAgentMustStartOver) {
  v1::WatchStateRequest from;
  from.set_instance("an earlier one");
  from.set_revision(7);
  Watch watch(nodes_, from);
  EXPECT_FALSE(watch.ReadUntil([](const v1::StateEvent&) { return true; }));
  EXPECT_THAT(watch.End(), Fails(absl::StatusCode::kOutOfRange, "REVISION_GONE"));
}

}  // namespace
}  // namespace hvagent
