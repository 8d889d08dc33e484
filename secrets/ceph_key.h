// A cephx key, checked before it goes anywhere: Ceph reports a mistyped key only much later, as a
// guest that hangs or is refused.
//
// A key is printed as base64 of: u16 type, u32 seconds and u32 nanoseconds of its making, u16
// length, and that many bytes; all little endian. libvirt's secret value is the whole of that,
// decoded.
//
// No error here quotes its input. Thread-safe: all functions are pure.
#ifndef HVAGENT_SECRETS_CEPH_KEY_H_
#define HVAGENT_SECRETS_CEPH_KEY_H_

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "secrets/secret_bytes.h"

namespace hvagent::secrets {

// A well-formed key; made by ParseCephKey only. As SecretBytes, it moves and does not copy.
class CephKey {
 public:
  enum class Type : uint16_t {
    kAes = 1,      // 16 bytes
    kAes256k = 2,  // 32 bytes, from Ceph 20 on
  };

  Type type() const { return type_; }
  // When Ceph made the key, in whole seconds: the same on every node with no word exchanged, so it
  // serves as the key's generation.
  absl::Time create_time() const;
  // What libvirt keeps: header and key, not base64.
  const SecretBytes& value() const { return value_; }

  // A copy, where two owners are really needed.
  CephKey Clone() const { return {type_, value_.Clone()}; }

 private:
  friend absl::StatusOr<CephKey> CephKeyOf(const SecretBytes& value);
  CephKey(Type type, SecretBytes value) : type_(type), value_(std::move(value)) {}

  Type type_;
  SecretBytes value_;
};

// Reads a key as `ceph auth get-key` prints it; white space around it is ignored.
// Errors: INVALID_ARGUMENT (CEPH_KEY_MALFORMED): empty, not base64, base64 of base64, cut short
// or too long, of an unknown type.
absl::StatusOr<CephKey> ParseCephKey(absl::string_view base64);

// The key that libvirt keeps as `value` (CephKey::value). Errors: as ParseCephKey.
absl::StatusOr<CephKey> CephKeyOf(const SecretBytes& value);

// Reads the key of exactly `entity` from a keyring file's text:
//   [client.cinder]
//       key = AQB...
//       caps mon = "profile rbd"
// Copies nothing; the caller wipes `text`.
// Errors: NOT_FOUND (ENTITY_NOT_IN_KEYRING), naming the entities that are there;
// INVALID_ARGUMENT (KEYRING_MALFORMED, with the line's number; CEPH_KEY_MALFORMED).
absl::StatusOr<CephKey> ParseKeyring(absl::string_view text, absl::string_view entity);

}  // namespace hvagent::secrets

#endif  // HVAGENT_SECRETS_CEPH_KEY_H_
