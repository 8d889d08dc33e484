// A VmSpec's NICs, other devices, NUMA nodes, placement and tags.
#include <google/protobuf/util/message_differencer.h>

#include <string>

#include "base/error.h"
#include "domain_xml/vm_spec.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/domain_xml/guide_spec.h"
#include "tests/unit/domain_xml/guide_vm.h"

namespace hvagent::domain_xml {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::Optional;

constexpr char kPort[] = "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f";

// Four vCPUs and 4 GiB, in two NUMA nodes.
v1::VmSpec NumaVm() {
  return With([](v1::VmSpec& s) {
    s.set_vcpus(4);
    s.set_memory_mib(4096);
    v1::Numa::Node& first = *s.mutable_numa()->add_nodes();
    first.set_cpus("1,0");
    first.set_memory_mib(1024);
    v1::Numa::Node& second = *s.mutable_numa()->add_nodes();
    second.set_cpus("2-3");
    second.set_memory_mib(3072);
  });
}

TEST(ValidateNicsTest, NamesTheFieldThatIsWrong) {
  const struct {
    const char* field;
    void (*spoil)(v1::Nic&);
  } kCases[] = {
      {"network", [](v1::Nic& n) { n.set_network("default"); }},
      {"bridge", [](v1::Nic& n) { n.clear_bridge(); }},
      {"network",
       [](v1::Nic& n) {
         n.clear_bridge();
         n.set_network("a/b");
       }},
      {"mtu", [](v1::Nic& n) { n.set_mtu(67); }},
      {"mtu", [](v1::Nic& n) { n.set_mtu(65522); }},
      {"queues", [](v1::Nic& n) { n.set_queues(257); }},
      {"queues",
       [](v1::Nic& n) {
         n.set_model("e1000");
         n.set_queues(2);
       }},
      {"boot_order", [](v1::Nic& n) { n.set_boot_order(65); }},
      {"open_vswitch.interface_id", [](v1::Nic& n) { n.mutable_open_vswitch(); }},
      {"open_vswitch.vlan_tags[1]",
       [](v1::Nic& n) {
         n.mutable_open_vswitch()->set_interface_id(kPort);
         n.mutable_open_vswitch()->add_vlan_tags(1);
         n.mutable_open_vswitch()->add_vlan_tags(4095);
       }},
      {"open_vswitch.vlan_tags[1]",
       [](v1::Nic& n) {
         n.mutable_open_vswitch()->set_interface_id(kPort);
         n.mutable_open_vswitch()->add_vlan_tags(7);
         n.mutable_open_vswitch()->add_vlan_tags(7);
       }},
      {"open_vswitch",
       [](v1::Nic& n) {
         n.clear_bridge();
         n.set_network("a");
         n.mutable_open_vswitch()->set_interface_id(kPort);
       }},
      {"filter",
       [](v1::Nic& n) {
         n.mutable_open_vswitch()->set_interface_id(kPort);
         n.mutable_filter()->set_name("no-mac-spoofing");
       }},
      {"filter.name", [](v1::Nic& n) { n.mutable_filter(); }},
      {"filter.ips", [](v1::Nic& n) { n.mutable_filter()->set_name("clean-traffic"); }},
      {"filter.ips[0]",
       [](v1::Nic& n) {
         n.mutable_filter()->set_name("a");
         n.mutable_filter()->add_ips("192.0.2.256");
       }},
      {"filter.ips[0]",
       [](v1::Nic& n) {
         n.mutable_filter()->set_name("a");
         n.mutable_filter()->add_ips("fd00::1");
       }},
      {"filter.ips[1]",
       [](v1::Nic& n) {
         n.mutable_filter()->set_name("a");
         n.mutable_filter()->add_ips("192.0.2.7");
         n.mutable_filter()->add_ips("192.0.2.7");
       }},
  };
  for (const auto& c : kCases) {
    v1::VmSpec spec = GuideVm();
    c.spoil(*spec.mutable_nics(0));
    EXPECT_THAT(ErrorField(ValidateVmSpec(spec)), Optional(std::string("nics[0].") + c.field))
        << ValidateVmSpec(spec);
  }
}

TEST(ValidateNicsTest, ANicMayTakeNoDisksBootOrder) {
  v1::VmSpec spec = GuideVm();
  spec.mutable_root_disk()->set_boot_order(1);
  spec.mutable_nics(0)->set_boot_order(1);
  EXPECT_THAT(ErrorField(ValidateVmSpec(spec)), Optional(std::string("nics[0].boot_order")));
}

TEST(ResolveNicsTest, CarriesAllOfThemOver) {
  auto domain = ResolveVm(
      With([](v1::VmSpec& s) {
        const auto add = [&s](const char* mac) {
          v1::Nic& nic = *s.add_nics();
          nic.set_mac(mac);
          return &nic;
        };
        v1::Nic& filtered = *s.mutable_nics(0);
        filtered.set_mtu(9000);
        filtered.set_queues(4);
        filtered.mutable_filter()->set_name("clean-traffic");
        filtered.mutable_filter()->add_ips("192.0.2.7");
        filtered.mutable_filter()->add_ips("192.0.2.8");
        filtered.set_boot_order(1);
        v1::Nic* trunk = add("52:54:00:12:34:57");
        trunk->set_bridge("br-int");
        trunk->mutable_open_vswitch()->set_interface_id("09B11C53-8B5C-4EEB-8F00-D84EAA0AAA4F");
        trunk->mutable_open_vswitch()->add_vlan_tags(42);
        trunk->mutable_open_vswitch()->add_vlan_tags(43);
        v1::Nic* access = add("52:54:00:12:34:58");
        access->set_bridge("br-int");
        access->mutable_open_vswitch()->set_interface_id("09b11c53-8b5c-4eeb-8f00-d84eaa0aaa50");
        access->mutable_open_vswitch()->add_vlan_tags(42);
        v1::Nic* network = add("52:54:00:12:34:59");
        network->set_network("default");
        network->set_model("e1000e");
        network->set_link_down(true);
        network->mutable_filter()->set_name("no-mac-spoofing");
        v1::Nic* plain = add("52:54:00:12:34:5A");
        plain->set_bridge("br0");
        plain->set_model("e1000");
        plain->set_queues(1);
      }),
      GuidePlacement());
  ASSERT_TRUE(domain.ok()) << domain.status();
  EXPECT_TRUE(*domain == NicsSpec());
}

TEST(ValidateDevicesTest, NamesTheFieldThatIsWrong) {
  const struct {
    const char* field;
    Change spoil;
  } kCases[] = {
      {"vnc", [](v1::VmSpec& s) { s.set_vnc(static_cast<v1::Vnc>(3)); }},
      {"watchdog.model",
       [](v1::VmSpec& s) { s.mutable_watchdog()->set_model(static_cast<v1::Watchdog::Model>(3)); }},
      {"watchdog.action",
       [](v1::VmSpec& s) {
         s.mutable_watchdog()->set_action(static_cast<v1::Watchdog::Action>(6));
       }},
      {"balloon.max_memory_mib",
       [](v1::VmSpec& s) { s.mutable_balloon()->set_max_memory_mib(255); }},
      {"balloon.stats_period_s",
       [](v1::VmSpec& s) { s.mutable_balloon()->set_stats_period_s(3601); }},
      {"tags", [](v1::VmSpec& s) { (*s.mutable_tags())[""] = "a"; }},
      {"tags", [](v1::VmSpec& s) { (*s.mutable_tags())["a b"] = "a"; }},
      {"tags", [](v1::VmSpec& s) { (*s.mutable_tags())[std::string(64, 'a')] = "a"; }},
      {"tags",
       [](v1::VmSpec& s) {
         for (int i = 0; i < 65; ++i) (*s.mutable_tags())["a" + std::to_string(i)] = "";
       }},
      {"tags[a]", [](v1::VmSpec& s) { (*s.mutable_tags())["a"] = "\n"; }},
      {"tags[a]", [](v1::VmSpec& s) { (*s.mutable_tags())["a"] = std::string(256, 'a'); }},
  };
  for (const auto& c : kCases) {
    const absl::Status status = ValidateVmSpec(With(c.spoil));
    EXPECT_THAT(ErrorField(status), Optional(std::string(c.field))) << status;
  }
}

TEST(NormalizeDevicesTest, SaysWhichDevicesAVmHas) {
  v1::VmSpec spec = With([](v1::VmSpec& s) {
    s.mutable_watchdog();
    s.mutable_balloon()->set_max_memory_mib(s.memory_mib());
  });
  const v1::VmSpec full = Normalize(spec);
  EXPECT_TRUE(full.guest_agent());
  EXPECT_TRUE(full.rng());
  EXPECT_EQ(full.watchdog().model(), v1::Watchdog::I6300ESB);
  EXPECT_EQ(full.watchdog().action(), v1::Watchdog::RESET);
  EXPECT_FALSE(full.has_balloon()) << "its maximum is what it is without one";
  EXPECT_TRUE(MessageDifferencer::Equals(Normalize(full), full));

  spec.set_guest_agent(false);
  spec.set_rng(false);
  EXPECT_FALSE(Normalize(spec).guest_agent());
  EXPECT_FALSE(Normalize(spec).rng());
}

TEST(ResolveDevicesTest, CarriesAllOfThemOver) {
  const v1::VmSpec vm = With([](v1::VmSpec& s) {
    s.mutable_balloon()->set_max_memory_mib(1024);
    s.mutable_balloon()->set_stats_period_s(10);
    s.set_vnc(v1::VNC_LOCALHOST);
    s.mutable_watchdog()->set_model(v1::Watchdog::IB700);
    s.mutable_watchdog()->set_action(v1::Watchdog::INJECT_NMI);
    s.set_guest_agent(false);
    s.set_rng(false);
    (*s.mutable_tags())["team"] = "blue";
  });
  EXPECT_TRUE(*ResolveVm(vm, GuidePlacement()) == DevicesSpec());

  const std::pair<v1::Watchdog::Action, WatchdogAction> kActions[] = {
      {v1::Watchdog::RESET, WatchdogAction::kReset},
      {v1::Watchdog::POWEROFF, WatchdogAction::kPoweroff},
      {v1::Watchdog::PAUSE, WatchdogAction::kPause},
      {v1::Watchdog::NOTHING, WatchdogAction::kNone}};
  for (const auto& [asked, given] : kActions) {
    v1::VmSpec other = vm;
    other.mutable_watchdog()->set_action(asked);
    EXPECT_EQ(ResolveVm(other, GuidePlacement())->watchdog->action, given);
  }
}

TEST(ValidatePlacementTest, NamesTheFieldThatIsWrong) {
  const struct {
    const char* field;
    Change spoil;
  } kCases[] = {
      {"numa.nodes", [](v1::VmSpec& s) { s.set_vcpus(5); }},
      {"numa.nodes", [](v1::VmSpec& s) { s.set_memory_mib(4095); }},
      {"numa.nodes", [](v1::VmSpec& s) { s.mutable_balloon()->set_max_memory_mib(8192); }},
      {"numa.nodes",
       [](v1::VmSpec& s) {
         for (int i = 0; i < 64; ++i) s.mutable_numa()->add_nodes();
       }},
      {"numa.nodes[1].cpus",
       [](v1::VmSpec& s) { s.mutable_numa()->mutable_nodes(1)->set_cpus("1-3"); }},
      {"numa.nodes[1].cpus",
       [](v1::VmSpec& s) { s.mutable_numa()->mutable_nodes(1)->set_cpus("2-4"); }},
      {"numa.nodes[0].cpus",
       [](v1::VmSpec& s) { s.mutable_numa()->mutable_nodes(0)->clear_cpus(); }},
      {"numa.nodes[0].memory_mib",
       [](v1::VmSpec& s) { s.mutable_numa()->mutable_nodes(0)->clear_memory_mib(); }},
      {"numa.nodes[0].memory_mib",
       [](v1::VmSpec& s) { s.mutable_numa()->mutable_nodes(0)->set_memory_mib(UINT64_MAX); }},
      {"numa.nodes[0].memory_mib",
       [](v1::VmSpec& s) {
         s.mutable_placement()->set_hugepage_kib(1048576);
         s.mutable_numa()->mutable_nodes(0)->set_memory_mib(1023);
       }},
      {"memory_mib",
       [](v1::VmSpec& s) {
         s.mutable_placement()->set_hugepage_kib(1048576);
         s.set_memory_mib(4095);
       }},
      {"balloon.max_memory_mib",
       [](v1::VmSpec& s) {
         s.mutable_placement()->set_hugepage_kib(2048);
         s.mutable_balloon()->set_max_memory_mib(4097);
       }},
      {"placement.hugepage_kib", [](v1::VmSpec& s) { s.mutable_placement()->set_hugepage_kib(4); }},
      {"placement.vcpu_pins[0].vcpu",
       [](v1::VmSpec& s) { s.mutable_placement()->add_vcpu_pins()->set_vcpu(4); }},
      {"placement.vcpu_pins[0].host_cpus",
       [](v1::VmSpec& s) { s.mutable_placement()->add_vcpu_pins(); }},
      {"placement.vcpu_pins[1].vcpu",
       [](v1::VmSpec& s) {
         s.mutable_placement()->add_vcpu_pins()->set_host_cpus("1");
         s.mutable_placement()->add_vcpu_pins()->set_host_cpus("2");
       }},
      {"placement.emulator_host_cpus",
       [](v1::VmSpec& s) { s.mutable_placement()->set_emulator_host_cpus("^1"); }},
      {"placement.memory_host_nodes",
       [](v1::VmSpec& s) { s.mutable_placement()->set_memory_host_nodes("4096"); }},
  };
  EXPECT_EQ(ValidateVmSpec(NumaVm()), absl::OkStatus());
  for (const auto& c : kCases) {
    v1::VmSpec spec = NumaVm();
    c.spoil(spec);
    EXPECT_THAT(ErrorField(ValidateVmSpec(spec)), Optional(std::string(c.field)))
        << ValidateVmSpec(spec);
  }
}

TEST(ResolvePlacementTest, CarriesAllOfItOverInOneForm) {
  v1::VmSpec vm = NumaVm();
  vm.set_vnc(v1::VNC_SOCKET);
  v1::HostPlacement& placement = *vm.mutable_placement();
  v1::HostPlacement::VcpuPin& last = *placement.add_vcpu_pins();
  last.set_vcpu(3);
  last.set_host_cpus("7");
  placement.add_vcpu_pins()->set_host_cpus("8,6,4-5");
  placement.set_emulator_host_cpus("1,0");
  placement.set_memory_host_nodes("1");
  placement.set_hugepage_kib(1048576);
  auto domain = ResolveVm(vm, GuidePlacement());
  ASSERT_TRUE(domain.ok()) << domain.status();
  EXPECT_TRUE(*domain == PlacementSpec());

  const v1::VmSpec full = Normalize(vm);
  EXPECT_EQ(full.numa().nodes(0).cpus(), "0-1");
  EXPECT_EQ(full.placement().vcpu_pins(0).host_cpus(), "4-6,8");
  EXPECT_EQ(full.placement().emulator_host_cpus(), "0-1");
  EXPECT_TRUE(MessageDifferencer::Equals(Normalize(full), full));
  EXPECT_FALSE(Normalize(GuideVm()).has_placement());
  EXPECT_FALSE(Normalize(GuideVm()).has_numa());
}

}  // namespace
}  // namespace hvagent::domain_xml
