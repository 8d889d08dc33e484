// Random DomainSpecs that are legal but odd: what a property must hold for.
#ifndef HVAGENT_TESTS_UNIT_DOMAIN_XML_RANDOM_SPEC_H_
#define HVAGENT_TESTS_UNIT_DOMAIN_XML_RANDOM_SPEC_H_

#include <random>

#include "domain_xml/domain_spec.h"

namespace hvagent::domain_xml {

// Which texts a spec may hold: all that XML can carry (markup, spaces, any script), or only what
// libvirt takes too (no '/' in a name, host names that are host names, ...).
enum class Texts { kAnyXml, kLibvirt };

DomainSpec RandomSpec(std::mt19937_64& random, Texts texts);

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_TESTS_UNIT_DOMAIN_XML_RANDOM_SPEC_H_
