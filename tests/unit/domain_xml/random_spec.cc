#include "tests/unit/domain_xml/random_spec.h"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace hvagent::domain_xml {
namespace {

// Makes the values of one spec.
class Generator {
 public:
  Generator(std::mt19937_64& random, Texts texts) : random_(random), texts_(texts) {}

  DomainSpec Spec() {
    DomainSpec spec;
    spec.uuid = AnyUuid();
    spec.name = Name();
    spec.type = OneIn(2) ? DomainType::kKvm : DomainType::kQemu;
    spec.vcpus = OneIn(8) ? 1024 : Below(64) + 1;
    spec.memory_mib = OneIn(8) ? uint64_t{1} << 24 : Below(1 << 20) + 1;
    spec.machine = OneOf({"pc", "q35", "pc-i440fx-7.2", "pc-q35-6.0"});
    spec.firmware = OneIn(2) ? Firmware::kUefi : Firmware::kBios;
    if (!OneIn(3)) spec.cpu = AnyCpu();
    if (spec.cpu.topology.has_value()) {
      spec.vcpus =
          spec.cpu.topology->sockets * spec.cpu.topology->cores * spec.cpu.topology->threads;
    }
    const int disks = 1 + static_cast<int>(Below(OneIn(8) ? 26 : 4));
    for (int i = 0; i < disks; ++i) spec.disks.push_back(Disk(i));
    NameTargets(spec);
    if (OneIn(3)) spec.max_memory_mib = spec.memory_mib + Below(1 << 10) + 1;
    if (OneIn(3)) spec.balloon_stats_s = Below(60) + 1;
    if (OneIn(3)) spec.host = AnyHost(spec.vcpus);
    if (OneIn(3)) AddNumaNodes(spec);
    const uint32_t nics = Below(4);
    for (uint32_t i = 0; i < nics; ++i) spec.nics.push_back(AnyNic(i));
    spec.vnc = static_cast<Vnc>(Below(3));
    spec.guest_agent = !OneIn(4);
    spec.rng = !OneIn(4);
    if (OneIn(3)) {
      spec.watchdog = Watchdog{.model = static_cast<WatchdogModel>(Below(2)),
                               .action = static_cast<WatchdogAction>(Below(5))};
    }
    if (!OneIn(4)) spec.serial_log_file = absl::StrCat("/var/log/", Name(), ".serial.log");
    spec.mark.agent_node = OneIn(8) ? "" : Name();
    spec.mark.generation = OneIn(8) ? std::numeric_limits<int64_t>::max() : Below(1000);
    if (OneIn(16)) spec.mark.generation = std::numeric_limits<int64_t>::min();
    if (OneIn(2)) spec.mark.epoch = 1 + Below(1000);
    if (!OneIn(4)) {
      spec.mark.secret = SecretStamp{.entity = Name(),
                                     .fingerprint = OneIn(8) ? "" : Name(),
                                     .generation_unix_s = spec.mark.generation};
    }
    return spec;
  }

 private:
  uint32_t Below(uint32_t limit) {
    return std::uniform_int_distribution<uint32_t>(0, limit - 1)(random_);
  }
  bool OneIn(uint32_t n) { return Below(n) == 0; }

  Uuid AnyUuid() {
    Uuid::Bytes bytes;
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(Below(256));
    return Uuid(bytes);
  }

  template <typename T>
  T OneOf(std::initializer_list<T> values) {
    return *(values.begin() + Below(static_cast<uint32_t>(values.size())));
  }

  Cpu AnyCpu() {
    Cpu cpu;
    cpu.mode = static_cast<CpuMode>(Below(4));
    if (cpu.mode == CpuMode::kNamed) {
      cpu.model =
          texts_ == Texts::kLibvirt ? OneOf({"qemu64", "EPYC", "Skylake-Server-IBRS"}) : Name();
    }
    if (cpu.mode != CpuMode::kDefault) {
      for (const char* name : {"pcid", "vmx", "sse4.1", "lahf_lm"}) {
        if (OneIn(3)) cpu.features.push_back({name, static_cast<CpuPolicy>(Below(5))});
      }
    }
    if (OneIn(2)) {
      cpu.topology =
          CpuTopology{.sockets = Below(4) + 1, .cores = Below(8) + 1, .threads = Below(2) + 1};
    }
    return cpu;
  }

  std::string From(const std::vector<std::string>& pieces, uint32_t max_pieces) {
    std::string text;
    for (uint32_t i = Below(max_pieces) + 1; i > 0; --i) {
      text += pieces[Below(static_cast<uint32_t>(pieces.size()))];
    }
    return text;
  }

  // A word that any of the two texts takes, one that begins with a letter or digit.
  std::string PlainName() {
    return absl::StrCat(Below(10), From({"a", "Z", "0", ".", "_", "-", "vm", "disk"}, 20));
  }

  std::string Name() {
    if (texts_ == Texts::kLibvirt) return PlainName();
    return From({"a",
                 " ",
                 "  ",
                 "<",
                 ">",
                 "&",
                 "\"",
                 "'",
                 "]]>",
                 "<!--",
                 "&amp;",
                 "&#10;",
                 "%s",
                 "\x7f",
                 "\xc2\x85",
                 "\xc3\xa9",
                 "\xe4\xb8\xad",
                 "\xf0\x9f\x90\xa7",
                 ":",
                 "@",
                 "\\",
                 "=",
                 ","},
                12);
  }

  // libvirt's schema has no '.' in it.
  std::string UserName() {
    return texts_ == Texts::kLibvirt ? From({"cinder", "-", "_", "7"}, 6) : Name();
  }

  std::string Host() {
    switch (Below(4)) {
      case 0:
        return absl::StrCat("10.0.", Below(256), ".", Below(256));
      case 1:
        return absl::StrFormat("fd00::%x", Below(65536));
      case 2:
        return "::1";
      default:
        return absl::StrCat("mon-", Below(100), ".ceph.example");
    }
  }

  RbdDisk Disk(int index) {
    RbdDisk disk;
    disk.pool = Name();
    if (OneIn(4)) disk.rados_namespace = Name();
    disk.image = Name();
    for (uint32_t i = Below(5) + 1; i > 0; --i) {
      const uint16_t ports[] = {0, 1, 3300, 6789, 65535};
      disk.monitors.push_back({.name = Host(), .port = ports[Below(5)]});
    }
    if (!OneIn(4)) disk.auth = CephAuth{.username = UserName(), .secret_uuid = AnyUuid()};
    disk.cache = static_cast<CacheMode>(Below(5));
    disk.discard = static_cast<DiscardMode>(Below(3));
    disk.detect_zeroes = static_cast<DetectZeroes>(Below(3));
    disk.write_errors = static_cast<ErrorPolicy>(Below(3));
    disk.read_errors = static_cast<ErrorPolicy>(Below(2));
    if (OneIn(2)) disk.serial = PlainName();
    disk.read_only = index > 0 && OneIn(3);
    disk.shareable = OneIn(4);
    if (OneIn(2)) disk.boot_order = static_cast<uint32_t>(index) + 1;
    disk.bus = static_cast<DiskBus>(Below(3));
    if (disk.bus == DiskBus::kVirtio && OneIn(3)) disk.iothread = Below(4) + 1;
    if (OneIn(3)) disk.io_tune = AnyIoTune();
    return disk;
  }

  // Those of one bus together, as libvirt keeps them.
  static void NameTargets(DomainSpec& spec) {
    std::stable_sort(spec.disks.begin(), spec.disks.end(),
                     [](const RbdDisk& a, const RbdDisk& b) { return a.bus < b.bus; });
    char virtio = 'a';
    char other = 'a';
    for (RbdDisk& disk : spec.disks) {
      disk.target = disk.bus == DiskBus::kVirtio ? absl::StrCat("vd", std::string(1, virtio++))
                                                 : absl::StrCat("sd", std::string(1, other++));
    }
  }

  IoLimit Limit() {
    IoLimit limit{.rate = Below(1 << 30) + 1};
    if (OneIn(2)) limit.burst = limit.rate + Below(1 << 20);
    if (limit.burst != 0 && OneIn(2)) limit.burst_s = Below(60) + 1;
    return limit;
  }

  IoTune AnyIoTune() {
    IoTune tune;
    if (OneIn(2)) {
      tune.total_bytes = Limit();
    } else {
      tune.read_bytes = Limit();
      if (OneIn(2)) tune.write_bytes = Limit();
    }
    if (OneIn(2)) {
      tune.total_iops = Limit();
      tune.size_iops = Below(1 << 20);
    } else if (OneIn(2)) {
      tune.write_iops = Limit();
    }
    return tune;
  }

  Nic AnyNic(uint32_t index) {
    Nic nic;
    nic.source = static_cast<NicSource>(Below(2));
    nic.source_name = absl::StrCat("br", Below(100));
    nic.mac = absl::StrFormat("52:54:00:%02x:%02x:%02x", Below(256), Below(256), index);
    nic.model = static_cast<NicModel>(Below(3));
    if (OneIn(3)) nic.mtu = 1000 + Below(9000);
    if (OneIn(3) && nic.model == NicModel::kVirtio) nic.queues = Below(16) + 2;
    if (OneIn(3) && nic.source == NicSource::kBridge) {
      nic.open_vswitch = OpenVswitchPort{.interface_id = AnyUuid().ToString()};
      for (uint32_t tag = Below(3); tag > 0; --tag) nic.open_vswitch->vlan_tags.push_back(tag * 7);
    } else if (OneIn(2)) {
      nic.filter = NicFilter{.name = "clean-traffic"};
      for (uint32_t i = Below(3); i > 0; --i) nic.filter->ips.push_back(absl::StrCat("10.0.0.", i));
    }
    nic.link_down = OneIn(4);
    if (OneIn(4)) nic.boot_order = 100 + index;
    return nic;
  }

  std::set<uint32_t> AnySet(uint32_t limit) {
    std::set<uint32_t> set = {Below(limit)};
    for (uint32_t i = Below(6); i > 0; --i) set.insert(Below(limit));
    return set;
  }

  HostPlacement AnyHost(uint32_t vcpus) {
    HostPlacement host;
    for (uint32_t vcpu = 0; vcpu < vcpus; ++vcpu) {
      if (OneIn(4)) host.vcpu_pins.push_back({.vcpu = vcpu, .host_cpus = AnySet(64)});
    }
    if (OneIn(2)) host.emulator_cpus = AnySet(64);
    if (OneIn(2)) host.memory_nodes = AnySet(8);
    if (OneIn(2)) host.hugepage_kib = OneIn(2) ? 2048 : 1048576;
    return host;
  }

  // Two that share all vCPUs and all memory.
  void AddNumaNodes(DomainSpec& spec) {
    const uint64_t memory = std::max(spec.memory_mib, spec.max_memory_mib);
    if (spec.vcpus < 2 || memory < 2) return;
    spec.numa_nodes = {{.memory_mib = memory / 2}, {.memory_mib = memory - memory / 2}};
    for (uint32_t cpu = 0; cpu < spec.vcpus; ++cpu) {
      spec.numa_nodes[cpu < 2 ? cpu : Below(2)].cpus.insert(cpu);
    }
  }

  std::mt19937_64& random_;
  const Texts texts_;
};

}  // namespace

DomainSpec RandomSpec(std::mt19937_64& random, Texts texts) {
  return Generator(random, texts).Spec();
}

}  // namespace hvagent::domain_xml
