#include "base/names.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace hvagent {
namespace {

constexpr size_t kMaxVmName = 63;
constexpr size_t kMaxRbdName = 95;
constexpr size_t kMaxEntityId = 64;
constexpr size_t kQuotedLength = 40;

bool IsAlnum(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }

bool IsNameChar(char c) { return IsAlnum(c) || c == '.' || c == '_' || c == '-'; }

// The name in quotes, escaped, and cut when long, so that a hostile name cannot fill a log line.
std::string Quoted(absl::string_view name) {
  if (name.size() <= kQuotedLength) return absl::StrCat("\"", absl::CHexEscape(name), "\"");
  return absl::StrCat("\"", absl::CHexEscape(name.substr(0, kQuotedLength)), "...\" (", name.size(),
                      " bytes)");
}

absl::Status CheckName(absl::string_view name, absl::string_view what, size_t max) {
  if (!name.empty() && name.size() <= max && IsAlnum(name.front()) &&
      std::all_of(name.begin(), name.end(), IsNameChar)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(Quoted(name), " is not a valid ", what, ": 1 to ", max,
                   " letters, digits, '.', '_' or '-', the first a letter or digit"));
}

}  // namespace

absl::Status CheckVmName(absl::string_view name) { return CheckName(name, "VM name", kMaxVmName); }

absl::Status CheckRbdName(absl::string_view name) {
  return CheckName(name, "RBD name", kMaxRbdName);
}

absl::Status CheckClientEntity(absl::string_view entity) {
  constexpr absl::string_view kPrefix = "client.";
  if (!absl::StartsWith(entity, kPrefix)) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(entity), " is not a cephx client, such as \"client.cinder\""));
  }
  return CheckName(entity.substr(kPrefix.size()), "cephx client id", kMaxEntityId);
}

}  // namespace hvagent
