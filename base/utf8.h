// Whether bytes are text. Names, manifests and XML come from outside; what is no text is refused
// before a parser sees it.
#ifndef HVAGENT_BASE_UTF8_H_
#define HVAGENT_BASE_UTF8_H_

#include "absl/strings/string_view.h"

namespace hvagent {

// Well-formed UTF-8: shortest forms only, no surrogates, nothing above U+10FFFF.
bool IsUtf8(absl::string_view text);

}  // namespace hvagent

#endif  // HVAGENT_BASE_UTF8_H_
