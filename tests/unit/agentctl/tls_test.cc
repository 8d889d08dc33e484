// Mutual TLS: each way in which it fails is one clear line that names the cause.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agentctl/connection_doctor.h"
#include "agentctl/node.h"
#include "agentctl/tls_identity.h"
#include "base/error.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "tests/unit/agentctl/test_pki.h"

namespace hvagent::agentctl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const absl::Time kTomorrow = absl::Now() + absl::Hours(24);
const absl::Time kYesterday = absl::Now() - absl::Hours(24);

class TlsTest : public ::testing::Test {
 protected:
  // An agent's TCP listener: clients need a certificate of `trusted`.
  void Serve(const TestCertificate& own, const std::string& trusted) {
    grpc::SslServerCredentialsOptions options(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = trusted;
    options.pem_key_cert_pairs.push_back({own.key_pem, own.certificate_pem});
    grpc::ServerBuilder builder;
    builder.SetSyncServerOption(grpc::ServerBuilder::CQ_TIMEOUT_MSEC, 50);
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }

  absl::Status Reach(const v1::TlsFiles& files) {
    Node node(
        "compute-1", address_,
        std::make_shared<const absl::StatusOr<TlsIdentity>>(LoadTlsIdentity(files, absl::Now())));
    return node.CheckReachable({});
  }

  v1::TlsFiles Files(const TestAuthority& signer, const TestAuthority& trusted,
                     absl::Time until = kTomorrow) {
    return WriteTlsFiles(dir_, signer.Issue("operator", until), trusted.certificate_pem());
  }

  const TestAuthority ca_{"the CA"};
  const TestAuthority other_ca_{"another CA"};
  TempDir dir_;
  v1::NodeService::Service service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

TEST_F(TlsTest, BothSidesOfOneCaReachEachOther) {
  Serve(ca_.Issue("compute-1", kTomorrow), ca_.certificate_pem());
  EXPECT_TRUE(Reach(Files(ca_, ca_)).ok()) << Reach(Files(ca_, ca_));
}

TEST_F(TlsTest, ServersCertificateOfAnotherCaIsNamed) {
  Serve(other_ca_.Issue("compute-1", kTomorrow), ca_.certificate_pem());
  const v1::TlsFiles files = Files(ca_, ca_);
  const absl::Status status = Reach(files);
  EXPECT_EQ(ErrorReason(status), "SERVER_CERTIFICATE_REFUSED") << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(address_), HasSubstr(files.ca_file())));
}

TEST_F(TlsTest, ServersExpiredCertificateIsNamed) {
  Serve(ca_.Issue("compute-1", kYesterday), ca_.certificate_pem());
  const absl::Status status = Reach(Files(ca_, ca_));
  EXPECT_EQ(ErrorReason(status), "SERVER_CERTIFICATE_REFUSED") << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("expired"));
}

TEST_F(TlsTest, OurCertificateOfAnotherCaIsNamed) {
  Serve(ca_.Issue("compute-1", kTomorrow), ca_.certificate_pem());
  const v1::TlsFiles files = Files(other_ca_, ca_);
  const absl::Status status = Reach(files);
  EXPECT_EQ(ErrorReason(status), "CLIENT_CERTIFICATE_REFUSED") << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(files.certificate_file()), HasSubstr("CN=operator")));
}

TEST_F(TlsTest, OurExpiredCertificateIsNamedBeforeAnythingIsDialled) {
  address_ = "127.0.0.1:1";
  const v1::TlsFiles files = Files(ca_, ca_, kYesterday);
  const absl::Status status = Reach(files);
  EXPECT_EQ(ErrorReason(status), "TLS_CERTIFICATE_EXPIRED") << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(files.certificate_file()));
}

TEST_F(TlsTest, NobodyListening) {
  Serve(ca_.Issue("compute-1", kTomorrow), ca_.certificate_pem());
  server_->Shutdown();
  server_.reset();
  EXPECT_EQ(ErrorReason(Reach(Files(ca_, ca_))), "AGENT_NOT_RUNNING");
}

TEST_F(TlsTest, ListenerThatNeverShakesHandsIsSilent) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&where), sizeof where), 0);
  ASSERT_EQ(::listen(fd, 5), 0);
  socklen_t size = sizeof where;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&where), &size);
  const auto identity = LoadTlsIdentity(Files(ca_, ca_), absl::Now());
  ASSERT_TRUE(identity.ok());
  const absl::Status status = DiagnoseConnection(absl::StrCat("127.0.0.1:", ntohs(where.sin_port)),
                                                 &*identity, absl::Milliseconds(100));
  EXPECT_EQ(ErrorReason(status), "AGENT_SILENT") << status;
  ::close(fd);
}

TEST_F(TlsTest, AddressThatIsNoneIsNamed) {
  const absl::Status status = DiagnoseConnection("compute-1", nullptr, absl::Seconds(1));
  EXPECT_THAT(std::string(status.message()), HasSubstr("'compute-1' is not an address"));
}

TEST_F(TlsTest, FilesThatAreNotNamedMissingOrMalformed) {
  const v1::TlsFiles good = Files(ca_, ca_);
  const auto reason = [](const v1::TlsFiles& files) {
    return ErrorReason(LoadTlsIdentity(files, absl::Now()).status()).value_or("none");
  };
  EXPECT_EQ(reason(good), "none");

  v1::TlsFiles files = good;
  files.clear_certificate_file();
  EXPECT_EQ(reason(files), "TLS_NOT_CONFIGURED");
  files = good;
  files.set_ca_file("/nowhere/ca.crt");
  EXPECT_EQ(reason(files), "TLS_FILE_UNREADABLE");
  files = good;
  files.set_certificate_file(dir_.Write("junk.crt", "junk"));
  EXPECT_EQ(reason(files), "TLS_FILE_MALFORMED");
  files = good;
  files.set_private_key_file(dir_.Write("other.key", ca_.Issue("operator", kTomorrow).key_pem));
  EXPECT_EQ(reason(files), "TLS_KEY_MISMATCH");
}

TEST_F(TlsTest, ErrorsNeverHoldTheKey) {
  v1::TlsFiles files = Files(ca_, ca_);
  const std::string key = ca_.Issue("operator", kTomorrow).key_pem;
  files.set_private_key_file(dir_.Write("cut.key", key.substr(0, key.size() / 2)));
  const absl::Status status = LoadTlsIdentity(files, absl::Now()).status();
  EXPECT_EQ(ErrorReason(status), "TLS_FILE_MALFORMED");
  EXPECT_THAT(std::string(status.message()), ::testing::Not(HasSubstr(key.substr(40, 20))));
}

}  // namespace
}  // namespace hvagent::agentctl
