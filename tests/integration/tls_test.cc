// Who is let in over TCP: whoever has a certificate of the lab's authority that is valid now, and
// nobody else. The agent runs in this process; openssl makes the certificates.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"
#include "tests/integration/api_client.h"
#include "tests/integration/memory_agent.h"
#include "tests/support/status_matchers.h"

namespace hvagent {
namespace {

using ::hvagent::testing::ApiClient;
using ::hvagent::testing::MemoryAgent;

void Run(const std::string& command) { ASSERT_EQ(std::system(command.c_str()), 0) << command; }

// A folder with two authorities, `ca` and `other`, and what they issued.
class Pki {
 public:
  Pki() {
    std::string folder = "/tmp/hvagent-pki.XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) abort();
    folder_ = folder;
    for (const char* authority : {"ca", "other"}) {
      Run(absl::StrCat("openssl req -x509 ", kNewKey, " -days 2 -subj /CN=", authority, " -keyout ",
                       KeyFile(authority), " -out ", File(authority), " 2>/dev/null"));
    }
    Issue("agent", "ca", 1);
    Issue("operator", "ca", 1);
    Issue("expired", "ca", -1);
    Issue("stranger", "other", 1);
  }
  ~Pki() { std::filesystem::remove_all(folder_); }

  std::string File(const std::string& name) const {
    return absl::StrCat(folder_, "/", name, ".crt");
  }
  std::string KeyFile(const std::string& name) const {
    return absl::StrCat(folder_, "/", name, ".key");
  }
  static std::string Read(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  static constexpr char kNewKey[] = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

  void Issue(const std::string& name, const std::string& authority, int days) {
    const std::string extensions = absl::StrCat(folder_, "/extensions");
    std::ofstream(extensions) << "subjectAltName=IP:127.0.0.1\n";
    Run(absl::StrCat("openssl req -new ", kNewKey, " -subj /CN=", name, " -keyout ", KeyFile(name),
                     " 2>/dev/null | openssl x509 -req -CA ", File(authority), " -CAkey ",
                     KeyFile(authority), " -set_serial 0x$(openssl rand -hex 16) -days ", days,
                     " -extfile ", extensions, " -out ", File(name), " 2>/dev/null"));
  }

  std::string folder_;
};

class TlsTest : public ::testing::Test {
 protected:
  static v1::AgentConfig Config(const Pki& pki) {
    v1::AgentConfig config;
    config.set_listen_address("127.0.0.1:0");
    config.mutable_tls()->set_certificate_file(pki.File("agent"));
    config.mutable_tls()->set_private_key_file(pki.KeyFile("agent"));
    config.mutable_tls()->set_ca_file(pki.File("ca"));
    return config;
  }

  std::string Address() { return absl::StrCat("127.0.0.1:", agent_.server().port()); }

  // A call with the certificate `name` (none when empty), by a client that trusts `authority`.
  absl::Status CallAs(const std::string& name, const std::string& authority = "ca") {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = Pki::Read(pki_.File(authority));
    if (!name.empty()) {
      options.pem_cert_chain = Pki::Read(pki_.File(name));
      options.pem_private_key = Pki::Read(pki_.KeyFile(name));
    }
    return CallOver(grpc::SslCredentials(options));
  }

  absl::Status CallOver(const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
    ApiClient client(grpc::CreateChannel(Address(), credentials));
    return ApiClient::Call(*client.node, &v1::NodeService::Stub::GetNode, v1::GetNodeRequest())
        .status();
  }

  const Pki pki_;
  MemoryAgent agent_{Config(pki_)};
};

TEST_F(TlsTest, ACertificateOfTheAuthorityIsLetIn) { EXPECT_OK(CallAs("operator")); }

TEST_F(TlsTest, WithoutACertificateNobodyIs) {
  EXPECT_TRUE(absl::IsUnavailable(CallAs(""))) << CallAs("");
}

TEST_F(TlsTest, ACertificateOfAnotherAuthorityIsRefused) {
  EXPECT_TRUE(absl::IsUnavailable(CallAs("stranger"))) << CallAs("stranger");
}

TEST_F(TlsTest, AnExpiredCertificateIsRefused) {
  EXPECT_TRUE(absl::IsUnavailable(CallAs("expired"))) << CallAs("expired");
}

TEST_F(TlsTest, PlainTextIsRefused) {
  EXPECT_TRUE(absl::IsUnavailable(CallOver(grpc::InsecureChannelCredentials())));
}

TEST_F(TlsTest, AClientThatTrustsAnotherAuthorityDoesNotTalkToTheAgent) {
  EXPECT_TRUE(absl::IsUnavailable(CallAs("operator", "other")));
}

TEST_F(TlsTest, RefusalsDoNotKeepOthersOut) {
  for (const char* name : {"", "stranger", "expired"}) EXPECT_FALSE(CallAs(name).ok());
  EXPECT_OK(CallAs("operator"));
}

TEST_F(TlsTest, TheUnixSocketNeedsNoCertificate) {
  ApiClient client(agent_.channel());
  EXPECT_OK(ApiClient::Call(*client.node, &v1::NodeService::Stub::GetNode, v1::GetNodeRequest()));
}

}  // namespace
}  // namespace hvagent
