#include "agent/leftovers/guest_images.h"

#include <vector>

#include "base/status_macros.h"
#include "domain_xml/disk_use.h"

namespace hvagent::leftovers {

absl::StatusOr<std::map<std::string, uint32_t>> GuestImages(hypervisor::Hypervisor& hypervisor) {
  using hypervisor::DomainState;
  std::map<std::string, uint32_t> guests;
  ASSIGN_OR_RETURN(const std::vector<hypervisor::DomainInfo> domains, hypervisor.ListDomains());
  for (const hypervisor::DomainInfo& domain : domains) {
    if (domain.state != DomainState::kRunning && domain.state != DomainState::kPaused) continue;
    const absl::StatusOr<std::string> xml = hypervisor.GetDomainXml(domain.uuid);
    if (absl::IsNotFound(xml.status())) continue;  // Gone since it was listed.
    RETURN_IF_ERROR(xml.status());
    ASSIGN_OR_RETURN(const std::vector<std::string> images, domain_xml::RbdImagesOf(*xml));
    for (const std::string& image : images) ++guests[image];
  }
  return guests;
}

}  // namespace hvagent::leftovers
