#include "tests/contract/block/cluster_keys_contract.h"

#include <algorithm>
#include <latch>
#include <optional>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "tests/support/status_matchers.h"

namespace hvagent::block {
namespace {

using hvagent::testing::Fails;
using secrets::CephKey;
using secrets::SecretClaim;
using ::testing::HasSubstr;
using ::testing::Not;

// Well-formed, of the right type, and no cluster's.
constexpr char kWrongKey[] = "AQBf+wJrXmZAFxAAx7NPkAzxDRwY+XABrA7IPg==";

CephKey WrongKey() { return *secrets::ParseCephKey(kWrongKey); }

// The right key but for one bit of its secret.
CephKey Damaged(const CephKey& key) {
  std::string value(key.value().Reveal());
  value.back() ^= 1;
  return *secrets::ParseCephKey(absl::Base64Escape(value));
}

SecretClaim NewClaim() {
  const Uuid uuid = Uuid::Random();
  return {uuid, absl::StrCat("contract ", uuid.ToString())};
}

auto Refused() { return Fails(absl::StatusCode::kUnauthenticated, "CEPH_KEY_REFUSED"); }
auto NoCaps() { return Fails(absl::StatusCode::kPermissionDenied, "CEPH_CAPS"); }
auto Unavailable() { return Fails(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE"); }
auto Claimed() { return Fails(absl::StatusCode::kAborted, "SECRET_CLAIMED"); }

std::string Message(const absl::Status& status) { return std::string(status.message()); }

}  // namespace

ClusterKeysContract::ClusterKeysContract()
    : entity_(absl::StrCat("client.vm.", Uuid::Random().ToString())), subject_(GetParam()()) {}

ClusterKeysContract::~ClusterKeysContract() {
  if (added_) subject_->RemoveEntity(entity_);
  const auto claim = keys().GetClaim(entity_);
  if (!claim.ok() || !claim->has_value()) return;
  EXPECT_OK(keys().Unclaim(entity_, (*claim)->uuid));
}

const std::string& ClusterKeysContract::AddedEntity() {
  if (!added_) subject_->AddEntity(entity_);
  added_ = true;
  return entity_;
}

TEST_P(ClusterKeysContract, WhatIsFetchedProves) {
  const auto key = keys().Fetch(AddedEntity());
  ASSERT_OK(key);
  EXPECT_OK(keys().Prove(entity_, *key));
  EXPECT_OK(subject().other_node().Prove(entity_, *key));
}

TEST_P(ClusterKeysContract, EveryNodeFetchesTheSameKey) {
  const auto here = keys().Fetch(AddedEntity());
  ASSERT_OK(here);
  const auto there = subject().other_node().Fetch(entity_);
  ASSERT_OK(there);
  EXPECT_TRUE(here->value().Equals(there->value()));
}

TEST_P(ClusterKeysContract, AWrongKeyOfTheRightShapeIsRefusedAndNotQuoted) {
  const auto key = keys().Fetch(AddedEntity());
  ASSERT_OK(key);
  const absl::Status wrong = keys().Prove(entity_, WrongKey());
  EXPECT_THAT(wrong, Refused());
  EXPECT_THAT(Message(wrong), HasSubstr(entity_));
  EXPECT_THAT(wrong.ToString(), Not(HasSubstr(absl::string_view(kWrongKey).substr(0, 8))));
  EXPECT_THAT(keys().Prove(entity_, Damaged(*key)), Refused());
  EXPECT_OK(keys().Prove(entity_, *key)) << "the right one, after them";
}

TEST_P(ClusterKeysContract, TheKeyOfAnotherEntityIsRefused) {
  const auto key = keys().Fetch(AddedEntity());
  ASSERT_OK(key);
  const std::string other = entity_ + ".other";
  subject().AddEntity(other);
  EXPECT_THAT(keys().Prove(other, *key), Refused());
  subject().RemoveEntity(other);
}

TEST_P(ClusterKeysContract, AnEntityThatTheClusterDoesNotKnowIsRefusedAndNotFound) {
  EXPECT_THAT(keys().Prove(entity_, WrongKey()), Refused());
  EXPECT_THAT(keys().Fetch(entity_), Fails(absl::StatusCode::kNotFound, "CEPH_ENTITY_NOT_FOUND"));
}

TEST_P(ClusterKeysContract, AnEntityThatWasMadeAnewHasAnotherKey) {
  const auto old_key = keys().Fetch(AddedEntity());
  ASSERT_OK(old_key);
  subject().RemoveEntity(entity_);
  EXPECT_THAT(keys().Prove(entity_, *old_key), Refused());
  subject().AddEntity(entity_);
  EXPECT_THAT(keys().Prove(entity_, *old_key), Refused());
  const auto new_key = keys().Fetch(entity_);
  ASSERT_OK(new_key);
  EXPECT_OK(keys().Prove(entity_, *new_key));
}

TEST_P(ClusterKeysContract, WithoutCapsOnlyProofsWork) {
  const auto key = keys().Fetch(AddedEntity());
  ASSERT_OK(key);
  const auto agent = subject().WithoutCaps();
  EXPECT_OK(agent->Prove(entity_, *key));
  const auto fetched = agent->Fetch(entity_);
  EXPECT_THAT(fetched, NoCaps());
  EXPECT_THAT(Message(fetched.status()),
              HasSubstr(absl::StrCat("allow command \"auth get-key\" with entity=", entity_)));
  EXPECT_THAT(agent->FingerprintSalt(), NoCaps());
  EXPECT_THAT(agent->GetClaim(entity_), NoCaps());
  EXPECT_THAT(agent->Claim(entity_, NewClaim(), std::nullopt), NoCaps());
  EXPECT_THAT(agent->Unclaim(entity_, Uuid::Random()), NoCaps());
}

TEST_P(ClusterKeysContract, OutOfReachIsUnavailableAndSaysNothingOfAnyKey) {
  const auto key = keys().Fetch(AddedEntity());
  ASSERT_OK(key);
  const auto agent = subject().CutOff();
  EXPECT_THAT(agent->Prove(entity_, *key), Unavailable());
  EXPECT_THAT(agent->Prove(entity_, WrongKey()), Unavailable());
  EXPECT_THAT(agent->Fetch(entity_), Unavailable());
  EXPECT_THAT(agent->FingerprintSalt(), Unavailable());
  EXPECT_THAT(agent->GetClaim(entity_), Unavailable());
  EXPECT_THAT(agent->Claim(entity_, NewClaim(), std::nullopt), Unavailable());
  EXPECT_THAT(agent->Unclaim(entity_, Uuid::Random()), Unavailable());
  EXPECT_THAT(*keys().GetClaim(entity_), std::nullopt) << "nothing was changed";
}

TEST_P(ClusterKeysContract, EveryNodeHasTheSameSalt) {
  const auto salt = keys().FingerprintSalt();
  ASSERT_OK(salt);
  EXPECT_EQ(salt->size(), 32u);
  for (secrets::ClusterKeys* node : {&keys(), &subject().other_node()}) {
    const auto again = node->FingerprintSalt();
    ASSERT_OK(again);
    EXPECT_TRUE(again->Equals(*salt));
  }
}

TEST_P(ClusterKeysContract, AClaimStandsForEveryNode) {
  const auto before = keys().GetClaim(entity_);
  ASSERT_OK(before);
  EXPECT_EQ(*before, std::nullopt);

  const SecretClaim wanted{Uuid::Random(), "client.cinder secret = \"é\" {;}"};
  ASSERT_OK(keys().Claim(entity_, wanted, std::nullopt));
  const auto there = subject().other_node().GetClaim(entity_);
  ASSERT_OK(there);
  EXPECT_EQ(*there, wanted);
}

TEST_P(ClusterKeysContract, ToClaimWhatStandsIsNoChange) {
  const SecretClaim wanted = NewClaim();
  ASSERT_OK(keys().Claim(entity_, wanted, std::nullopt));
  EXPECT_OK(subject().other_node().Claim(entity_, wanted, std::nullopt));
  EXPECT_OK(keys().Claim(entity_, wanted, wanted.uuid));
  EXPECT_OK(keys().Claim(entity_, wanted, Uuid::Random()))
      << "as after a replacement that was lost";
  EXPECT_EQ(*keys().GetClaim(entity_), wanted);
}

TEST_P(ClusterKeysContract, AClaimThatStandsIsNotOverwritten) {
  const SecretClaim standing = NewClaim();
  ASSERT_OK(keys().Claim(entity_, standing, std::nullopt));

  const absl::Status second = subject().other_node().Claim(entity_, NewClaim(), std::nullopt);
  EXPECT_THAT(second, Claimed());
  EXPECT_THAT(Message(second), HasSubstr(standing.uuid.ToString()));
  EXPECT_THAT(Message(second), HasSubstr(standing.usage));
  EXPECT_THAT(keys().Claim(entity_, NewClaim(), Uuid::Random()), Claimed());
  EXPECT_THAT(keys().Claim(entity_, {standing.uuid, "other"}, std::nullopt), Claimed());
  EXPECT_EQ(*keys().GetClaim(entity_), standing);
}

TEST_P(ClusterKeysContract, AClaimIsReplacedByWhoNamesTheOneThatStands) {
  const SecretClaim first = NewClaim(), second = NewClaim();
  ASSERT_OK(keys().Claim(entity_, first, std::nullopt));
  EXPECT_OK(subject().other_node().Claim(entity_, second, first.uuid));
  EXPECT_EQ(*keys().GetClaim(entity_), second);
  const SecretClaim renamed{second.uuid, "another usage"};
  EXPECT_OK(keys().Claim(entity_, renamed, second.uuid));
  EXPECT_EQ(*keys().GetClaim(entity_), renamed);
}

TEST_P(ClusterKeysContract, AClaimThatIsNotThereIsNotReplaced) {
  EXPECT_THAT(keys().Claim(entity_, NewClaim(), Uuid::Random()), Claimed());
  EXPECT_EQ(*keys().GetClaim(entity_), std::nullopt);
}

TEST_P(ClusterKeysContract, OnlyTheClaimThatIsNamedIsGivenUp) {
  const SecretClaim standing = NewClaim();
  ASSERT_OK(keys().Claim(entity_, standing, std::nullopt));
  EXPECT_OK(keys().Unclaim(entity_, Uuid::Random()));
  EXPECT_EQ(*keys().GetClaim(entity_), standing);

  EXPECT_OK(subject().other_node().Unclaim(entity_, standing.uuid));
  EXPECT_EQ(*keys().GetClaim(entity_), std::nullopt);
  EXPECT_OK(keys().Unclaim(entity_, standing.uuid)) << "again";
  EXPECT_OK(keys().Claim(entity_, NewClaim(), std::nullopt)) << "it is free";
}

TEST_P(ClusterKeysContract, EachEntityHasAClaimOfItsOwn) {
  const std::string longer = entity_ + ".g2";
  const SecretClaim one = NewClaim(), other = NewClaim();
  ASSERT_OK(keys().Claim(entity_, one, std::nullopt));
  ASSERT_OK(keys().Claim(longer, other, std::nullopt));
  EXPECT_EQ(*keys().GetClaim(entity_), one);
  EXPECT_EQ(*keys().GetClaim(longer), other);
  EXPECT_OK(keys().Unclaim(longer, other.uuid));
  EXPECT_EQ(*keys().GetClaim(entity_), one);
}

// As many operators as threads, on two nodes, at the same moment.
static void ExpectOneWinner(ClusterKeysUnderTest& subject, const std::string& entity,
                            const std::optional<Uuid>& replaces) {
  constexpr int kClaimers = 8;
  std::vector<SecretClaim> wanted(kClaimers);
  for (SecretClaim& claim : wanted) claim = NewClaim();
  std::vector<absl::Status> results(kClaimers);
  std::latch start(kClaimers);
  std::vector<std::thread> claimers;
  for (int i = 0; i < kClaimers; ++i) {
    claimers.emplace_back([&, i] {
      secrets::ClusterKeys& node = i % 2 == 0 ? subject.keys() : subject.other_node();
      start.arrive_and_wait();
      results[i] = node.Claim(entity, wanted[i], replaces);
    });
  }
  for (std::thread& claimer : claimers) claimer.join();

  const auto standing = subject.keys().GetClaim(entity);
  ASSERT_OK(standing);
  for (int i = 0; i < kClaimers; ++i) {
    if (*standing == wanted[i]) {
      EXPECT_OK(results[i]);
    } else {
      EXPECT_THAT(results[i], Claimed());
    }
  }
  EXPECT_EQ(std::count(wanted.begin(), wanted.end(), *standing), 1);
}

TEST_P(ClusterKeysContract, OfManyWhoClaimAtOnceOneWins) {
  ExpectOneWinner(subject(), entity_, std::nullopt);
}

TEST_P(ClusterKeysContract, OfManyWhoReplaceAClaimAtOnceOneWins) {
  const SecretClaim standing = NewClaim();
  ASSERT_OK(keys().Claim(entity_, standing, std::nullopt));
  ExpectOneWinner(subject(), entity_, standing.uuid);
}

}  // namespace hvagent::block
