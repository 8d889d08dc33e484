// Why no call gets through to an agent.
#ifndef HVAGENT_AGENTCTL_CONNECTION_DOCTOR_H_
#define HVAGENT_AGENTCTL_CONNECTION_DOCTOR_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agentctl/tls_identity.h"

namespace hvagent::agentctl {

// Connects to `address` ("host:port" or "unix:/path") once more, by a plain socket and, with an
// `identity`, by a TLS handshake of OpenSSL's, which both name the cause where gRPC does not.
// OK when nothing is wrong as far as can be seen from here. Each of its steps blocks for at most
// `timeout`; names are resolved with the system's own patience.
// Errors: UNAVAILABLE with reason AGENT_NOT_RUNNING (nobody listens), ADDRESS_UNREACHABLE,
// AGENT_SILENT (connected, but no handshake), SERVER_CERTIFICATE_REFUSED (by us) or
// CLIENT_CERTIFICATE_REFUSED (by the agent); PERMISSION_DENIED (the socket's mode).
absl::Status DiagnoseConnection(absl::string_view address, const TlsIdentity* identity,
                                absl::Duration timeout);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_CONNECTION_DOCTOR_H_
