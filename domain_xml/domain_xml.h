// DomainSpec to libvirt's domain XML and back. Pure: no libvirt, no files, no network.
#ifndef HVAGENT_DOMAIN_XML_DOMAIN_XML_H_
#define HVAGENT_DOMAIN_XML_DOMAIN_XML_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "domain_xml/domain_spec.h"

namespace hvagent::domain_xml {

// The namespace of our mark in <metadata>.
inline constexpr char kMarkNamespace[] = "https://hypervisor-agent.org/domain/1";

// The XML to define. Built as a tree, then parsed back and compared, so that what is returned is
// known to say what `spec` says. The root disk is the guide's: type network, driver qemu/raw with
// the cache mode, auth with user and secret, rbd source with every monitor, target on virtio.
// Errors: INVALID_ARGUMENT when a value cannot be written (control characters, invalid UTF-8, no
// disk, no monitor).
absl::StatusOr<std::string> Render(const DomainSpec& spec);

// Reads back what Render wrote, also after libvirt added aliases, addresses and defaults.
// Errors: INVALID_ARGUMENT when it is not XML, has no mark, or is no DomainSpec.
absl::StatusOr<DomainSpec> Parse(absl::string_view xml);

// Only our mark; nullopt for a domain of somebody else's.
// Errors: INVALID_ARGUMENT when it is not domain XML, or bears a mark that cannot be read.
absl::StatusOr<std::optional<DomainMark>> ParseMark(absl::string_view xml);

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_DOMAIN_XML_H_
