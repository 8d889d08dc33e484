#include "tests/contract/hypervisor/hypervisor_contract.h"

#include <unistd.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "domain_xml/secret_use.h"
#include "gmock/gmock.h"
#include "tests/support/status_matchers.h"

namespace hvagent::hypervisor {

using hvagent::testing::Fails;
using hvagent::testing::IsOk;
using hvagent::testing::Notices;
using ::testing::HasSubstr;
using ::testing::Not;

HypervisorContract::HypervisorContract() : subject_(GetParam()()) {}

HypervisorContract::~HypervisorContract() {
  hypervisor().SetListener(nullptr);
  for (const TestDomain& domain : domains_) {
    const auto info = hypervisor().GetDomain(domain.uuid);
    if (absl::IsNotFound(info.status())) continue;
    EXPECT_THAT(hypervisor().DestroyDomain(domain.uuid), IsOk());
    if (info.ok() && !info->persistent) continue;  // It went with its guest.
    EXPECT_THAT(hypervisor().UndefineDomain(domain.uuid), IsOk());
  }
}

HypervisorContract::TestDomain HypervisorContract::NewDomain() {
  static std::atomic<int> count = 0;
  domains_.push_back({Uuid::Random(), absl::StrCat("contract-", getpid(), "-", ++count)});
  return domains_.back();
}

std::string HypervisorContract::Xml(const TestDomain& domain, uint64_t memory_mib) {
  return subject_->DomainXml(domain.uuid, domain.name, memory_mib);
}

HypervisorContract::TestDomain HypervisorContract::DefinedDomain() {
  const TestDomain domain = NewDomain();
  EXPECT_THAT(hypervisor().DefineDomain(Xml(domain)), IsOk());
  return domain;
}

void HypervisorContract::Listen(Notices& notices) {
  hypervisor().SetListener(notices.Listener());
  ASSERT_TRUE(notices.AwaitLookAt(DefinedDomain().uuid));
}

HypervisorContract::TestDomain HypervisorContract::RunningDomain() {
  const TestDomain domain = DefinedDomain();
  EXPECT_THAT(hypervisor().StartDomain(domain.uuid), IsOk());
  return domain;
}

std::string HypervisorContract::XmlWithSecret(const TestDomain& domain, const Uuid& secret,
                                              Maker maker) {
  const char* mark =
      maker == Maker::kUs
          ? "<hvagent:mark xmlns:hvagent='https://hypervisor-agent.org/domain/1' node='node' "
            "generation='1'><hvagent:secret entity='client.cinder' fingerprint='00ff00ff00ff00ff' "
            "generation='1700000000'/></hvagent:mark>"
          : "<nova:instance xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.1'/>";
  return absl::StrCat(
      "<domain type='", subject_->domain_type(), "'><name>", domain.name, "</name><uuid>",
      domain.uuid.ToString(), "</uuid><metadata>", mark,
      "</metadata><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>"
      "<disk type='network' device='disk'><driver name='qemu' type='raw'/>"
      "<auth username='cinder'><secret type='ceph' uuid='",
      secret.ToString(),
      "'/></auth><source protocol='rbd' name='vms/disk'><host name='192.0.2.1'/></source>"
      "<target dev='vda' bus='virtio'/></disk>"
      "<graphics type='vnc' port='-1' autoport='yes' passwd='sesame'/></devices></domain>");
}

std::string HypervisorContract::Definition(const TestDomain& domain) {
  const auto definition = hypervisor().GetDefinition(domain.uuid);
  EXPECT_THAT(definition, IsOk());
  return definition.ok() ? std::string(definition->Reveal()) : "";
}

DomainState HypervisorContract::StateOf(const TestDomain& domain) {
  const auto info = hypervisor().GetDomain(domain.uuid);
  EXPECT_THAT(info, IsOk());
  return info.ok() ? info->state : DomainState::kCrashed;
}

std::vector<DomainInfo> HypervisorContract::List() {
  auto domains = hypervisor().ListDomains();
  EXPECT_THAT(domains, IsOk());
  return domains.ok() ? *std::move(domains) : std::vector<DomainInfo>();
}

namespace {

MATCHER_P4(IsDomain, uuid, name, state, persistent, "") {
  return arg.uuid == uuid && arg.name == name && arg.state == state && arg.persistent == persistent;
}

TEST_P(HypervisorContract, IsHealthyAndDescribesItsHost) {
  EXPECT_THAT(hypervisor().Health(), IsOk());
  const auto host = hypervisor().GetHost();
  ASSERT_THAT(host, IsOk());
  EXPECT_FALSE(host->hostname.empty());
  EXPECT_GT(host->cpus, 0);
  EXPECT_GT(host->memory_mib, 0);
  EXPECT_THAT(host->libvirt_version, ::testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_THAT(host->hypervisor_version, ::testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
}

TEST_P(HypervisorContract, DefinedDomainIsThereAndShutOff) {
  const TestDomain domain = DefinedDomain();
  const auto expected = IsDomain(domain.uuid, domain.name, DomainState::kShutOff, true);
  EXPECT_THAT(List(), ::testing::Contains(expected));
  const auto by_uuid = hypervisor().GetDomain(domain.uuid);
  ASSERT_THAT(by_uuid, IsOk());
  EXPECT_THAT(*by_uuid, expected);
  const auto by_name = hypervisor().GetDomainByName(domain.name);
  ASSERT_THAT(by_name, IsOk());
  EXPECT_THAT(*by_name, expected);
  const auto xml = hypervisor().GetDomainXml(domain.uuid);
  ASSERT_THAT(xml, IsOk());
  EXPECT_THAT(*xml, HasSubstr(domain.uuid.ToString()));
}

TEST_P(HypervisorContract, MissingDomainIsNotFoundByEveryCall) {
  const TestDomain domain = NewDomain();
  const auto not_found = Fails(absl::StatusCode::kNotFound, "DOMAIN_NOT_FOUND");
  EXPECT_THAT(hypervisor().GetDomain(domain.uuid), not_found);
  EXPECT_THAT(hypervisor().GetDomainByName(domain.name), not_found);
  EXPECT_THAT(hypervisor().GetDomainXml(domain.uuid), not_found);
  EXPECT_THAT(hypervisor().GetDefinition(domain.uuid), not_found);
  EXPECT_THAT(hypervisor().StartDomain(domain.uuid), not_found);
  EXPECT_THAT(hypervisor().StartDomainPaused(domain.uuid), not_found);
  EXPECT_THAT(hypervisor().ResumeDomain(domain.uuid), not_found);
  EXPECT_THAT(hypervisor().ShutdownDomain(domain.uuid), not_found);
  EXPECT_THAT(hypervisor().RebootDomain(domain.uuid, false), not_found);
  EXPECT_THAT(hypervisor().ResizeDisk(domain.uuid, "volumes", "none", 1 << 20), not_found);
  EXPECT_THAT(hypervisor().FreezeFilesystems(domain.uuid), not_found);
  EXPECT_THAT(hypervisor().ThawFilesystems(domain.uuid), not_found);
  EXPECT_THAT(hypervisor().DestroyDomain(domain.uuid), not_found);
  EXPECT_THAT(hypervisor().UndefineDomain(domain.uuid), not_found);
}

TEST_P(HypervisorContract, DefiningAgainReplacesTheDefinition) {
  const TestDomain domain = DefinedDomain();
  const size_t before = List().size();
  EXPECT_THAT(hypervisor().DefineDomain(Xml(domain)), IsOk());
  EXPECT_THAT(hypervisor().DefineDomain(Xml(domain, 128)), IsOk());
  EXPECT_EQ(List().size(), before);
  EXPECT_THAT(*hypervisor().GetDomainXml(domain.uuid), HasSubstr("131072"));
}

TEST_P(HypervisorContract, RefusesNameOfAnotherDomain) {
  const TestDomain owner = DefinedDomain();
  TestDomain other = NewDomain();
  other.name = owner.name;
  EXPECT_THAT(hypervisor().DefineDomain(Xml(other)),
              Fails(absl::StatusCode::kAlreadyExists, "DOMAIN_NAME_TAKEN"));
  EXPECT_THAT(hypervisor().GetDomain(other.uuid),
              Fails(absl::StatusCode::kNotFound, "DOMAIN_NOT_FOUND"));
}

TEST_P(HypervisorContract, RefusesAnotherNameForUuid) {
  const TestDomain owner = DefinedDomain();
  TestDomain renamed = owner;
  renamed.name += "-renamed";
  EXPECT_THAT(hypervisor().DefineDomain(Xml(renamed)),
              Fails(absl::StatusCode::kAlreadyExists, "DOMAIN_NAME_TAKEN"));
  EXPECT_EQ(hypervisor().GetDomain(owner.uuid)->name, owner.name);
}

TEST_P(HypervisorContract, RefusesWhatIsNoDomain) {
  const size_t before = List().size();
  EXPECT_TRUE(absl::IsInvalidArgument(hypervisor().DefineDomain("")));
  EXPECT_TRUE(absl::IsInvalidArgument(hypervisor().DefineDomain("not XML")));
  EXPECT_TRUE(absl::IsInvalidArgument(hypervisor().DefineDomain("<domain><name>a</name>")));
  EXPECT_TRUE(absl::IsInvalidArgument(hypervisor().DefineDomain("<domain><nme>a</nme></domain>")));
  EXPECT_EQ(List().size(), before);
}

// client.vm.g1 is a cephx user like any other.
TEST_P(HypervisorContract, TakesADiskWhoseUserHasADotInItsName) {
  const std::string disk =
      "<disk type='network' device='disk'><driver name='qemu' type='raw' cache='writeback'/>"
      "<auth username='vm.g1'>"
      "<secret type='ceph' uuid='4810c760-dc42-4e5f-9d41-7346db7d7da2'/></auth>"
      "<source protocol='rbd' name='vms/1_disk'><host name='10.0.0.1' port='3300'/></source>"
      "<target dev='vdz' bus='virtio'/></disk>";
  const TestDomain domain = NewDomain();
  std::string xml = Xml(domain);
  const size_t end_of_devices = xml.find("</devices>");
  if (end_of_devices != std::string::npos) {
    xml.insert(end_of_devices, disk);
  } else {
    xml.insert(xml.find("</domain>"), absl::StrCat("<devices>", disk, "</devices>"));
  }
  ASSERT_THAT(hypervisor().DefineDomain(xml), IsOk());
  const auto defined = hypervisor().GetDomainXml(domain.uuid);
  ASSERT_THAT(defined, IsOk());
  EXPECT_THAT(*defined, HasSubstr("vm.g1"));
}

TEST_P(HypervisorContract, StartedDomainRuns) {
  const TestDomain domain = RunningDomain();
  EXPECT_THAT(List(),
              ::testing::Contains(IsDomain(domain.uuid, domain.name, DomainState::kRunning, true)));
  EXPECT_EQ(StateOf(domain), DomainState::kRunning);
}

TEST_P(HypervisorContract, StartOfRunningDomainChangesNothing) {
  const TestDomain domain = RunningDomain();
  EXPECT_THAT(hypervisor().StartDomain(domain.uuid), IsOk());
  EXPECT_EQ(StateOf(domain), DomainState::kRunning);
}

TEST_P(HypervisorContract, StartsThatRaceAllSucceed) {
  const TestDomain domain = DefinedDomain();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { EXPECT_THAT(hypervisor().StartDomain(domain.uuid), IsOk()); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(StateOf(domain), DomainState::kRunning);
}

TEST_P(HypervisorContract, DestroyCutsThePower) {
  const TestDomain domain = RunningDomain();
  EXPECT_THAT(hypervisor().DestroyDomain(domain.uuid), IsOk());
  EXPECT_EQ(StateOf(domain), DomainState::kShutOff);
  EXPECT_THAT(hypervisor().DestroyDomain(domain.uuid), IsOk());
  EXPECT_THAT(hypervisor().StartDomain(domain.uuid), IsOk());
  EXPECT_EQ(StateOf(domain), DomainState::kRunning);
}

TEST_P(HypervisorContract, AGuestThatIsStartedPausedRunsOnceItIsResumed) {
  const TestDomain domain = DefinedDomain();
  EXPECT_THAT(hypervisor().ResumeDomain(domain.uuid),
              Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_RUNNING"));
  if (!subject().guests_start_paused()) {
    EXPECT_FALSE(hypervisor().StartDomainPaused(domain.uuid).ok());
    EXPECT_EQ(StateOf(domain), DomainState::kShutOff) << "rather than run it, it does nothing";
    return;
  }
  for (int twice = 0; twice < 2; ++twice) {
    EXPECT_THAT(hypervisor().StartDomainPaused(domain.uuid), IsOk());
    EXPECT_EQ(StateOf(domain), DomainState::kPaused);
  }
  for (int twice = 0; twice < 2; ++twice) {
    EXPECT_THAT(hypervisor().ResumeDomain(domain.uuid), IsOk());
    EXPECT_EQ(StateOf(domain), DomainState::kRunning);
  }
  EXPECT_THAT(hypervisor().StartDomainPaused(domain.uuid), IsOk());
  EXPECT_EQ(StateOf(domain), DomainState::kRunning) << "a guest that runs is left alone";
}

TEST_P(HypervisorContract, AGuestIsHeldWhereItIsUntilItIsResumed) {
  const TestDomain domain = DefinedDomain();
  EXPECT_THAT(hypervisor().SuspendDomain(Uuid::Random()),
              Fails(absl::StatusCode::kNotFound, "DOMAIN_NOT_FOUND"));
  EXPECT_THAT(hypervisor().SuspendDomain(domain.uuid),
              Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_RUNNING"));
  ASSERT_THAT(hypervisor().StartDomain(domain.uuid), IsOk());
  for (int twice = 0; twice < 2; ++twice) {
    EXPECT_THAT(hypervisor().SuspendDomain(domain.uuid), IsOk());
    EXPECT_EQ(StateOf(domain), DomainState::kPaused);
    EXPECT_EQ(hypervisor().GetDomain(domain.uuid)->reason, StateReason::kPausedByUser);
  }
  EXPECT_THAT(hypervisor().ResumeDomain(domain.uuid), IsOk());
  EXPECT_EQ(StateOf(domain), DomainState::kRunning);
  EXPECT_EQ(hypervisor().GetDomain(domain.uuid)->reason, StateReason::kOther);
}

TEST_P(HypervisorContract, SaysWhyAGuestIsOff) {
  const TestDomain domain = RunningDomain();
  ASSERT_THAT(hypervisor().DestroyDomain(domain.uuid), IsOk());
  EXPECT_EQ(hypervisor().GetDomain(domain.uuid)->reason, StateReason::kDestroyed);
  const auto listed = hypervisor().ListDomains();
  ASSERT_THAT(listed, IsOk());
  for (const DomainInfo& info : *listed) {
    if (info.uuid != domain.uuid) continue;
    EXPECT_EQ(info.reason, StateReason::kDestroyed);
  }
  if (!subject().guests_obey_power_button()) return;
  ASSERT_THAT(hypervisor().StartDomain(domain.uuid), IsOk());
  Notices notices;
  hypervisor().SetListener(notices.Listener());
  ASSERT_THAT(hypervisor().ShutdownDomain(domain.uuid), IsOk());
  while (StateOf(domain) != DomainState::kShutOff) ASSERT_TRUE(notices.AwaitLookAt(domain.uuid));
  EXPECT_EQ(hypervisor().GetDomain(domain.uuid)->reason, StateReason::kGuestShutDown);
  hypervisor().SetListener(nullptr);
}

TEST_P(HypervisorContract, ShutdownPressesThePowerButton) {
  Notices notices;
  const TestDomain domain = RunningDomain();
  hypervisor().SetListener(notices.Listener());
  EXPECT_THAT(hypervisor().ShutdownDomain(domain.uuid), IsOk());
  if (subject().guests_obey_power_button()) {
    // Later than the notices of the start, which may come now too.
    while (StateOf(domain) != DomainState::kShutOff) ASSERT_TRUE(notices.AwaitLookAt(domain.uuid));
    EXPECT_THAT(hypervisor().ShutdownDomain(domain.uuid), IsOk());
  } else {
    EXPECT_EQ(StateOf(domain), DomainState::kRunning);
  }
  hypervisor().SetListener(nullptr);
}

TEST_P(HypervisorContract, RebootNeedsRunningDomainAndKeepsItRunning) {
  const TestDomain domain = DefinedDomain();
  const auto not_running = Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_RUNNING");
  EXPECT_THAT(hypervisor().ResizeDisk(domain.uuid, "volumes", "none", 1 << 20), IsOk());
  EXPECT_THAT(hypervisor().RebootDomain(domain.uuid, false), not_running);
  EXPECT_THAT(hypervisor().RebootDomain(domain.uuid, true), not_running);
  ASSERT_THAT(hypervisor().StartDomain(domain.uuid), IsOk());
  EXPECT_THAT(hypervisor().ResizeDisk(domain.uuid, "volumes", "none", 1 << 20), IsOk());
  EXPECT_THAT(hypervisor().RebootDomain(domain.uuid, true), IsOk());
  EXPECT_EQ(StateOf(domain), DomainState::kRunning);
  EXPECT_THAT(hypervisor().RebootDomain(domain.uuid, false), IsOk());
}

TEST_P(HypervisorContract, OnlyARunningGuestIsGivenADisk) {
  constexpr char kDisk[] =
      "<disk type='network'><source protocol='rbd' name='volumes/none'/><target dev='vdq'/></disk>";
  const TestDomain domain = DefinedDomain();
  EXPECT_THAT(hypervisor().AttachDisk(Uuid::Random(), kDisk),
              Fails(absl::StatusCode::kNotFound, "DOMAIN_NOT_FOUND"));
  EXPECT_THAT(hypervisor().AttachDisk(domain.uuid, kDisk),
              Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_RUNNING"));
  EXPECT_EQ(hypervisor().AttachDisk(domain.uuid, "<interface/>").code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_P(HypervisorContract, WhoHasNoSuchDiskIsNotAskedForIt) {
  EXPECT_THAT(hypervisor().DetachDisk(Uuid::Random(), "volumes", "none"),
              Fails(absl::StatusCode::kNotFound, "DOMAIN_NOT_FOUND"));
  const TestDomain domain = DefinedDomain();
  EXPECT_THAT(hypervisor().DetachDisk(domain.uuid, "volumes", "none"), IsOk());
  ASSERT_THAT(hypervisor().StartDomain(domain.uuid), IsOk());
  EXPECT_THAT(hypervisor().DetachDisk(domain.uuid, "volumes", "none"), IsOk());
}

TEST_P(HypervisorContract, OnlyARunningGuestWithAnAgentIsFrozenAndThawed) {
  const TestDomain domain = DefinedDomain();
  const auto not_running = Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_RUNNING");
  EXPECT_THAT(hypervisor().FreezeFilesystems(domain.uuid), not_running);
  EXPECT_THAT(hypervisor().ThawFilesystems(domain.uuid), not_running);
  ASSERT_THAT(hypervisor().StartDomain(domain.uuid), IsOk());
  if (subject().guests_have_agent()) {
    EXPECT_THAT(hypervisor().FreezeFilesystems(domain.uuid), IsOk());
    EXPECT_THAT(hypervisor().ThawFilesystems(domain.uuid), IsOk());
    EXPECT_THAT(hypervisor().ThawFilesystems(domain.uuid), IsOk());
  } else {
    const auto no_agent = Fails(absl::StatusCode::kFailedPrecondition, "GUEST_AGENT_UNRESPONSIVE");
    EXPECT_THAT(hypervisor().FreezeFilesystems(domain.uuid), no_agent);
    EXPECT_THAT(hypervisor().ThawFilesystems(domain.uuid), no_agent);
  }
}

TEST_P(HypervisorContract, UndefineRemovesStoppedDomain) {
  const TestDomain domain = DefinedDomain();
  EXPECT_THAT(hypervisor().UndefineDomain(domain.uuid), IsOk());
  EXPECT_THAT(hypervisor().GetDomain(domain.uuid),
              Fails(absl::StatusCode::kNotFound, "DOMAIN_NOT_FOUND"));
  EXPECT_THAT(hypervisor().UndefineDomain(domain.uuid),
              Fails(absl::StatusCode::kNotFound, "DOMAIN_NOT_FOUND"));
}

TEST_P(HypervisorContract, UndefineRefusesRunningDomain) {
  const TestDomain domain = RunningDomain();
  EXPECT_THAT(hypervisor().UndefineDomain(domain.uuid),
              Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_RUNNING"));
  EXPECT_THAT(*hypervisor().GetDomain(domain.uuid),
              IsDomain(domain.uuid, domain.name, DomainState::kRunning, true));
}

TEST_P(HypervisorContract, RunningGuestKeepsWhatItWasStartedWith) {
  const TestDomain domain = RunningDomain();
  EXPECT_THAT(hypervisor().DefineDomain(Xml(domain, 128)), IsOk());
  EXPECT_EQ(StateOf(domain), DomainState::kRunning);
  EXPECT_THAT(*hypervisor().GetDomainXml(domain.uuid), Not(HasSubstr("131072")));
  EXPECT_THAT(hypervisor().DestroyDomain(domain.uuid), IsOk());
  EXPECT_THAT(*hypervisor().GetDomainXml(domain.uuid), HasSubstr("131072"));
}

TEST_P(HypervisorContract, OnlyTheDefinitionHoldsPasswords) {
  const TestDomain domain = NewDomain();
  ASSERT_THAT(hypervisor().DefineDomain(XmlWithSecret(domain, Uuid::Random(), Maker::kOthers)),
              IsOk());
  EXPECT_THAT(Definition(domain), HasSubstr("sesame"));
  EXPECT_THAT(*hypervisor().GetDomainXml(domain.uuid), Not(HasSubstr("sesame")));
}

TEST_P(HypervisorContract, DefinitionWithAnotherSecretIsWhatWasGivenBack) {
  const Uuid before = Uuid::Random();
  const Uuid after = Uuid::Random();
  for (const Maker maker : {Maker::kUs, Maker::kOthers}) {
    const TestDomain domain = NewDomain();
    ASSERT_THAT(hypervisor().DefineDomain(XmlWithSecret(domain, before, maker)), IsOk());
    const auto changed = domain_xml::ReplaceSecret(Definition(domain), before, "", after);
    ASSERT_THAT(changed, IsOk());
    ASSERT_TRUE(changed->has_value()) << Definition(domain);
    EXPECT_THAT(hypervisor().DefineDomain(**changed), IsOk());
    EXPECT_EQ(Definition(domain), **changed);
    EXPECT_EQ(StateOf(domain), DomainState::kShutOff);
  }
}

TEST_P(HypervisorContract, DefinitionOfRunningGuestChangesWithoutTheGuest) {
  const Uuid before = Uuid::Random();
  const Uuid after = Uuid::Random();
  for (const Maker maker : {Maker::kUs, Maker::kOthers}) {
    const TestDomain domain = RunningDomain();
    const std::string live = *hypervisor().GetDomainXml(domain.uuid);
    ASSERT_THAT(hypervisor().DefineDomain(XmlWithSecret(domain, before, maker)), IsOk());
    const auto changed = domain_xml::ReplaceSecret(Definition(domain), before, "", after);
    ASSERT_THAT(changed, IsOk());
    ASSERT_TRUE(changed->has_value()) << Definition(domain);
    EXPECT_THAT(hypervisor().DefineDomain(**changed), IsOk());
    EXPECT_EQ(Definition(domain), **changed);
    EXPECT_EQ(StateOf(domain), DomainState::kRunning);
    EXPECT_EQ(*hypervisor().GetDomainXml(domain.uuid), live);
    EXPECT_THAT(hypervisor().DestroyDomain(domain.uuid), IsOk());
    EXPECT_THAT(*hypervisor().GetDomainXml(domain.uuid), HasSubstr(after.ToString()));
  }
}

TEST_P(HypervisorContract, TransientGuestHasNoDefinition) {
  const TestDomain domain = NewDomain();
  subject().RunTransient({.uuid = domain.uuid,
                          .name = domain.name,
                          .state = DomainState::kRunning,
                          .persistent = false},
                         Xml(domain));
  ASSERT_EQ(StateOf(domain), DomainState::kRunning);
  EXPECT_THAT(hypervisor().GetDefinition(domain.uuid),
              Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_TRANSIENT"));
}

TEST_P(HypervisorContract, TellsListenerOfEveryChange) {
  Notices notices;
  Listen(notices);
  const TestDomain domain = DefinedDomain();
  EXPECT_TRUE(notices.Await(domain.uuid)) << "defined";
  EXPECT_THAT(hypervisor().StartDomain(domain.uuid), IsOk());
  EXPECT_TRUE(notices.Await(domain.uuid)) << "started";
  EXPECT_THAT(hypervisor().DestroyDomain(domain.uuid), IsOk());
  EXPECT_TRUE(notices.Await(domain.uuid)) << "stopped";
  EXPECT_THAT(hypervisor().UndefineDomain(domain.uuid), IsOk());
  EXPECT_TRUE(notices.Await(domain.uuid)) << "undefined";
  hypervisor().SetListener(nullptr);
}

TEST_P(HypervisorContract, RemovedListenerHearsNoMore) {
  Notices removed;
  Notices listening;
  hypervisor().SetListener(removed.Listener());
  Listen(listening);
  const size_t before = removed.Left().size();
  const TestDomain domain = DefinedDomain();
  EXPECT_TRUE(listening.Await(domain.uuid));
  EXPECT_EQ(removed.Left().size(), before);
  hypervisor().SetListener(nullptr);
}

}  // namespace
}  // namespace hvagent::hypervisor
