// Where a key comes from, on the node: pushed in the request, a keyring file, the monitors, or a
// systemd credential. `stdin` and a keyring beside agentctl are agentctl's to read and push.
#ifndef HVAGENT_SECRETS_KEY_SOURCE_H_
#define HVAGENT_SECRETS_KEY_SOURCE_H_

#include <string>

#include "absl/status/statusor.h"
#include "secrets/ceph_key.h"

namespace hvagent::secrets {

// The key of `entity` from a file: a keyring, or the bare key. No error quotes what was read.
// Errors: NOT_FOUND, PERMISSION_DENIED (the file), INVALID_ARGUMENT (not absolute, longer than
// 64 KiB), and ParseKeyring's and ParseCephKey's, each naming the file.
absl::StatusOr<CephKey> ReadKeyFile(const std::string& path, const std::string& entity);

// From the systemd credential `name` (LoadCredential=), a file in $CREDENTIALS_DIRECTORY.
// Errors: ReadKeyFile's; INVALID_ARGUMENT (a name with '/'); FAILED_PRECONDITION (NO_CREDENTIALS)
// when this process has no credentials.
absl::StatusOr<CephKey> ReadKeyCredential(const std::string& name, const std::string& entity);

}  // namespace hvagent::secrets

#endif  // HVAGENT_SECRETS_KEY_SOURCE_H_
