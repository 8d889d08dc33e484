// A guest's disk with everything resolved. Plain values, part of a DomainSpec.
#ifndef HVAGENT_DOMAIN_XML_DISK_SPEC_H_
#define HVAGENT_DOMAIN_XML_DISK_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/uuid.h"

namespace hvagent::domain_xml {

enum class CacheMode { kNone, kWriteback, kWritethrough, kDirectsync, kUnsafe };
enum class DiscardMode { kDefault, kIgnore, kUnmap };
enum class DetectZeroes { kOff, kOn, kUnmap };
enum class DiskBus { kVirtio, kScsi, kSata };
enum class ErrorPolicy { kStop, kReport, kEnospace };

// Where a monitor listens. `name` is a host name, an IPv4 address, or an IPv6 address without
// brackets (libvirt wants none). Port 3300 is read by librados as v2, 6789 as v1, and no port
// (0 here) as both.
struct MonitorHost {
  std::string name;
  uint16_t port = 0;
  friend bool operator==(const MonitorHost&, const MonitorHost&) = default;
};

// How the guest's QEMU proves who it is: a cephx user without "client.", and libvirt's secret.
struct CephAuth {
  std::string username;
  Uuid secret_uuid;
  friend bool operator==(const CephAuth&, const CephAuth&) = default;
};

// How much of one thing, bytes or operations, goes through each second. 0: no limit.
struct IoLimit {
  uint64_t rate = 0;
  uint64_t burst = 0;    // what it may reach for `burst_s`
  uint64_t burst_s = 0;  // 0: libvirt's default, 1 s
  friend bool operator==(const IoLimit&, const IoLimit&) = default;
};

struct IoTune {
  IoLimit total_bytes;
  IoLimit read_bytes;
  IoLimit write_bytes;
  IoLimit total_iops;
  IoLimit read_iops;
  IoLimit write_iops;
  uint64_t size_iops = 0;  // bytes that count as one operation
  std::string group;       // empty: the disk's own
  friend bool operator==(const IoTune&, const IoTune&) = default;
};

// A network disk over rbd.
struct RbdDisk {
  std::string pool;
  std::string rados_namespace;  // empty: the pool's default one
  std::string image;
  std::vector<MonitorHost> monitors;
  std::optional<CephAuth> auth;  // none where the cluster has no cephx
  CacheMode cache = CacheMode::kWriteback;
  DiscardMode discard = DiscardMode::kDefault;
  DetectZeroes detect_zeroes = DetectZeroes::kOff;
  ErrorPolicy write_errors = ErrorPolicy::kStop;
  ErrorPolicy read_errors = ErrorPolicy::kStop;  // never kEnospace
  DiskBus bus = DiskBus::kVirtio;
  std::string target;       // "vda" on virtio, else "sda"
  uint32_t iothread = 0;    // from 1; 0: the emulator's main loop. Only on virtio
  uint32_t boot_order = 0;  // from 1; 0: nobody boots from it
  std::string serial;       // empty: none
  bool read_only = false;
  bool shareable = false;
  IoTune io_tune;
  friend bool operator==(const RbdDisk&, const RbdDisk&) = default;
};

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_DISK_SPEC_H_
