// What the memory backend adds to the seam: its guests' behaviours and its faults.
#include "agent/hypervisor/memory_hypervisor.h"

#include <future>
#include <optional>
#include <set>
#include <string>

#include "base/error.h"
#include "domain_xml/domain_xml.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/notices.h"
#include "tests/support/status_matchers.h"

namespace hvagent::hypervisor {
namespace {

using hvagent::testing::Fails;
using hvagent::testing::Notices;
using ::testing::HasSubstr;

class MemoryHypervisorTest : public ::testing::Test {
 protected:
  // A VM on vms/disk, whose user is proved by secret_.
  void Define() {
    const auto xml = domain_xml::Render(
        {.uuid = vm_,
         .name = "vm",
         .memory_mib = 64,
         .disks = {{.pool = "vms",
                    .image = "disk",
                    .monitors = {{.name = "192.0.2.1"}},
                    .auth = domain_xml::CephAuth{.username = "cinder", .secret_uuid = secret_},
                    .target = "vda"}},
         .mark = {.agent_node = "node", .generation = 1}});
    ASSERT_OK(xml);
    ASSERT_OK(hypervisor_.DefineDomain(*xml));
  }

  void DefineWithSecret() {
    Define();
    ASSERT_OK(secrets_.Define({.uuid = secret_, .usage = "client.cinder secret"}));
    ASSERT_OK(secrets_.SetValue(secret_, secrets::SecretBytes("key")));
  }

  DomainState State() { return hypervisor_.GetDomain(vm_)->state; }

  const Uuid vm_ = Uuid::Random();
  const Uuid secret_ = Uuid::Random();
  MemoryFaults faults_;
  MemorySecretStore secrets_{&faults_};
  MemoryHypervisor hypervisor_{{.hostname = "node"}, &faults_, &secrets_};
};

TEST_F(MemoryHypervisorTest, GuestNeedsItsSecretWithValue) {
  Define();
  absl::Status status = hypervisor_.StartDomain(vm_);
  EXPECT_THAT(status, Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_START_FAILED"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("no ceph secret"));
  ASSERT_OK(secrets_.Define({.uuid = secret_, .usage = "client.cinder secret"}));
  status = hypervisor_.StartDomain(vm_);
  EXPECT_THAT(status, Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_START_FAILED"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("no value"));
  ASSERT_OK(secrets_.SetValue(secret_, secrets::SecretBytes("key")));
  EXPECT_OK(hypervisor_.StartDomain(vm_));
}

TEST_F(MemoryHypervisorTest, GuestMayUsePrivateSecret) {
  Define();
  ASSERT_OK(secrets_.Define({.uuid = secret_, .usage = "client.cinder", .is_private = true}));
  ASSERT_OK(secrets_.SetValue(secret_, secrets::SecretBytes("key")));
  EXPECT_OK(hypervisor_.StartDomain(vm_));
}

TEST_F(MemoryHypervisorTest, EphemeralSecretIsGoneAfterRestartOfLibvirt) {
  Define();
  ASSERT_OK(secrets_.Define({.uuid = secret_, .usage = "client.cinder", .ephemeral = true}));
  Notices notices;
  secrets_.SetListener(notices.Listener());
  ASSERT_TRUE(notices.Await(std::nullopt)) << "of the definition before";
  secrets_.LoseEphemeral();
  EXPECT_TRUE(notices.Await(std::nullopt));
  secrets_.SetListener(nullptr);
  EXPECT_THAT(secrets_.GetValue(secret_), Fails(absl::StatusCode::kNotFound, "SECRET_NOT_FOUND"));
}

TEST_F(MemoryHypervisorTest, GuestNeedsItsImage) {
  DefineWithSecret();
  std::string opened, opener, closer;
  hypervisor_.SetStorage({.open =
                              [&](const std::string& address, const domain_xml::RbdDisk& disk) {
                                opened = disk.pool + "/" + disk.rados_namespace + "/" + disk.image;
                                opener = address;
                                return absl::NotFoundError("no such image");
                              },
                          .close = [&](const std::string& address) { closer = address; }});
  EXPECT_THAT(hypervisor_.StartDomain(vm_),
              Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_START_FAILED"));
  EXPECT_EQ(opened, "vms//disk");
  EXPECT_EQ(closer, opener);
  EXPECT_EQ(State(), DomainState::kShutOff);
}

TEST_F(MemoryHypervisorTest, EachStartOpensItsDisksAsAnotherClientUntilTheGuestIsGone) {
  DefineWithSecret();
  std::set<std::string> clients, ever;
  hypervisor_.SetStorage({.open =
                              [&](const std::string& address, const domain_xml::RbdDisk& /*disk*/) {
                                clients.insert(address);
                                ever.insert(address);
                                return absl::OkStatus();
                              },
                          .close = [&](const std::string& address) { clients.erase(address); }});
  for (size_t starts = 1; starts <= 2; ++starts) {
    ASSERT_OK(hypervisor_.StartDomainPaused(vm_));
    EXPECT_EQ(clients.size(), 1u);
    EXPECT_EQ(ever.size(), starts);
    starts == 1 ? hypervisor_.CrashDomain(vm_) : (void)hypervisor_.DestroyDomain(vm_);
    EXPECT_TRUE(clients.empty());
  }
}

TEST_F(MemoryHypervisorTest, GuestMayIgnoreThePowerButton) {
  DefineWithSecret();
  ASSERT_OK(hypervisor_.StartDomain(vm_));
  hypervisor_.SetIgnoresPowerButton(vm_, true);
  EXPECT_OK(hypervisor_.ShutdownDomain(vm_));
  EXPECT_EQ(State(), DomainState::kRunning);
  EXPECT_OK(hypervisor_.DestroyDomain(vm_));
  EXPECT_EQ(State(), DomainState::kShutOff);
}

TEST_F(MemoryHypervisorTest, CrashedGuestCanBeStartedAgain) {
  DefineWithSecret();
  ASSERT_OK(hypervisor_.StartDomain(vm_));
  hypervisor_.CrashDomain(vm_);
  EXPECT_EQ(State(), DomainState::kCrashed);
  EXPECT_OK(hypervisor_.StartDomain(vm_));
  EXPECT_EQ(State(), DomainState::kRunning);
}

TEST_F(MemoryHypervisorTest, KeepsForeignDomainsAsTheyAre) {
  const std::string xml = "<domain type='kvm'><name>theirs</name></domain>";
  hypervisor_.AddForeignDomain(
      {.uuid = vm_, .name = "theirs", .state = DomainState::kRunning, .persistent = false}, xml);
  EXPECT_EQ(*hypervisor_.GetDomainXml(vm_), xml);
  // A transient domain is gone once it stops.
  EXPECT_OK(hypervisor_.DestroyDomain(vm_));
  EXPECT_THAT(hypervisor_.GetDomain(vm_), Fails(absl::StatusCode::kNotFound, "DOMAIN_NOT_FOUND"));
}

TEST_F(MemoryHypervisorTest, LostConnectionFailsCallsAndComesBackWithLookAtAll) {
  DefineWithSecret();
  const absl::Status lost =
      Error(absl::StatusCode::kUnavailable, "LIBVIRT_UNAVAILABLE", "libvirtd is gone");
  hypervisor_.SetHealth(lost);
  EXPECT_EQ(hypervisor_.Health(), lost);
  EXPECT_EQ(hypervisor_.StartDomain(vm_), lost);
  EXPECT_EQ(secrets_.List().status(), lost);
  std::promise<void> looked_at_all;
  bool told = false;
  hypervisor_.SetListener([&](std::optional<Uuid> domain) {
    if (domain.has_value() || told) return;
    told = true;
    looked_at_all.set_value();
  });
  hypervisor_.SetHealth(absl::OkStatus());
  looked_at_all.get_future().wait();
  hypervisor_.SetListener(nullptr);
  EXPECT_OK(hypervisor_.Health());
  EXPECT_EQ(State(), DomainState::kShutOff);
}

TEST_F(MemoryHypervisorTest, FailsTheNthCallWithOrWithoutItsEffect) {
  DefineWithSecret();
  const absl::Status timeout =
      Error(absl::StatusCode::kDeadlineExceeded, "LIBVIRT_TIMEOUT", "no answer");
  faults_.FailCall(2, timeout);
  faults_.FailCall(4, timeout, MemoryFaults::Effect::kDone);
  EXPECT_OK(hypervisor_.GetDomain(vm_));             // 1
  EXPECT_EQ(hypervisor_.StartDomain(vm_), timeout);  // 2
  EXPECT_EQ(State(), DomainState::kShutOff);         // 3
  EXPECT_EQ(hypervisor_.StartDomain(vm_), timeout);  // 4
  EXPECT_EQ(State(), DomainState::kRunning);         // 5
}

}  // namespace
}  // namespace hvagent::hypervisor
