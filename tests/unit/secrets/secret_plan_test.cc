#include "secrets/secret_plan.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hvagent::secrets {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Kind = SecretStep::Kind;

Uuid MakeUuid(absl::string_view text) { return Uuid::Parse(text).value(); }

const SecretRecord kDesired = {.uuid = MakeUuid("4810c760-dc42-4e5f-9d41-7346db7d7da2"),
                               .usage = "client.cinder secret"};
const SecretRecord kUnrelated = {.uuid = MakeUuid("11111111-dc42-4e5f-9d41-7346db7d7da2"),
                                 .usage = "client.glance secret"};
const SecretRecord kSameUsage = {.uuid = MakeUuid("22222222-dc42-4e5f-9d41-7346db7d7da2"),
                                 .usage = kDesired.usage};
const SecretRecord kSameUuid = {.uuid = kDesired.uuid, .usage = "an older name"};

std::vector<Kind> Kinds(const std::vector<SecretStep>& steps) {
  std::vector<Kind> kinds;
  for (const SecretStep& step : steps) kinds.push_back(step.kind);
  return kinds;
}

std::vector<SecretStep> Plan(const SecretObservation& observed, bool adopt = false) {
  auto steps = PlanSecret(kDesired, observed, adopt);
  EXPECT_TRUE(steps.ok()) << steps.status();
  return steps.ok() ? *std::move(steps) : std::vector<SecretStep>();
}

TEST(PlanSecretTest, MakesWhatIsNotThere) {
  EXPECT_THAT(Kinds(Plan({.present = {kUnrelated}})), ElementsAre(Kind::kDefine, Kind::kSetValue));
}

TEST(PlanSecretTest, DoesNothingWhenAllIsRight) {
  EXPECT_THAT(Plan({.present = {kUnrelated, kDesired}, .value = ValueState::kEqual}), IsEmpty());
}

TEST(PlanSecretTest, SetsAValueThatIsMissingOrWrongOrCannotBeRead) {
  for (const ValueState value :
       {ValueState::kNone, ValueState::kDifferent, ValueState::kUnreadable}) {
    EXPECT_THAT(Kinds(Plan({.present = {kDesired}, .value = value})), ElementsAre(Kind::kSetValue));
  }
}

TEST(PlanSecretTest, MakesARecordThatIsKeptAnotherWayAnew) {
  SecretRecord ephemeral = kDesired;
  ephemeral.ephemeral = true;
  EXPECT_THAT(Kinds(Plan({.present = {ephemeral}, .value = ValueState::kEqual})),
              ElementsAre(Kind::kDefine, Kind::kSetValue));
}

TEST(PlanSecretTest, RefusesToReplaceWhatIsNotOursAndNamesIt) {
  for (const SecretRecord& obstacle : {kSameUsage, kSameUuid}) {
    const auto steps = PlanSecret(kDesired, {.present = {obstacle}}, false);
    EXPECT_EQ(steps.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ErrorReason(steps.status()), "SECRET_CONFLICT");
    EXPECT_THAT(std::string(steps.status().message()), HasSubstr(obstacle.uuid.ToString()));
    EXPECT_THAT(std::string(steps.status().message()), HasSubstr("--adopt"));
  }
}

TEST(PlanSecretTest, RefusesToMoveDomainsThatAreNotOursAndNamesThem) {
  SecretObservation observed = {.present = {kSameUsage}, .ours = {kSameUsage.uuid}};
  observed.domains = {{.uuid = MakeUuid("65bd684f-0414-4b58-9924-af681091be09"),
                       .name = "legacy",
                       .defined_with = {kSameUsage.uuid}}};
  const auto steps = PlanSecret(kDesired, observed, false);
  EXPECT_EQ(ErrorReason(steps.status()), "SECRET_CONFLICT");
  EXPECT_THAT(std::string(steps.status().message()), HasSubstr("domain legacy"));
  EXPECT_TRUE(PlanSecret(kDesired, observed, true).ok());
}

// A node's libvirt as far as secrets go, with one domain for each secret that was there.
class Node {
 public:
  explicit Node(const std::vector<SecretRecord>& present) {
    for (const SecretRecord& record : present) {
      secrets_[record.uuid] = {record, "right"};
      const std::string name = "names " + record.uuid.ToString();
      domains_.push_back({.uuid = Uuid::Random(), .name = name, .defined_with = {record.uuid}});
    }
  }

  SecretObservation Observe() const {
    SecretObservation observed;
    for (const auto& [uuid, secret] : secrets_) observed.present.push_back(secret.record);
    if (const auto it = secrets_.find(kDesired.uuid); it != secrets_.end()) {
      observed.value = it->second.value.empty() ? ValueState::kNone : ValueState::kEqual;
    }
    if (NeedsDomains(kDesired, observed.present)) observed.domains = domains_;
    return observed;
  }

  // Does what libvirt does, and refuses what libvirt refuses.
  void Run(const SecretStep& step) {
    const auto found = secrets_.find(step.record.uuid);
    switch (step.kind) {
      case Kind::kDefine:
        for (const auto& [uuid, secret] : secrets_) {
          ASSERT_EQ(uuid == step.record.uuid, secret.record.usage == step.record.usage)
              << "libvirt refuses this";
        }
        secrets_[step.record.uuid].record = step.record;
        return;
      case Kind::kSetValue:
        ASSERT_NE(found, secrets_.end());
        found->second.value = "right";
        return;
      case Kind::kMoveDomains:
        for (DomainUse& domain : domains_) {
          if (domain.defined_with.contains(step.record.uuid)) domain.defined_with = {step.to};
        }
        return;
      case Kind::kUndefine:
        secrets_.erase(step.record.uuid);
        return;
    }
  }

  // Every domain can start, and there is some secret to start with.
  void ExpectUsable() const {
    bool usable = false;
    for (const auto& [uuid, secret] : secrets_) usable = usable || !secret.value.empty();
    EXPECT_TRUE(usable);
    for (const DomainUse& domain : domains_) {
      for (const Uuid& uuid : domain.defined_with) {
        const auto it = secrets_.find(uuid);
        ASSERT_NE(it, secrets_.end()) << domain.name << " names a secret that is gone";
        EXPECT_FALSE(it->second.value.empty()) << domain.name << " names a secret without a value";
      }
    }
  }

  void ExpectRight(const std::vector<SecretRecord>& others) const {
    std::map<Uuid, SecretRecord> expected = {{kDesired.uuid, kDesired}};
    for (const SecretRecord& record : others) expected[record.uuid] = record;
    std::map<Uuid, SecretRecord> actual;
    for (const auto& [uuid, secret] : secrets_) actual[uuid] = secret.record;
    EXPECT_EQ(actual, expected);
  }

 private:
  struct Secret {
    SecretRecord record;
    std::string value;
  };
  std::map<Uuid, Secret> secrets_;
  std::vector<DomainUse> domains_;
};

class ReplacementTest : public testing::TestWithParam<std::vector<SecretRecord>> {};

// Carries the plan out, is cut off after `steps` of it, and starts over, until all is right.
TEST_P(ReplacementTest, LeavesEveryDomainWithASecretWhereverItIsCutOff) {
  std::vector<SecretRecord> present = GetParam();
  present.push_back(kUnrelated);
  const size_t whole = Plan(Node(present).Observe(), /*adopt=*/true).size();
  for (size_t first_cut = 0; first_cut <= whole; ++first_cut) {
    for (size_t second_cut = 0; second_cut <= whole; ++second_cut) {
      SCOPED_TRACE(testing::Message() << "cut off after " << first_cut << " and " << second_cut);
      Node node(present);
      for (const size_t cut : {first_cut, second_cut, whole}) {
        const std::vector<SecretStep> steps = Plan(node.Observe(), /*adopt=*/true);
        for (size_t i = 0; i < steps.size() && i < cut; ++i) {
          ASSERT_NO_FATAL_FAILURE(node.Run(steps[i]));
          ASSERT_NO_FATAL_FAILURE(node.ExpectUsable());
        }
      }
      EXPECT_THAT(Plan(node.Observe()), IsEmpty());
      node.ExpectRight({kUnrelated});
    }
  }
}

INSTANTIATE_TEST_SUITE_P(PlanSecret, ReplacementTest,
                         testing::Values(std::vector<SecretRecord>{kSameUsage},
                                         std::vector<SecretRecord>{kSameUuid},
                                         // Two that claim one entity.
                                         std::vector<SecretRecord>{kSameUsage, kSameUuid}));

TEST(PlanSecretTest, NamesTheDomainsThatItMovesThereAndBack) {
  SecretObservation observed = {.present = {kSameUsage}, .ours = {kSameUsage.uuid}};
  observed.domains = {{.uuid = MakeUuid("65bd684f-0414-4b58-9924-af681091be09"),
                       .name = "web",
                       .is_ours = true,
                       .defined_with = {kSameUsage.uuid}},
                      {.uuid = MakeUuid("75bd684f-0414-4b58-9924-af681091be09"),
                       .name = "other",
                       .is_ours = true,
                       .defined_with = {kUnrelated.uuid}}};
  const std::vector<SecretStep> steps = Plan(observed);
  EXPECT_THAT(Kinds(steps),
              ElementsAre(Kind::kDefine, Kind::kSetValue, Kind::kMoveDomains, Kind::kUndefine,
                          Kind::kDefine, Kind::kSetValue, Kind::kMoveDomains, Kind::kUndefine));
  EXPECT_THAT(steps[2].domains, ElementsAre("web"));
  EXPECT_EQ(steps[2].to, SpareOf(kDesired).uuid);
  EXPECT_THAT(steps[6].domains, ElementsAre("web"));
  EXPECT_EQ(steps[6].to, kDesired.uuid);
}

}  // namespace
}  // namespace hvagent::secrets
