#include "tests/contract/keeper/keeper_contract.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "domain_xml/domain_xml.h"
#include "domain_xml/secret_use.h"
#include "gmock/gmock.h"
#include "tests/support/status_matchers.h"

namespace hvagent::keeper {
namespace {

using hvagent::testing::Fails;
using hvagent::testing::IsOk;
using secrets::CephKey;
using secrets::SecretBytes;
using secrets::SecretRecord;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kFsid[] = "d82f0b96-6a69-4f7f-9d79-73d5bac7dd6c";
constexpr char kEntity[] = "client.contract";

Uuid MakeUuid(absl::string_view text) { return Uuid::Parse(text).value(); }

const SecretRecord kDesired = {.uuid = MakeUuid("c0ffee00-dc42-4e5f-9d41-7346db7d7da2"),
                               .usage = "contract secret"};
const SecretRecord kSameUsage = {.uuid = MakeUuid("c0ffee01-dc42-4e5f-9d41-7346db7d7da2"),
                                 .usage = kDesired.usage};
const SecretRecord kSameUuid = {.uuid = kDesired.uuid, .usage = "contract secret, older"};

CephKey MakeKey(char fill) {
  const std::string header("\x01\0\x5d\x5c\x5b\x5a\x07\0\0\0\x10\0", 12);
  return secrets::ParseCephKey(absl::Base64Escape(absl::StrCat(header, std::string(16, fill))))
      .value();
}

SecretWish Wish() { return {.entity = kEntity, .uuid = kDesired.uuid, .usage = kDesired.usage}; }

SecretWish Adopting() {
  SecretWish wish = Wish();
  wish.adopt = true;
  return wish;
}

bool IsOfThisContract(const SecretRecord& record) {
  return absl::StrContains(record.usage, "contract");
}

void Empty(secrets::SecretStore& store) {
  const std::vector<SecretRecord> records = store.List().value();
  for (const SecretRecord& record : records) {
    if (IsOfThisContract(record)) {
      EXPECT_OK(store.Undefine(record.uuid));
    }
  }
}

}  // namespace

KeeperContract::KeeperContract()
    : libvirt_(GetParam()()),
      cluster_(std::make_shared<block::MemoryCluster>(kFsid)),
      keys_(cluster_),
      block_(kFsid, {{.name = "a", .addresses = {{.host = "10.0.0.1", .port = 3300}}}}),
      state_(state::StateStore::Open(":memory:").value()),
      keeper_(StartKeeper()) {
  Empty(libvirt_->store());
  cluster_->SetKey(kEntity, MakeKey('r'));
}

KeeperContract::~KeeperContract() {
  for (const Uuid& uuid : domains_) EXPECT_OK(libvirt_->hypervisor().UndefineDomain(uuid));
  Empty(libvirt_->store());
}

std::unique_ptr<SecretKeeper> KeeperContract::StartKeeper() {
  return std::make_unique<SecretKeeper>(
      KeeperParts{store_, keys_, block_, libvirt_->hypervisor(), *state_, SystemClock()},
      secrets::Sealer::FromBytes(SecretBytes(std::string(32, 's'))));
}

void KeeperContract::DefineDomain(const std::string& name, const Uuid& secret) {
  domain_xml::DomainSpec spec;
  spec.uuid = Uuid::Random();
  spec.name = name;
  spec.memory_mib = 64;
  spec.disks = {{.pool = "vms",
                 .image = spec.uuid.ToString() + "_disk",
                 .monitors = {{"10.0.0.1", 3300}},
                 .auth = domain_xml::CephAuth{"contract", secret},
                 .target = "vda"}};
  spec.mark = {.agent_node = "compute-1", .generation = 1};
  const auto xml = domain_xml::Render(spec);
  ASSERT_OK(xml);
  ASSERT_OK(libvirt_->hypervisor().DefineDomain(*xml));
  domains_.push_back(spec.uuid);
}

Uuid KeeperContract::NamedBy(const std::string& name) {
  const auto domain = libvirt_->hypervisor().GetDomainByName(name);
  const auto xml = libvirt_->hypervisor().GetDomainXml(domain.value().uuid);
  return domain_xml::SecretUses(xml.value()).value().at(0).uuid.value();
}

void KeeperContract::ExpectRight(const SecretRecord& record, const CephKey& key) {
  const std::vector<SecretRecord> records = libvirt_->store().List().value();
  for (const SecretRecord& present : records) {
    if (IsOfThisContract(present)) {
      EXPECT_EQ(present, record) << present.usage;
    }
  }
  const auto value = libvirt_->store().GetValue(record.uuid);
  ASSERT_OK(value);
  EXPECT_TRUE(value->Equals(key.value()));
}

TEST_P(KeeperContract, MakesASecretThatIsNotThereAndThenWritesNothingMore) {
  ASSERT_OK(keeper_->Sync(Wish(), MakeKey('r')));
  ExpectRight(kDesired, MakeKey('r'));

  const int writes = store_.writes();
  const auto again = keeper_->Sync(Wish(), MakeKey('r'));
  ASSERT_OK(again);
  EXPECT_THAT(again->steps, IsEmpty());
  EXPECT_OK(keeper_->KeepAll(/*doubt_private=*/true));
  EXPECT_EQ(store_.writes(), writes);
}

TEST_P(KeeperContract, ADryRunSaysWhatIsToBeDoneAndDoesNothing) {
  SecretWish wish = Wish();
  wish.dry_run = true;
  const auto plan = keeper_->Sync(wish, MakeKey('r'));
  ASSERT_OK(plan);
  EXPECT_EQ(plan->steps.size(), 2u);
  EXPECT_FALSE(plan->has_value);
  EXPECT_EQ(store_.writes(), 0);
  EXPECT_EQ(cluster_->GetClaim(kEntity), std::nullopt);
  EXPECT_EQ(state_->GetSecret(kEntity).value(), std::nullopt);
}

TEST_P(KeeperContract, GivesAValueToOneThatACrashLeftWithout) {
  ASSERT_OK(libvirt_->store().Define(kDesired));
  ASSERT_OK(keeper_->Sync(Wish(), MakeKey('r')));
  ExpectRight(kDesired, MakeKey('r'));
}

TEST_P(KeeperContract, ReplacesAWrongValue) {
  ASSERT_OK(libvirt_->store().Define(kDesired));
  ASSERT_OK(libvirt_->store().SetValue(kDesired.uuid, MakeKey('w').value()));
  ASSERT_OK(keeper_->Sync(Wish(), MakeKey('r')));
  ExpectRight(kDesired, MakeKey('r'));
}

TEST_P(KeeperContract, AKeyThatCephRefusesReplacesNothing) {
  ASSERT_OK(keeper_->Sync(Wish(), MakeKey('r')));
  EXPECT_THAT(keeper_->Sync(Wish(), MakeKey('w')),
              Fails(absl::StatusCode::kUnauthenticated, "CEPH_KEY_REFUSED"));
  ExpectRight(kDesired, MakeKey('r'));
  EXPECT_OK(keeper_->KeepAll(/*doubt_private=*/true));
  ExpectRight(kDesired, MakeKey('r'));
}

TEST_P(KeeperContract, WhileCephIsAwayNothingIsChanged) {
  keys_.faults().SetHealth(absl::UnavailableError("no monitor"));
  EXPECT_EQ(keeper_->Sync(Wish(), MakeKey('r')).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(store_.writes(), 0);
  EXPECT_EQ(state_->GetSecret(kEntity).value(), std::nullopt);
}

// The guide's failure: the cephx user's key is there, under another UUID.
TEST_P(KeeperContract, NamesWhatIsInTheWayAndReplacesItWhenTold) {
  for (const std::vector<SecretRecord>& obstacles :
       {std::vector<SecretRecord>{kSameUsage}, {kSameUuid}, {kSameUsage, kSameUuid}}) {
    Empty(libvirt_->store());
    for (const SecretRecord& obstacle : obstacles) {
      ASSERT_OK(libvirt_->store().Define(obstacle));
      ASSERT_OK(libvirt_->store().SetValue(obstacle.uuid, MakeKey('o').value()));
    }
    const std::string name = absl::StrCat("contract-", Uuid::Random().ToString());
    ASSERT_NO_FATAL_FAILURE(DefineDomain(name, obstacles[0].uuid));

    const int writes = store_.writes();
    const auto refused = keeper_->Sync(Wish(), MakeKey('r'));
    EXPECT_THAT(refused, Fails(absl::StatusCode::kFailedPrecondition, "SECRET_CONFLICT"));
    for (const SecretRecord& obstacle : obstacles) {
      EXPECT_THAT(std::string(refused.status().message()), HasSubstr(obstacle.uuid.ToString()));
    }
    EXPECT_EQ(store_.writes(), writes);

    ASSERT_OK(keeper_->Sync(Adopting(), MakeKey('r')));
    ExpectRight(kDesired, MakeKey('r'));
    EXPECT_EQ(NamedBy(name), kDesired.uuid);
    // For the next round the node knows nothing.
    ASSERT_OK(keeper_->Forget(*state_->GetSecret(kEntity).value()));
  }
}

TEST_P(KeeperContract, AReplacementThatIsCutOffAnywhereIsMadeGoodByTheNextStart) {
  for (int cut = 0;; ++cut) {
    SCOPED_TRACE(::testing::Message() << "cut off before write " << cut);
    ASSERT_LT(cut, 20);
    store_.LoseFrom(-1);
    Empty(libvirt_->store());
    ASSERT_OK(libvirt_->store().Define(kSameUsage));
    ASSERT_OK(libvirt_->store().SetValue(kSameUsage.uuid, MakeKey('o').value()));
    const std::string name = absl::StrCat("contract-", Uuid::Random().ToString());
    ASSERT_NO_FATAL_FAILURE(DefineDomain(name, kSameUsage.uuid));

    store_.LoseFrom(cut);
    const bool whole = keeper_->Sync(Adopting(), MakeKey('r')).ok();
    // The domain can start: what it names has a value.
    EXPECT_OK(libvirt_->store().GetValue(NamedBy(name)));

    store_.LoseFrom(-1);
    keeper_ = StartKeeper();
    ASSERT_OK(keeper_->KeepAll(/*doubt_private=*/true));
    ExpectRight(kDesired, MakeKey('r'));
    EXPECT_EQ(NamedBy(name), kDesired.uuid);
    if (whole) break;
    ASSERT_OK(keeper_->Forget(*state_->GetSecret(kEntity).value()));
  }
}

TEST_P(KeeperContract, WhatWasDoneBehindItsBackIsUndone) {
  ASSERT_OK(keeper_->Sync(Wish(), MakeKey('r')));
  const std::pair<const char*, std::function<void(secrets::SecretStore&)>> kDone[] = {
      {"undefined", [](auto& store) { ASSERT_OK(store.Undefine(kDesired.uuid)); }},
      {"emptied",
       [](auto& store) {
         ASSERT_OK(store.Undefine(kDesired.uuid));
         ASSERT_OK(store.Define(kDesired));
       }},
      {"changed",
       [](auto& store) { ASSERT_OK(store.SetValue(kDesired.uuid, MakeKey('w').value())); }},
  };
  int64_t repairs = 0;
  for (const auto& [what, act] : kDone) {
    SCOPED_TRACE(what);
    ASSERT_NO_FATAL_FAILURE(act(libvirt_->store()));
    // Ceph is not needed for it.
    keys_.faults().SetHealth(absl::UnavailableError("no monitor"));
    EXPECT_OK(keeper_->KeepAll(/*doubt_private=*/false));
    keys_.faults().SetHealth(absl::OkStatus());
    ExpectRight(kDesired, MakeKey('r'));
    EXPECT_EQ(keeper_->repairs(), ++repairs);
    EXPECT_OK(keeper_->Health());
  }
}

TEST_P(KeeperContract, TheUsageInSomebodyElsesHandsIsAProblemThatIsNamed) {
  ASSERT_OK(keeper_->Sync(Wish(), MakeKey('r')));
  ASSERT_OK(libvirt_->store().Undefine(kDesired.uuid));
  ASSERT_OK(libvirt_->store().Define(kSameUsage));
  EXPECT_THAT(keeper_->KeepAll(/*doubt_private=*/false),
              Fails(absl::StatusCode::kFailedPrecondition, "SECRET_CONFLICT"));
  EXPECT_THAT(keeper_->Health(), Fails(absl::StatusCode::kFailedPrecondition, "SECRET_CONFLICT"));
}

TEST_P(KeeperContract, TheOperatorsUuidReplacesTheClaimThatWasSeenAndOtherNodesFollow) {
  ASSERT_OK(keeper_->Sync({.entity = kEntity, .usage = kDesired.usage}, MakeKey('r')));
  const Uuid derived = state_->GetSecret(kEntity).value()->uuid;
  EXPECT_NE(derived, kDesired.uuid);
  const std::string name = absl::StrCat("contract-", Uuid::Random().ToString());
  ASSERT_NO_FATAL_FAILURE(DefineDomain(name, derived));

  EXPECT_THAT(keeper_->Sync(Wish(), MakeKey('r')),
              Fails(absl::StatusCode::kAborted, "SECRET_CLAIMED"));
  // Another node made it so.
  ASSERT_OK(cluster_->Claim(kEntity, {kDesired.uuid, kDesired.usage}, derived));
  ASSERT_OK(keeper_->KeepAll(/*doubt_private=*/false));
  ExpectRight(kDesired, MakeKey('r'));
  EXPECT_EQ(NamedBy(name), kDesired.uuid);
}

TEST_P(KeeperContract, APrivateSecretIsSetOnceAndAgainOnlyInDoubt) {
  SecretWish wish = Wish();
  wish.is_private = true;
  ASSERT_OK(keeper_->Sync(wish, MakeKey('r')));
  const int writes = store_.writes();
  ASSERT_OK(keeper_->Sync(wish, MakeKey('r')));
  ASSERT_OK(keeper_->KeepAll(/*doubt_private=*/false));
  EXPECT_EQ(store_.writes(), writes);
  ASSERT_OK(keeper_->KeepAll(/*doubt_private=*/true));
  EXPECT_EQ(store_.writes(), writes + 1);
  // It can be made readable again, over a spare.
  ASSERT_OK(keeper_->Sync(Wish(), MakeKey('r')));
  ExpectRight(kDesired, MakeKey('r'));
}

TEST_P(KeeperContract, AnEphemeralSecretIsThereBeforeAStart) {
  SecretWish wish = Wish();
  wish.ephemeral = true;
  ASSERT_OK(keeper_->Sync(wish, MakeKey('r')));
  ASSERT_OK(libvirt_->store().Undefine(kDesired.uuid));  // as a restart of libvirtd does
  ASSERT_OK(keeper_->KeepForStart(kEntity));
  SecretRecord ephemeral = kDesired;
  ephemeral.ephemeral = true;
  ExpectRight(ephemeral, MakeKey('r'));
}

TEST_P(KeeperContract, TwoEntitiesDoNotShareASecret) {
  ASSERT_OK(keeper_->Sync(Wish(), MakeKey('r')));
  cluster_->SetKey("client.other", MakeKey('p'));
  SecretWish other = Adopting();
  other.entity = "client.other";
  EXPECT_THAT(keeper_->Sync(other, MakeKey('p')),
              Fails(absl::StatusCode::kFailedPrecondition, "SECRET_CONFLICT"));
  ExpectRight(kDesired, MakeKey('r'));
}

TEST_P(KeeperContract, AStateSealedUnderAnotherKeyIsToldAndNothingIsWritten) {
  ASSERT_OK(keeper_->Sync(Wish(), MakeKey('r')));
  SecretKeeper stranger(
      KeeperParts{store_, keys_, block_, libvirt_->hypervisor(), *state_, SystemClock()},
      secrets::Sealer::FromBytes(SecretBytes(std::string(32, 't'))));
  const int writes = store_.writes();
  EXPECT_THAT(stranger.KeepAll(/*doubt_private=*/true),
              Fails(absl::StatusCode::kDataLoss, "SEAL_BROKEN"));
  EXPECT_EQ(store_.writes(), writes);
}

}  // namespace hvagent::keeper
