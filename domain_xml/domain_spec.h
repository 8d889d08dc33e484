// A guest with everything resolved: what is written into libvirt's domain XML, and nothing else.
// A VmSpec says "image X, 1 GiB, write-back"; a DomainSpec says "rbd image vms/<uuid>_disk at
// these monitors, as this user with that secret". Plain values; names are checked by whoever
// makes one (base/names.h).
#ifndef HVAGENT_DOMAIN_XML_DOMAIN_SPEC_H_
#define HVAGENT_DOMAIN_XML_DOMAIN_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/uuid.h"
#include "domain_xml/device_spec.h"
#include "domain_xml/disk_spec.h"
#include "domain_xml/machine_spec.h"
#include "domain_xml/nic_spec.h"

namespace hvagent::domain_xml {

enum class DomainType { kKvm, kQemu };

// Which key a QEMU that starts from this definition is given. QEMU keeps it until it ends, so this
// tells which guests still run with an older one.
struct SecretStamp {
  std::string entity;             // "client.cinder"
  std::string fingerprint;        // of the key: secrets/fingerprint.h
  int64_t generation_unix_s = 0;  // when Ceph made the key, as the key itself says
  friend bool operator==(const SecretStamp&, const SecretStamp&) = default;
};

// Our mark in <metadata>, in a namespace of its own. A domain without it is somebody else's.
struct DomainMark {
  std::string agent_node;             // the node whose agent defined it
  int64_t generation = 0;             // of the spec that the definition was made from
  int64_t epoch = 0;                  // of the VM's placement; 0: nobody had counted it yet
  std::optional<SecretStamp> secret;  // none where the cluster has no cephx
  friend bool operator==(const DomainMark&, const DomainMark&) = default;
};

struct DomainSpec {
  Uuid uuid;
  std::string name;
  DomainType type = DomainType::kQemu;
  // "pc" or "q35", the newest of its kind when the domain is defined, or a version of one.
  std::string machine = "pc";
  Firmware firmware = Firmware::kBios;
  uint32_t vcpus = 1;
  Cpu cpu;
  std::vector<NumaNode> numa_nodes;  // empty: one that is not spoken of
  uint64_t memory_mib = 0;           // what it has when it starts
  uint64_t max_memory_mib = 0;       // what its balloon may give it later; 0: no more
  uint32_t balloon_stats_s = 0;      // how often it tells of its memory; 0: never by itself
  HostPlacement host;
  std::vector<RbdDisk> disks;  // the root disk first; those of one bus together
  std::vector<Nic> nics;
  Vnc vnc = Vnc::kOff;
  std::optional<Watchdog> watchdog;
  bool guest_agent = true;      // a channel to it
  bool rng = true;              // randomness from the node
  std::string serial_log_file;  // absolute; empty: the serial port is not logged
  DomainMark mark;
  friend bool operator==(const DomainSpec&, const DomainSpec&) = default;
};

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_DOMAIN_SPEC_H_
