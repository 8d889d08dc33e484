#include "agentctl/connection_doctor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agentctl/errors.h"
#include "agentctl/openssl_ptr.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/unique_handle.h"

namespace hvagent::agentctl {
namespace {

struct FdTraits {
  using Handle = int;
  static int Invalid() { return -1; }
  static void Close(int fd) { ::close(fd); }
};
using UniqueFd = UniqueHandle<FdTraits>;

absl::Status Unavailable(absl::string_view reason, absl::string_view message) {
  return Error(absl::StatusCode::kUnavailable, reason, message);
}

absl::Status ConnectError(int error, absl::string_view address, absl::Duration timeout) {
  switch (error) {
    case ENOENT:
      return WithHint(
          Unavailable("AGENT_NOT_RUNNING", absl::StrCat("there is no socket at ", address)),
          "is agentd running there? For other machines name the nodes in a configuration "
          "file");
    case ECONNREFUSED:
      return WithHint(Unavailable("AGENT_NOT_RUNNING", absl::StrCat("nobody listens at ", address,
                                                                    ": connection refused")),
                      "is agentd running there?");
    case ETIMEDOUT:
      return WithHint(
          Unavailable("ADDRESS_UNREACHABLE", absl::StrCat("no answer from ", address, " within ",
                                                          absl::FormatDuration(timeout))),
          "is the machine up, and does the network let us through?");
    default:
      return Unavailable("ADDRESS_UNREACHABLE",
                         absl::StrCat("cannot connect to ", address, ": ", std::strerror(error)));
  }
}

// What to do where the socket at `path` may not be used.
absl::string_view WhoMayConnect(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return "run as root: its folder is closed to others";
  if ((info.st_mode & S_IWGRP) == 0) return "run as root: the socket is closed to others";
  return "run as root, or join the group that owns the socket";
}

// Waits until `fd` is ready for `events`; false when `timeout` passed.
bool WaitFor(int fd, short events, absl::Duration timeout) {
  pollfd entry{fd, events, 0};
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    const auto left = absl::ToInt64Milliseconds(deadline - absl::Now());
    const int ready = ::poll(&entry, 1, left < 0 ? 0 : static_cast<int>(left));
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

absl::StatusOr<UniqueFd> Connect(const sockaddr* where, socklen_t length, absl::string_view address,
                                 absl::Duration timeout) {
  UniqueFd fd(::socket(where->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return ConnectError(errno, address, timeout);
  if (::connect(fd.get(), where, length) == 0) return fd;
  if (errno != EINPROGRESS) return ConnectError(errno, address, timeout);
  if (!WaitFor(fd.get(), POLLOUT, timeout)) return ConnectError(ETIMEDOUT, address, timeout);
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return ConnectError(error, address, timeout);
  return fd;
}

absl::Status DiagnoseUnix(absl::string_view address, absl::Duration timeout) {
  const absl::string_view path = absl::StripPrefix(address, "unix:");
  sockaddr_un where{};
  where.sun_family = AF_UNIX;
  if (path.size() >= sizeof where.sun_path) {
    return Unavailable("ADDRESS_UNREACHABLE", absl::StrCat(address, " is too long for a socket"));
  }
  std::memcpy(where.sun_path, path.data(), path.size());
  // To connect takes leave to write.
  if (::faccessat(AT_FDCWD, where.sun_path, W_OK, AT_EACCESS) != 0 && errno == EACCES) {
    return WithHint(Error(absl::StatusCode::kPermissionDenied, "SOCKET_NOT_PERMITTED",
                          absl::StrCat("no permission for ", path)),
                    WhoMayConnect(std::string(path)));
  }
  return Connect(reinterpret_cast<const sockaddr*>(&where), sizeof where, path, timeout).status();
}

struct HostPort {
  std::string host;
  std::string port;
};

absl::StatusOr<HostPort> Split(absl::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos || colon == 0 || colon + 1 == address.size()) {
    return Unavailable("ADDRESS_UNREACHABLE",
                       absl::StrCat("'", address,
                                    "' is not an address: write host:port or "
                                    "unix:/path"));
  }
  absl::string_view host = address.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  return HostPort{std::string(host), std::string(address.substr(colon + 1))};
}

absl::StatusOr<UniqueFd> ConnectTcp(const HostPort& target, absl::string_view address,
                                    absl::Duration timeout) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(target.host.c_str(), target.port.c_str(), &hints, &found);
  if (error != 0) {
    return Unavailable("ADDRESS_UNREACHABLE",
                       absl::StrCat("cannot resolve ", target.host, ": ", ::gai_strerror(error)));
  }
  const absl::Cleanup free_found = [found] { ::freeaddrinfo(found); };
  return Connect(found->ai_addr, found->ai_addrlen, address, timeout);
}

OpenSslPtr<SSL_CTX> MakeContext(const TlsIdentity& identity) {
  OpenSslPtr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
  const OpenSslPtr<BIO> certificates = ReadingBio(identity.certificate_pem);
  const OpenSslPtr<X509> own(PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr));
  SSL_CTX_use_certificate(context.get(), own.get());
  // Intermediates, which a server needs to see too; the context takes them over.
  while (X509* next = PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr)) {
    SSL_CTX_add_extra_chain_cert(context.get(), next);
  }
  char no_pass_phrase[] = "";
  const OpenSslPtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(
      ReadingBio(identity.private_key_pem.Reveal()).get(), nullptr, nullptr, no_pass_phrase));
  SSL_CTX_use_PrivateKey(context.get(), key.get());
  const OpenSslPtr<BIO> authorities = ReadingBio(identity.ca_pem);
  while (X509* next = PEM_read_bio_X509(authorities.get(), nullptr, nullptr, nullptr)) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), next);
    X509_free(next);
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  // gRPC's server ends a handshake that does not speak of HTTP/2.
  static constexpr unsigned char kHttp2[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context.get(), kHttp2, sizeof kHttp2);
  ERR_clear_error();
  return context;
}

// Runs `step` (an SSL_ function) until it is done or fails; 0 means that `timeout` passed.
template <typename Step>
int Drive(SSL& ssl, int fd, absl::Duration timeout, Step step) {
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    const int result = step();
    if (result > 0) return 1;
    const int error = SSL_get_error(&ssl, result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return -1;
    const short events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
    if (!WaitFor(fd, events, deadline - absl::Now())) return 0;
  }
}

absl::Status ClientRefused(absl::string_view address, const TlsIdentity& identity,
                           absl::string_view why) {
  return WithHint(Unavailable("CLIENT_CERTIFICATE_REFUSED",
                              absl::StrCat("the agent at ", address, " ", why, " our certificate ",
                                           identity.certificate_file, " (", identity.subject, ")")),
                  "is it signed by the CA that the agent trusts, and are both clocks right?");
}

absl::Status Handshake(int fd, const HostPort& target, absl::string_view address,
                       const TlsIdentity& identity, absl::Duration timeout) {
  const OpenSslPtr<SSL_CTX> context = MakeContext(identity);
  const OpenSslPtr<SSL> ssl(SSL_new(context.get()));
  SSL_set_fd(ssl.get(), fd);
  in6_addr literal;
  if (::inet_pton(AF_INET, target.host.c_str(), &literal) == 1 ||
      ::inet_pton(AF_INET6, target.host.c_str(), &literal) == 1) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), target.host.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl.get(), target.host.c_str());
    SSL_set1_host(ssl.get(), target.host.c_str());
  }

  const int shaken = Drive(*ssl, fd, timeout, [&] { return SSL_connect(ssl.get()); });
  if (shaken == 0) {
    return WithHint(
        Unavailable("AGENT_SILENT", absl::StrCat(address,
                                                 " accepts connections but did not answer a "
                                                 "TLS handshake within ",
                                                 absl::FormatDuration(timeout))),
        "is that agentd's port, and is agentd alive there?");
  }
  if (shaken < 0) {
    if (const long verdict = SSL_get_verify_result(ssl.get()); verdict != X509_V_OK) {
      ERR_clear_error();
      return WithHint(
          Unavailable(
              "SERVER_CERTIFICATE_REFUSED",
              absl::StrCat("the certificate of the agent at ", address,
                           " is not to be trusted: ", X509_verify_cert_error_string(verdict),
                           ", as judged by ", identity.ca_file)),
          "is tls.ca_file the CA that signed the agents' certificates, and does the certificate "
          "name this address?");
    }
    const std::string cause = TakeOpenSslError();
    if (absl::StrContains(cause, "alert")) {
      return ClientRefused(address, identity, absl::StrCat("refused (", cause, ")"));
    }
    return Unavailable("AGENT_SILENT", absl::StrCat("the TLS handshake with ", address, " failed: ",
                                                    cause, ": is that agentd's port?"));
  }

  // With TLS 1.3 the client is done before the server has judged its certificate: a refusal comes
  // as an alert, or as a connection that just ends, in place of the server's first bytes.
  char byte = 0;
  const int heard = Drive(*ssl, fd, timeout, [&] { return SSL_read(ssl.get(), &byte, 1); });
  if (heard >= 0) return absl::OkStatus();
  const std::string cause = TakeOpenSslError();
  if (absl::StrContains(cause, "alert")) {
    return ClientRefused(address, identity, absl::StrCat("refused (", cause, ")"));
  }
  return ClientRefused(address, identity,
                       "ended the connection right after the handshake: most likely it refused");
}

}  // namespace

absl::Status DiagnoseConnection(absl::string_view address, const TlsIdentity* identity,
                                absl::Duration timeout) {
  if (absl::StartsWith(address, "unix:")) return DiagnoseUnix(address, timeout);
  ASSIGN_OR_RETURN(const HostPort target, Split(address));
  ASSIGN_OR_RETURN(const UniqueFd fd, ConnectTcp(target, address, timeout));
  if (identity == nullptr) return absl::OkStatus();
  return Handshake(fd.get(), target, address, *identity, timeout);
}

}  // namespace hvagent::agentctl
