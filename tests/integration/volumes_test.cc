// Volumes through the API and agentctl, with what a user can get wrong. On the memory backends;
// volumes_on_lab has the same on Ceph.
#include <unistd.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agentctl/cli.h"
#include "agentctl/run.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hvagent/v1/volume_service.grpc.pb.h"
#include "tests/integration/api_client.h"
#include "tests/integration/memory_agent.h"
#include "tests/support/status_matchers.h"

namespace hvagent {
namespace {

using ::hvagent::agentctl::ExitCode;
using ::hvagent::testing::ApiClient;
using ::hvagent::testing::Fails;
using ::hvagent::testing::MemoryAgent;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Stub = v1::VolumeService::Stub;

constexpr char kId[] = "11111111-0414-4b58-9924-af681091be09";
constexpr char kOther[] = "22222222-0414-4b58-9924-af681091be09";
constexpr char kSnapshot[] = "33333333-0414-4b58-9924-af681091be09";

struct CommandResult {
  ExitCode exit = ExitCode::kDone;
  std::string out;
  std::string err;
};

class VolumesTest : public ::testing::Test {
 protected:
  VolumesTest() {
    const block::SnapshotName golden = {{"images", "", "jammy"}, "snap"};
    EXPECT_OK(agent_.block().CreateImage(golden.image, MiB(40), MiB(8)));
    EXPECT_OK(agent_.block().CreateProtectedSnapshot(golden));
    config_ = absl::StrCat(::testing::TempDir(), "/", getpid(), ".agentctl.yaml");
    std::ofstream(config_) << "nodes:\n- {name: compute-1, address: \"" << agent_.address()
                           << "\"}\n";
  }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const Request& request) {
    return ApiClient::Call(*volumes_, method, request);
  }

  CommandResult Run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--config", config_});
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    CommandResult result;
    result.exit = agentctl::Run(arguments, {in, out, err});
    result.out = out.str();
    result.err = err.str();
    return result;
  }
  void Expect(ExitCode exit, const std::string& said, const std::vector<std::string>& arguments) {
    const CommandResult result = Run(arguments);
    EXPECT_EQ(result.exit, exit) << result.out << result.err;
    EXPECT_THAT(result.out + result.err, HasSubstr(said));
  }

  std::vector<std::string> Pool() { return *agent_.block().ListImages("volumes", "", 100); }

  MemoryAgent agent_;
  ApiClient client_{agent_.channel()};
  std::unique_ptr<Stub> volumes_ = v1::VolumeService::NewStub(agent_.channel());
  std::string config_;
};

v1::CreateVolumeRequest CreateRequest(const std::string& id, uint32_t size_gib) {
  v1::CreateVolumeRequest request;
  request.set_id(id);
  request.set_size_gib(size_gib);
  return request;
}

TEST_F(VolumesTest, AVolumesLifeThroughTheApi) {
  v1::CreateVolumeRequest create = CreateRequest(kId, 1);
  create.mutable_source()->set_image_id("jammy");
  ASSERT_OK(Call(&Stub::Create, create));
  v1::ResizeVolumeRequest resize;
  resize.set_id(kId);
  resize.set_size_gib(2);
  EXPECT_EQ(Call(&Stub::Resize, resize)->size_bytes(), GiB(2).count());
  v1::CreateVolumeSnapshotRequest snapshot;
  snapshot.set_volume_id(kId);
  snapshot.set_snapshot_id(kSnapshot);
  EXPECT_TRUE(Call(&Stub::CreateSnapshot, snapshot)->protected_());

  v1::DeleteVolumeSnapshotRequest unsnapshot;
  unsnapshot.set_volume_id(kId);
  unsnapshot.set_snapshot_id(kSnapshot);
  unsnapshot.set_request_id("one");
  EXPECT_OK(Call(&Stub::DeleteSnapshot, unsnapshot));
  EXPECT_OK(Call(&Stub::DeleteSnapshot, unsnapshot)) << "the same request again";
  v1::DeleteVolumeRequest remove;
  remove.set_id(kId);
  remove.set_request_id("two");
  EXPECT_OK(Call(&Stub::Delete, remove));
  EXPECT_OK(Call(&Stub::Delete, remove)) << "the same request again";
  remove.set_request_id("three");
  EXPECT_THAT(Call(&Stub::Delete, remove), Fails(absl::StatusCode::kNotFound, "VOLUME_NOT_FOUND"));
  EXPECT_THAT(Pool(), IsEmpty());
}

TEST_F(VolumesTest, PagesFollowOneAnother) {
  for (const char* id : {kId, kOther, kSnapshot})
    ASSERT_OK(Call(&Stub::Create, CreateRequest(id, 1)));
  v1::ListVolumesRequest request;
  request.set_page_size(2);
  const auto first = Call(&Stub::List, request);
  ASSERT_OK(first);
  EXPECT_EQ(first->volumes_size(), 2);
  request.set_page_token(first->next_page_token());
  const auto second = Call(&Stub::List, request);
  ASSERT_OK(second);
  ASSERT_EQ(second->volumes_size(), 1);
  EXPECT_EQ(second->volumes(0).id(), kSnapshot);
  EXPECT_EQ(second->next_page_token(), "");
}

TEST_F(VolumesTest, CephAwayIsSaidAndNothingIsMade) {
  agent_.block().SetHealth(
      Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE", "not connected"));
  EXPECT_THAT(Call(&Stub::Create, CreateRequest(kId, 1)),
              Fails(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE"));
  agent_.block().SetHealth(absl::OkStatus());
  EXPECT_THAT(Pool(), IsEmpty());
}

TEST_F(VolumesTest, EveryCommandOfAgentctl) {
  const std::string place = absl::StrCat(kId, "@", kSnapshot);
  Expect(ExitCode::kDone, kId,
         {"volume", "create", "--id", kId, "--size-gib", "1", "--image", "jammy"});
  Expect(ExitCode::kDone, "2 GiB", {"volume", "resize", kId, "--size-gib", "2"});
  Expect(ExitCode::kDone, kSnapshot, {"volume", "snapshot", "create", kId, "--id", kSnapshot});
  Expect(ExitCode::kDone, "images/jammy@snap", {"volume", "list"});
  Expect(ExitCode::kDone, "\"size_bytes\": \"2147483648\"", {"volume", "get", kId, "-o", "json"});
  Expect(ExitCode::kDone, absl::StrCat("volume/", kId), {"get", "volume", "-o", "name"});
  Expect(ExitCode::kDone, "2 GiB",
         {"volume", "create", "--id", kOther, "--size-gib", "2", "--snapshot", place});
  Expect(ExitCode::kDone, absl::StrCat("volumes/volume-", kOther),
         {"volume", "snapshot", "list", kId});
  Expect(ExitCode::kDone, "", {"volume", "delete", kOther, "--yes"});
  Expect(ExitCode::kDone, "volume/",
         {"volume", "create", "--id", kOther, "--size-gib", "3", "--volume", kId, "-o", "name"});
  Expect(ExitCode::kDone, "", {"volume", "delete", kOther, "--yes"});
  Expect(ExitCode::kDone, "", {"volume", "snapshot", "delete", place, "--yes"});
  Expect(ExitCode::kDone, "", {"volume", "delete", kId, "--yes"});
  EXPECT_THAT(Pool(), IsEmpty());
}

TEST_F(VolumesTest, DryRunsOfAgentctlChangeNothing) {
  Expect(ExitCode::kDone, kId, {"volume", "create", "--id", kId, "--size-gib", "1", "--dry-run"});
  EXPECT_THAT(Pool(), IsEmpty());
  Expect(ExitCode::kDone, kId, {"volume", "create", "--id", kId, "--size-gib", "1"});
  Expect(ExitCode::kDone, "2 GiB", {"volume", "resize", kId, "--size-gib", "2", "--dry-run"});
  Expect(ExitCode::kDone, "1 GiB", {"volume", "get", kId});
}

TEST_F(VolumesTest, DryRunsOfDeletionsSayWhatTheyWouldAndChangeNothing) {
  const std::string place = absl::StrCat(kId, "@", kSnapshot);
  Expect(ExitCode::kDone, kId, {"volume", "create", "--id", kId, "--size-gib", "1"});
  Expect(ExitCode::kDone, "", {"volume", "delete", kId, "--dry-run"});
  Expect(ExitCode::kDone, "", {"volume", "snapshot", "create", kId, "--id", kSnapshot});
  Expect(ExitCode::kDone, "", {"volume", "snapshot", "delete", place, "--dry-run"});
  Expect(ExitCode::kFailed, kSnapshot, {"volume", "delete", kId, "--dry-run"});
  Expect(ExitCode::kDone, "0 B", {"volume", "snapshot", "list", kId, "--usage"});
  Expect(ExitCode::kDone, "", {"image", "delete", "jammy", "--dry-run"});
  EXPECT_OK(agent_.block().GetImage({"images", "", "jammy"}));
}

TEST_F(VolumesTest, FlattenedVolumeHasNoParentAndLetsItsImageGo) {
  Expect(ExitCode::kDone, kId,
         {"volume", "create", "--id", kId, "--size-gib", "1", "--image", "jammy"});
  Expect(ExitCode::kFailed, "--flatten or --trash", {"image", "delete", "jammy", "--yes"});
  Expect(ExitCode::kDone, kId, {"volume", "flatten", kId});
  EXPECT_EQ(agent_.block().GetImage({"volumes", "", absl::StrCat("volume-", kId)})->parent,
            std::nullopt);
  Expect(ExitCode::kDone, "", {"image", "delete", "jammy", "--yes"});
  Expect(ExitCode::kFailed, "does not exist", {"volume", "flatten", kOther});
}

TEST_F(VolumesTest, ImageIsDeletedByFlatteningItsClones) {
  Expect(ExitCode::kDone, kId,
         {"volume", "create", "--id", kId, "--size-gib", "1", "--image", "jammy"});
  Expect(ExitCode::kDone, "", {"image", "delete", "jammy", "--flatten", "--dry-run"});
  Expect(ExitCode::kDone, "", {"image", "delete", "jammy", "--flatten", "--yes"});
  EXPECT_TRUE(absl::IsNotFound(agent_.block().GetImage({"images", "", "jammy"}).status()));
  EXPECT_EQ(agent_.block().GetImage({"volumes", "", absl::StrCat("volume-", kId)})->parent,
            std::nullopt);
  Expect(ExitCode::kFailed, "does not exist", {"image", "delete", "jammy", "--flatten", "--yes"});
}

TEST_F(VolumesTest, ImageGoesToTheTrashAndItsClonesLiveOn) {
  Expect(ExitCode::kDone, kId,
         {"volume", "create", "--id", kId, "--size-gib", "1", "--image", "jammy"});
  Expect(ExitCode::kDone, "",
         {"image", "delete", "jammy", "--trash", "--trash-delay", "1h", "--yes"});
  EXPECT_TRUE(absl::IsNotFound(agent_.block().GetImage({"images", "", "jammy"}).status()));
  const auto trash = agent_.block().ListTrash("images", "", 10);
  ASSERT_OK(trash);
  ASSERT_EQ(trash->size(), 1);
  EXPECT_EQ(trash->front().kept_until - trash->front().trashed_at, absl::Hours(1));
  EXPECT_TRUE(
      agent_.block().GetImage({"volumes", "", absl::StrCat("volume-", kId)})->parent_in_trash);
}

TEST_F(VolumesTest, VolumeOnTooManyClonesIsFlattenedByAnOperationThatWaits) {
  std::string before = kId;
  ASSERT_OK(Call(&Stub::Create, CreateRequest(before, 1)));
  for (int depth = 1; depth <= 6; ++depth) {
    v1::CreateVolumeRequest create =
        CreateRequest(absl::StrCat("4444444", depth, "-0414-4b58-9924-af681091be09"), 1);
    create.mutable_source()->set_volume_id(before);
    ASSERT_OK(Call(&Stub::Create, create));
    before = create.id();
    v1::GetOperationRequest request;
    request.set_id(before);
    const auto flatten =
        ApiClient::Call(*client_.operations, &v1::OperationService::Stub::Get, request);
    if (depth <= 5) {
      EXPECT_THAT(flatten, Fails(absl::StatusCode::kNotFound, "OPERATION_NOT_FOUND"));
      continue;
    }
    ASSERT_OK(flatten);
    EXPECT_EQ(flatten->kind(), v1::Operation::VOLUME_FLATTEN);
    EXPECT_EQ(flatten->target(), before);
  }
}

TEST_F(VolumesTest, VolumeOfAVmIsGrownUnderItAndNotDeleted) {
  Expect(ExitCode::kDone, kId, {"volume", "create", "--id", kId, "--size-gib", "1"});
  v1::SyncSecretRequest secret;
  secret.set_entity("client.cinder");
  secret.set_key(hvagent::testing::kTestKey);
  ASSERT_OK(ApiClient::Call(*client_.secrets, &v1::SecretService::Stub::Sync, secret));
  v1::VmSpec spec;
  spec.set_uuid(kOther);
  spec.set_name("web-1");
  spec.set_vcpus(1);
  spec.set_memory_mib(64);
  spec.mutable_root_disk()->set_image("jammy");
  spec.mutable_root_disk()->set_size_gib(1);
  spec.add_volumes()->set_id(kId);
  ASSERT_OK(client_.ApplyVm(spec));

  Expect(ExitCode::kDone, "2 GiB", {"volume", "resize", kId, "--size-gib", "2"});
  EXPECT_EQ(agent_.hypervisor().ToldDiskSize(*Uuid::Parse(kOther), absl::StrCat("volume-", kId)),
            GiB(2).count());
  Expect(ExitCode::kFailed, "web-1", {"volume", "delete", kId, "--yes"});
  Expect(ExitCode::kFailed, "web-1", {"volume", "delete", kId, "--dry-run"});

  spec.set_power_state(v1::STOPPED);
  ASSERT_OK(client_.ApplyVm(spec));
  Expect(ExitCode::kFailed, "web-1", {"volume", "delete", kId, "--yes"});
  ASSERT_OK(client_.DeleteVm(kOther));
  Expect(ExitCode::kDone, "", {"volume", "delete", kId, "--yes"});
}

TEST_F(VolumesTest, WhatAUserCanGetWrongIsOneLineWithItsReason) {
  const std::string place = absl::StrCat(kId, "@", kSnapshot);
  const std::vector<std::string> create = {"volume", "create", "--id", kId, "--size-gib", "1"};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> all = create;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  Expect(ExitCode::kFailed, "images/none", with({"--image", "none"}));
  Expect(ExitCode::kFailed, kOther, with({"--volume", kOther}));
  Expect(ExitCode::kFailed, "does not exist", {"volume", "get", kId});
  EXPECT_THAT(Pool(), IsEmpty());

  ASSERT_EQ(Run(create).exit, ExitCode::kDone);
  Expect(ExitCode::kFailed, "source (blank, not image/jammy)", with({"--image", "jammy"}));
  Expect(ExitCode::kFailed, "no snapshot",
         {"volume", "create", "--size-gib", "1", "--snapshot", place});
  ASSERT_EQ(Run({"volume", "resize", kId, "--size-gib", "3"}).exit, ExitCode::kDone);
  Expect(ExitCode::kFailed, "only grow", {"volume", "resize", kId, "--size-gib", "2"});
  Expect(ExitCode::kFailed, "smaller than volume/",
         {"volume", "create", "--size-gib", "1", "--volume", kId});
  ASSERT_EQ(Run({"volume", "snapshot", "create", kId, "--id", kSnapshot}).exit, ExitCode::kDone);
  Expect(ExitCode::kFailed, kSnapshot, {"volume", "delete", kId, "--yes"});
  ASSERT_EQ(Run({"volume", "create", "--id", kOther, "--size-gib", "3", "--snapshot", place}).exit,
            ExitCode::kDone);
  Expect(ExitCode::kFailed, absl::StrCat("volumes/volume-", kOther),
         {"volume", "snapshot", "delete", place, "--yes"});

  // Wrong usage, found before any agent is asked.
  Expect(ExitCode::kUsage, "--yes", {"volume", "delete", kId});
  Expect(ExitCode::kUsage, "--all", {"volume", "list", "--all"});
  Expect(ExitCode::kUsage, "excludes", with({"--image", "jammy", "--volume", kOther}));
  Expect(ExitCode::kUsage, "VOLUME@SNAP", {"volume", "snapshot", "delete", kId, "--yes"});
  Expect(ExitCode::kUsage, "--id", {"volume", "create", "--id", "x/y", "--size-gib", "1"});
  Expect(ExitCode::kUsage, "--size-gib", {"volume", "create", "--size-gib", "0"});
  Expect(ExitCode::kUsage, "--dry-run", {"volume", "list", "--dry-run"});
  EXPECT_THAT(Pool(), ElementsAre(absl::StrCat("volume-", kId), absl::StrCat("volume-", kOther)));
}

}  // namespace
}  // namespace hvagent
