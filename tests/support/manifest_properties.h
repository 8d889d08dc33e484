// What must be true of any bytes that somebody takes for a manifest.
#ifndef HVAGENT_TESTS_SUPPORT_MANIFEST_PROPERTIES_H_
#define HVAGENT_TESTS_SUPPORT_MANIFEST_PROPERTIES_H_

#include "absl/strings/string_view.h"

namespace hvagent::testing {

// Takes `yaml` all the way that a manifest goes, up to the domain XML of each VM. Each step refuses
// it with one line, or its result holds: a valid spec has one canonical form, which is valid, is
// the same wish, and becomes domain XML. Aborts where it does not. Returns whether every VM of it
// became XML.
bool CheckManifest(absl::string_view yaml);

}  // namespace hvagent::testing

#endif  // HVAGENT_TESTS_SUPPORT_MANIFEST_PROPERTIES_H_
