// Private to domain_xml: where two messages differ.
#ifndef HVAGENT_DOMAIN_XML_SPEC_DIFFERENCES_H_
#define HVAGENT_DOMAIN_XML_SPEC_DIFFERENCES_H_

#include <string>
#include <vector>

#include "hvagent/v1/vm.pb.h"

namespace hvagent::domain_xml {

enum class DifferenceKind { kChanged, kAdded, kRemoved };

struct Difference {
  // "root_disk.size_gib", "volumes[1]". An index is the element's place in the second spec, or in
  // the first where the second lacks it.
  std::string path;
  DifferenceKind kind = DifferenceKind::kChanged;
};

// How elements of lists find their counterparts: by their places; or volumes by their ids, NICs by
// their MACs and CPU features by their names, wherever they stand.
enum class MatchElements { kByPlace, kByKey };

// In the order of the fields. A message that one side lacks is compared as an empty one.
std::vector<Difference> FindDifferences(const v1::VmSpec& from, const v1::VmSpec& to,
                                        MatchElements match);

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_SPEC_DIFFERENCES_H_
