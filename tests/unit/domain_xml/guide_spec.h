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

  RbdDisk volume = root;
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
  spec.nics = {{.bridge = "br0", .mac = "52:54:00:12:34:56"}};
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

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_TESTS_UNIT_DOMAIN_XML_GUIDE_SPEC_H_
