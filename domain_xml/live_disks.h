// The disks of a guest as libvirt shows them, whoever gave them to it, and a disk to give to it as
// it runs. Pure.
#ifndef HVAGENT_DOMAIN_XML_LIVE_DISKS_H_
#define HVAGENT_DOMAIN_XML_LIVE_DISKS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "domain_xml/domain_spec.h"

namespace hvagent::domain_xml {

struct LiveDisk {
  std::string source;  // "pool/image" of an rbd disk; empty: it is none
  std::string target;  // "vdb"
  // Whether RenderAttachment made it: libvirt keeps an alias that begins with "ua-".
  bool was_attached = false;
  friend bool operator==(const LiveDisk&, const LiveDisk&) = default;
};

// Every disk of a domain, in its order. Errors: INVALID_ARGUMENT when it is not domain XML.
absl::StatusOr<std::vector<LiveDisk>> LiveDisksOf(absl::string_view xml);

// `spec.disks[index]` as a <disk> to attach to a guest that has `live`: its target is another when
// that is taken, since a guest keeps its disks where they are.
// Errors: as Render; RESOURCE_EXHAUSTED (NO_FREE_TARGET).
absl::StatusOr<std::string> RenderAttachment(const DomainSpec& spec, size_t index,
                                             const std::vector<LiveDisk>& live);

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_LIVE_DISKS_H_
