// Which rbd images a domain's disks are. Works on any domain XML, also on what we did not write.
// Pure.
#ifndef HVAGENT_DOMAIN_XML_DISK_USE_H_
#define HVAGENT_DOMAIN_XML_DISK_USE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hvagent::domain_xml {

// The `name` of every rbd source, "pool/image" or "pool/namespace/image", in the order of the
// disks; also that of a mirror or a backing store. Errors: INVALID_ARGUMENT when it is not domain
// XML.
absl::StatusOr<std::vector<std::string>> RbdImagesOf(absl::string_view xml);

// The same of the disks that the guest may write.
absl::StatusOr<std::vector<std::string>> WritableRbdImagesOf(absl::string_view xml);

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_DISK_USE_H_
