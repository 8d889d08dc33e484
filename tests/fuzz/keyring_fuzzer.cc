// Any bytes as a keyring file and as a cephx key: refused with one short line, or read as a key
// that reads the same when it is written again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "secrets/ceph_key.h"

namespace {

using hvagent::secrets::CephKey;
using hvagent::secrets::ParseCephKey;
using hvagent::secrets::ParseKeyring;

void Require(bool condition) {
  if (!condition) std::abort();
}

void Check(const absl::StatusOr<CephKey>& key) {
  if (key.ok()) {
    const auto again = ParseCephKey(absl::Base64Escape(key->value().Reveal()));
    Require(again.ok() && again->type() == key->type() && again->value().Equals(key->value()));
    return;
  }
  Require(absl::IsInvalidArgument(key.status()) || absl::IsNotFound(key.status()));
  Require(!key.status().message().empty() && key.status().message().size() < 1000);
  Require(!absl::StrContains(key.status().message(), '\n'));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  Check(ParseCephKey(text));
  Check(ParseKeyring(text, "client.cinder"));
  return 0;
}
