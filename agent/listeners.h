// Where agentd listens, and whom it lets in: TCP with mutual TLS, and a unix socket that its
// folder's mode protects. There is no listener without one of the two.
#ifndef HVAGENT_AGENT_LISTENERS_H_
#define HVAGENT_AGENT_LISTENERS_H_

#include <memory>

#include "absl/status/status.h"
#include "grpcpp/security/server_credentials.h"
#include "hvagent/v1/config.pb.h"

namespace hvagent {

// Mutual TLS: clients without a certificate of the CA are refused in the handshake. The files are
// read again when they change, for new handshakes.
std::shared_ptr<grpc::ServerCredentials> TlsCredentials(const v1::TlsFiles& files);

// Makes the socket's folder (mode 0700) when it is not there.
// Errors: of the file system, naming the folder.
absl::Status PrepareSocketFolder(const std::string& socket_path);

}  // namespace hvagent

#endif  // HVAGENT_AGENT_LISTENERS_H_
