// What tells two keys apart without telling what they are: HMAC-SHA256 under a salt that only the
// agents of one cluster know, cut to 64 bits. A bare hash would be the same in every cluster and
// every log that it ever gets into.
#ifndef HVAGENT_SECRETS_FINGERPRINT_H_
#define HVAGENT_SECRETS_FINGERPRINT_H_

#include <string>

#include "secrets/secret_bytes.h"

namespace hvagent::secrets {

// 16 lower-case hex digits. `value` is a secret's value as libvirt keeps it (CephKey::value).
// Pure; thread-safe.
std::string Fingerprint(const SecretBytes& salt, const SecretBytes& value);

}  // namespace hvagent::secrets

#endif  // HVAGENT_SECRETS_FINGERPRINT_H_
