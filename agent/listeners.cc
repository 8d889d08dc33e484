#include "agent/listeners.h"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_credentials_options.h"

namespace hvagent {
namespace {

constexpr unsigned int kReloadSeconds = 10;

}  // namespace

std::shared_ptr<grpc::ServerCredentials> TlsCredentials(const v1::TlsFiles& files) {
  const auto provider = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      files.private_key_file(), files.certificate_file(), files.ca_file(), kReloadSeconds);
  grpc::experimental::TlsServerCredentialsOptions options(provider);
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  // The default asks for no client certificate at all.
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  return grpc::experimental::TlsServerCredentials(options);
}

absl::Status PrepareSocketFolder(const std::string& socket_path) {
  const std::filesystem::path folder = std::filesystem::path(socket_path).parent_path();
  std::error_code error;
  if (std::filesystem::is_directory(folder, error)) return absl::OkStatus();
  std::filesystem::create_directories(folder.parent_path(), error);
  if (mkdir(folder.c_str(), S_IRWXU) != 0) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat("cannot make the socket's folder ", folder.string()));
  }
  return absl::OkStatus();
}

}  // namespace hvagent
