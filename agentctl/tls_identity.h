// The operator's certificate: read and checked before anything is dialled, since what gRPC says
// of a bad one later ("connection reset") helps nobody.
#ifndef HVAGENT_AGENTCTL_TLS_IDENTITY_H_
#define HVAGENT_AGENTCTL_TLS_IDENTITY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hvagent/v1/config.pb.h"
#include "secrets/secret_bytes.h"

namespace hvagent::agentctl {

struct TlsIdentity {
  std::string certificate_pem;
  secrets::SecretBytes private_key_pem;
  std::string ca_pem;
  // For messages.
  std::string certificate_file;
  std::string ca_file;
  std::string subject;
};

// Reads the three files and checks what can be known without a server.
// Errors: FAILED_PRECONDITION with reason TLS_NOT_CONFIGURED (a file is not named),
// TLS_FILE_UNREADABLE, TLS_FILE_MALFORMED, TLS_CERTIFICATE_EXPIRED, TLS_CERTIFICATE_NOT_YET_VALID
// or TLS_KEY_MISMATCH; the message names the file.
absl::StatusOr<TlsIdentity> LoadTlsIdentity(const v1::TlsFiles& files, absl::Time now);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_TLS_IDENTITY_H_
