// Which ceph secrets a domain's disks name, and how to make them name another. Works on any domain
// XML, also on what we did not write: only the text of the secrets' names changes. Pure.
#ifndef HVAGENT_DOMAIN_XML_SECRET_USE_H_
#define HVAGENT_DOMAIN_XML_SECRET_USE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/uuid.h"

namespace hvagent::domain_xml {

// One <auth> of a disk: libvirt lets it name its secret by UUID or by usage.
struct SecretUse {
  std::string username;      // without "client."
  std::optional<Uuid> uuid;  // one of the two is set
  std::string usage;
  friend bool operator==(const SecretUse&, const SecretUse&) = default;
};

// Of every disk with a ceph secret, each once, in the order of the disks. Reads <auth> both under
// <disk> and under <source>, also of a mirror or a backing store.
// Errors: INVALID_ARGUMENT when it is not domain XML, or an <auth> names no secret.
absl::StatusOr<std::vector<SecretUse>> SecretUses(absl::string_view xml);

// The XML with every use of the ceph secret `from` (by its UUID, or by `from_usage` when that is
// not empty) made a use by UUID of `to`; nullopt when there is none. Every other byte stays as it
// is. The XML may hold passwords: whoever has it wipes it (secrets::WipeString).
// Errors: INVALID_ARGUMENT when it is not domain XML.
absl::StatusOr<std::optional<std::string>> ReplaceSecret(absl::string_view xml, const Uuid& from,
                                                         absl::string_view from_usage,
                                                         const Uuid& to);

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_SECRET_USE_H_
