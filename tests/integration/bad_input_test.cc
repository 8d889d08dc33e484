// What a user, or somebody before him, can get wrong: each is one clear line with the field or the
// object named, the right code, and leaves nothing behind. On the memory backends; cli_test has
// the same on Ceph and libvirt.
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "base/error.h"
#include "base/uuid.h"
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
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const block::SnapshotName kGolden = {{"images", "", kImageId}, "snap"};

class BadInputTest : public ::testing::Test {
 protected:
  BadInputTest() {
    EXPECT_OK(agent_.block().CreateImage(kGolden.image, MiB(40), MiB(8)));
    EXPECT_OK(agent_.block().CreateProtectedSnapshot(kGolden));
    v1::SyncSecretRequest secret;
    secret.set_entity("client.cinder");
    secret.set_key(hvagent::testing::kTestKey);
    EXPECT_OK(ApiClient::Call(*client_.secrets, &v1::SecretService::Stub::Sync, secret));
  }

  void ExpectNothingLeft() {
    EXPECT_THAT(*agent_.block().ListImages("vms", "", 10), IsEmpty());
    EXPECT_THAT(*agent_.hypervisor().ListDomains(), IsEmpty());
  }

  MemoryAgent agent_;
  ApiClient client_{agent_.channel()};
};

// One line, which names `what`.
void ExpectClearLine(const absl::Status& status, const std::string& what) {
  const std::string message(status.message());
  EXPECT_THAT(message, HasSubstr(what));
  EXPECT_THAT(message, Not(HasSubstr("\n")));
}

TEST_F(BadInputTest, AnUnknownImage) {
  v1::VmSpec spec = GuideVm();
  spec.mutable_root_disk()->set_image("no-such-image");
  const auto applied = client_.ApplyVm(spec);
  EXPECT_THAT(applied, Fails(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND"));
  ExpectClearLine(applied.status(), "root_disk.image");
  ExpectClearLine(applied.status(), "images/no-such-image");
  ExpectNothingLeft();

  const auto shown = client_.GetVm(kVmUuid);
  ASSERT_OK(shown);
  EXPECT_EQ(shown->status().conditions(0).reason(), "IMAGE_NOT_FOUND");
  EXPECT_OK(client_.ApplyVm(GuideVm())) << "what never was can be put right";
}

TEST_F(BadInputTest, AnImageWithoutTheSnapshot) {
  ASSERT_OK(agent_.block().RemoveSnapshot(kGolden));
  const auto applied = client_.ApplyVm(GuideVm());
  EXPECT_THAT(applied, Fails(absl::StatusCode::kNotFound, "SNAPSHOT_NOT_FOUND"));
  ExpectClearLine(applied.status(), kGolden.image.ToString());
  ExpectNothingLeft();
}

TEST_F(BadInputTest, ASnapshotThatIsNotProtected) {
  ASSERT_OK(agent_.block().SetProtected(kGolden, false));
  const auto applied = client_.ApplyVm(GuideVm());
  EXPECT_THAT(applied, Fails(absl::StatusCode::kFailedPrecondition, "SNAPSHOT_NOT_PROTECTED"));
  ExpectClearLine(applied.status(), kGolden.ToString());
  ExpectNothingLeft();
}

TEST_F(BadInputTest, ADiskThatIsSmallerThanItsImage) {
  ASSERT_OK(agent_.block().CreateImage({"images", "", "large"}, GiB(2), MiB(8)));
  ASSERT_OK(agent_.block().CreateProtectedSnapshot({{"images", "", "large"}, "snap"}));
  v1::VmSpec spec = GuideVm();
  spec.mutable_root_disk()->set_image("large");
  const auto applied = client_.ApplyVm(spec);
  EXPECT_EQ(applied.status().code(), absl::StatusCode::kInvalidArgument);
  ExpectClearLine(applied.status(), "root_disk.size_gib");
  ExpectNothingLeft();
}

TEST_F(BadInputTest, AVmThatExistsWithAnotherSpec) {
  ASSERT_OK(client_.ApplyVm(GuideVm()));
  v1::VmSpec other = GuideVm();
  other.mutable_root_disk()->set_image("another");
  const auto applied = client_.ApplyVm(other);
  EXPECT_THAT(applied, Fails(absl::StatusCode::kFailedPrecondition, "VM_SPEC_DIFFERS"));
  ExpectClearLine(applied.status(), "root_disk.image");
  EXPECT_EQ(client_.GetVm(kVmUuid)->spec().root_disk().image(), GuideVm().root_disk().image());
}

TEST_F(BadInputTest, TheNameOfAnotherVm) {
  ASSERT_OK(client_.ApplyVm(GuideVm()));
  v1::VmSpec other = GuideVm();
  other.set_uuid(Uuid::Random().ToString());
  const auto applied = client_.ApplyVm(other);
  EXPECT_THAT(applied, Fails(absl::StatusCode::kAlreadyExists, "VM_NAME_TAKEN"));
  ExpectClearLine(applied.status(), GuideVm().name());
  EXPECT_THAT(*agent_.block().ListImages("vms", "", 10), SizeIs(1));
}

class ForeignDomainTest : public BadInputTest {
 protected:
  void AddForeign(const std::string& uuid, const std::string& name) {
    agent_.hypervisor().AddForeignDomain({.uuid = *Uuid::Parse(uuid),
                                          .name = name,
                                          .state = hypervisor::DomainState::kRunning,
                                          .persistent = true},
                                         "<domain type='qemu'><name>" + name + "</name></domain>");
  }
  void ExpectForeignRunsAlone() {
    const auto domains = agent_.hypervisor().ListDomains();
    ASSERT_THAT(*domains, SizeIs(1));
    EXPECT_EQ(domains->front().state, hypervisor::DomainState::kRunning);
    EXPECT_THAT(*agent_.block().ListImages("vms", "", 10), IsEmpty());
  }
};

TEST_F(ForeignDomainTest, OfOurUuidIsNeverTouched) {
  AddForeign(kVmUuid, "legacy");
  const auto applied = client_.ApplyVm(GuideVm());
  EXPECT_THAT(applied, Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_OURS"));
  ExpectClearLine(applied.status(), "legacy");
  ExpectForeignRunsAlone();
  EXPECT_OK(client_.DeleteVm(kVmUuid));
  ExpectForeignRunsAlone();
}

TEST_F(ForeignDomainTest, OfOurNameIsNeverTouched) {
  const std::string holder = Uuid::Random().ToString();
  AddForeign(holder, GuideVm().name());
  const auto applied = client_.ApplyVm(GuideVm());
  EXPECT_THAT(applied, Fails(absl::StatusCode::kAlreadyExists, "DOMAIN_NAME_TAKEN"));
  ExpectClearLine(applied.status(), holder);
  ExpectForeignRunsAlone();
  EXPECT_OK(client_.DeleteVm(kVmUuid));
  ExpectForeignRunsAlone();
}

struct BadField {
  std::string test;
  std::string field;
  std::function<void(v1::VmSpec&)> spoil;
};

class BadFieldTest : public BadInputTest, public ::testing::WithParamInterface<BadField> {};

TEST_P(BadFieldTest, IsNamedAndNothingIsStored) {
  v1::VmSpec spec = GuideVm();
  GetParam().spoil(spec);
  const auto applied = client_.ApplyVm(spec);
  EXPECT_EQ(applied.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorField(applied.status()), GetParam().field);
  ExpectClearLine(applied.status(), GetParam().field);
  EXPECT_LT(applied.status().message().size(), 300u) << "a long value is not echoed whole";
  ExpectNothingLeft();
  const auto vms = ApiClient::Call(*client_.vms, &v1::VmService::Stub::List, v1::ListVmsRequest());
  EXPECT_THAT(vms->vms(), IsEmpty());
}

std::vector<BadField> BadFields() {
  std::vector<BadField> all = {
      {"NoUuid", "spec.uuid", [](auto& spec) { spec.clear_uuid(); }},
      {"NoVcpus", "spec.vcpus", [](auto& spec) { spec.set_vcpus(0); }},
      {"NoMemory", "spec.memory_mib", [](auto& spec) { spec.set_memory_mib(0); }},
      {"NoSize", "spec.root_disk.size_gib",
       [](auto& spec) { spec.mutable_root_disk()->set_size_gib(0); }},
      {"AnotherNode", "spec.node", [](auto& spec) { spec.set_node("compute-9"); }},
  };
  const std::vector<std::pair<std::string, std::string>> names = {
      {"Empty", ""},
      {"Slash", "a/b"},
      {"At", "a@b"},
      {"Colon", "a:b"},
      {"Backslash", "a\\b"},
      {"Newline", "a\nb"},
      {"Escape", "a\x1b[2J"},
      {"Nul", std::string("a\0b", 3)},
      {"Long", std::string(300, 'a')},
  };
  for (const auto& [test, name] : names) {
    all.push_back({"Name" + test, "spec.name", [name = name](auto& spec) { spec.set_name(name); }});
    all.push_back({"Image" + test, "spec.root_disk.image",
                   [name = name](auto& spec) { spec.mutable_root_disk()->set_image(name); }});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Specs, BadFieldTest, ::testing::ValuesIn(BadFields()),
                         [](const auto& test) { return test.param.test; });

TEST_F(BadInputTest, ABadKeyIsRefusedAndNotEchoed) {
  v1::SyncSecretRequest request;
  request.set_entity("client.glance");
  request.set_key("AQBhalfAKey");
  const auto synced = ApiClient::Call(*client_.secrets, &v1::SecretService::Stub::Sync, request);
  EXPECT_EQ(ErrorField(synced.status()), "key");
  EXPECT_THAT(std::string(synced.status().message()), Not(HasSubstr("halfAKey")));
}

TEST_F(BadInputTest, WithoutTheGuestsSecretNothingIsMade) {
  MemoryAgent fresh;
  ASSERT_OK(fresh.block().CreateImage(kGolden.image, MiB(40), MiB(8)));
  ASSERT_OK(fresh.block().CreateProtectedSnapshot(kGolden));
  ApiClient client(fresh.channel());
  const auto applied = client.ApplyVm(GuideVm());
  EXPECT_THAT(applied, Fails(absl::StatusCode::kFailedPrecondition, "SECRET_NOT_SYNCED"));
  ExpectClearLine(applied.status(), "agentctl secret sync");
  EXPECT_THAT(*fresh.hypervisor().ListDomains(), IsEmpty());
}

}  // namespace
}  // namespace hvagent
