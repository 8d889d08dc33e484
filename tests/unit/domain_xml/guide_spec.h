// The VM of the guide (virsh dumpxml instance-00000028), and the least that a VM can be.
#ifndef HVAGENT_TESTS_UNIT_DOMAIN_XML_GUIDE_SPEC_H_
#define HVAGENT_TESTS_UNIT_DOMAIN_XML_GUIDE_SPEC_H_

#include "base/uuid.h"
#include "domain_xml/domain_spec.h"

namespace hvagent::domain_xml {

inline DomainSpec GuideSpec() {
  RbdDisk root;
  root.pool = "vms";
  root.image = "65bd684f-0414-4b58-9924-af681091be09_disk";
  root.monitors = {{"172.18.22.234", 6789}, {"172.18.22.235", 6789}, {"172.18.22.236", 6789}};
  root.auth = CephAuth{.username = "cinder",
                       .secret_uuid = *Uuid::Parse("4810c760-dc42-4e5f-9d41-7346db7d7da2")};
  root.target = "vda";
  root.boot_order = 1;

  RbdDisk volume = root;
  volume.boot_order = 0;
  volume.pool = "volumes";
  volume.image = "volume-af7ce6b7-12c2-4bdf-933c-884a4f514617";
  volume.discard = DiscardMode::kUnmap;
  volume.target = "vdb";
  volume.serial = "af7ce6b7-12c2-4bdf-933c-884a4f514617";

  DomainSpec spec;
  spec.uuid = *Uuid::Parse("65bd684f-0414-4b58-9924-af681091be09");
  spec.name = "instance-00000028";
  spec.type = DomainType::kKvm;
  spec.memory_mib = 256;
  spec.disks = {root, volume};
  spec.nics = {{.source_name = "br0", .mac = "52:54:00:12:34:56"}};
  spec.serial_log_file = "/var/log/libvirt/qemu/65bd684f-0414-4b58-9924-af681091be09.serial.log";
  spec.mark = {.agent_node = "compute-1",
               .generation = 7,
               .secret = SecretStamp{.entity = "client.cinder",
                                     .fingerprint = "9c8f3d2a41b07e65",
                                     .generation_unix_s = 1700000000}};
  return spec;
}

// No cephx, no ports, no NIC, no log; a RADOS namespace and an IPv6 monitor.
inline DomainSpec MinimalSpec() {
  RbdDisk root;
  root.pool = "vms";
  root.rados_namespace = "blue";
  root.image = "5d6a3c1e-0000-4000-8000-000000000001_disk";
  root.monitors = {{"fd00::1", 0}};
  root.cache = CacheMode::kNone;
  root.target = "vda";
  root.boot_order = 1;

  DomainSpec spec;
  spec.uuid = *Uuid::Parse("5d6a3c1e-0000-4000-8000-000000000001");
  spec.name = "least";
  spec.memory_mib = 16;
  spec.disks = {root};
  spec.mark = {.agent_node = "compute-1", .generation = 1};
  return spec;
}

// The guide's VM with all that can be said of a machine and its CPU.
inline DomainSpec MachineSpec() {
  DomainSpec spec = GuideSpec();
  spec.machine = "pc-q35-7.2";
  spec.firmware = Firmware::kUefi;
  spec.vcpus = 8;
  spec.cpu = {.mode = CpuMode::kNamed,
              .model = "Skylake-Server-IBRS",
              .features = {{"pcid", CpuPolicy::kRequire},
                           {"vmx", CpuPolicy::kDisable},
                           {"avx512f", CpuPolicy::kOptional},
                           {"x2apic", CpuPolicy::kForce},
                           {"mpx", CpuPolicy::kForbid}},
              .topology = CpuTopology{.sockets = 1, .cores = 4, .threads = 2}};
  return spec;
}

// The guide's VM with every kind of NIC.
inline DomainSpec NicsSpec() {
  DomainSpec spec = GuideSpec();
  spec.disks[0].boot_order = 0;
  Nic filtered = spec.nics[0];
  filtered.mtu = 9000;
  filtered.queues = 4;
  filtered.filter = NicFilter{.name = "clean-traffic", .ips = {"192.0.2.7", "192.0.2.8"}};
  filtered.boot_order = 1;
  Nic trunk{.source_name = "br-int", .mac = "52:54:00:12:34:57"};
  trunk.open_vswitch = OpenVswitchPort{.interface_id = "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f",
                                       .vlan_tags = {42, 43}};
  Nic access{.source_name = "br-int", .mac = "52:54:00:12:34:58"};
  access.open_vswitch =
      OpenVswitchPort{.interface_id = "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa50", .vlan_tags = {42}};
  Nic network{.source = NicSource::kNetwork,
              .source_name = "default",
              .mac = "52:54:00:12:34:59",
              .model = NicModel::kE1000e};
  network.filter = NicFilter{.name = "no-mac-spoofing"};
  network.link_down = true;
  Nic plain{.source_name = "br0", .mac = "52:54:00:12:34:5a", .model = NicModel::kE1000};
  spec.nics = {filtered, trunk, access, network, plain};
  return spec;
}

// The guide's VM with every other device, or without it, and memory that may grow.
inline DomainSpec DevicesSpec() {
  DomainSpec spec = GuideSpec();
  spec.max_memory_mib = 1024;
  spec.balloon_stats_s = 10;
  spec.vnc = Vnc::kLocalhost;
  spec.watchdog = Watchdog{.model = WatchdogModel::kIb700, .action = WatchdogAction::kInjectNmi};
  spec.guest_agent = false;
  spec.rng = false;
  return spec;
}

// The guide's VM with two NUMA nodes, in its place on the node.
inline DomainSpec PlacementSpec() {
  DomainSpec spec = GuideSpec();
  spec.vcpus = 4;
  spec.memory_mib = 4096;
  spec.vnc = Vnc::kSocket;
  spec.numa_nodes = {{.cpus = {0, 1}, .memory_mib = 1024}, {.cpus = {2, 3}, .memory_mib = 3072}};
  spec.host = {.vcpu_pins = {{.vcpu = 0, .host_cpus = {4, 5, 6, 8}}, {.vcpu = 3, .host_cpus = {7}}},
               .emulator_cpus = {0, 1},
               .memory_nodes = {1},
               .hugepage_kib = 1048576};
  return spec;
}

// The guide's VM with a root disk on SATA that is a volume, and two volumes with all that can be
// said of a disk.
inline DomainSpec DisksSpec() {
  DomainSpec spec = GuideSpec();
  RbdDisk& root = spec.disks[0];
  root.pool = "volumes";
  root.image = "volume-00000000-0000-4000-8000-000000000001";
  root.serial = "00000000-0000-4000-8000-000000000001";
  root.bus = DiskBus::kSata;
  root.target = "sda";
  root.boot_order = 2;
  root.write_errors = ErrorPolicy::kEnospace;
  root.read_errors = ErrorPolicy::kReport;

  RbdDisk shared = root;
  shared.image = "volume-00000000-0000-4000-8000-000000000002";
  shared.serial = "shared-disk";
  shared.bus = DiskBus::kScsi;
  shared.target = "sdb";
  shared.boot_order = 0;
  shared.write_errors = ErrorPolicy::kReport;
  shared.read_errors = ErrorPolicy::kStop;
  shared.cache = CacheMode::kNone;
  shared.detect_zeroes = DetectZeroes::kOn;
  shared.read_only = true;
  shared.shareable = true;
  shared.io_tune = {.read_bytes = {.rate = 1000000},
                    .write_bytes = {.rate = 2000000, .burst = 4000000},
                    .read_iops = {.rate = 500, .burst = 1000, .burst_s = 10},
                    .write_iops = {.rate = 600}};

  RbdDisk& fast = spec.disks[1];
  fast.target = "vda";
  fast.boot_order = 1;
  fast.iothread = 2;
  fast.detect_zeroes = DetectZeroes::kUnmap;
  fast.io_tune = {.total_bytes = {.rate = 100000000, .burst = 200000000, .burst_s = 5},
                  .total_iops = {.rate = 1000},
                  .size_iops = 65536,
                  .group = "gold"};
  spec.disks.insert(spec.disks.begin() + 1, shared);
  return spec;
}

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_TESTS_UNIT_DOMAIN_XML_GUIDE_SPEC_H_
