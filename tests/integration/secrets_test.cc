// Secrets through the API: sources of keys, bad input, repair, report, metrics.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/api_client.h"
#include "tests/integration/memory_agent.h"
#include "tests/support/status_matchers.h"

namespace hvagent {
namespace {

using ::hvagent::testing::ApiClient;
using ::hvagent::testing::Fails;
using ::hvagent::testing::kTestKey;
using ::hvagent::testing::MemoryAgent;
using ::testing::HasSubstr;
using ::testing::Not;

// Well-formed, and of nobody.
constexpr char kOtherKey[] = "AQBf+wJrXmZAFxAAx7NPkAzxDRwY+XABrA7IPw==";

v1::AgentConfig WithMetrics() {
  v1::AgentConfig config;
  config.set_metrics_address("127.0.0.1:0");
  return config;
}

class SecretsTest : public ::testing::Test {
 protected:
  static v1::SyncSecretRequest Request() {
    v1::SyncSecretRequest request;
    request.set_entity("client.cinder");
    request.set_key(kTestKey);
    return request;
  }
  absl::StatusOr<v1::SyncSecretResponse> Sync(const v1::SyncSecretRequest& request) {
    return ApiClient::Call(*client_.secrets, &v1::SecretService::Stub::Sync, request);
  }
  // Refused for this field, and nothing was done.
  void ExpectRefused(const v1::SyncSecretRequest& request, const std::string& field) {
    const absl::Status status = Sync(request).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(field));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("AQBf")));
    EXPECT_TRUE(agent_.secrets().List()->empty());
  }
  std::string Scrape() {
    const int connection = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(agent_.server().metrics_port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
    EXPECT_EQ(write(connection, request.data(), request.size()), ssize_t(request.size()));
    std::string answer;
    char buffer[4096];
    for (ssize_t size = 0; (size = read(connection, buffer, sizeof(buffer))) > 0;) {
      answer.append(buffer, size_t(size));
    }
    close(connection);
    return answer;
  }

  MemoryAgent agent_{WithMetrics()};
  ApiClient client_{agent_.channel()};
};

TEST_F(SecretsTest, RefusesInputThatIsWrongWithTheFieldsName) {
  v1::SyncSecretRequest request = Request();
  request.set_key("");
  ExpectRefused(request, "key");
  request.set_key("AQBf+wJrXmZAFxAAx7NPkAzxDRwY");
  ExpectRefused(request, "key");
  request = Request();
  request.set_from_monitors(true);
  ExpectRefused(request, "exactly one of");
  for (const char* uuid :
       {"4810c760", "{4810c760-dc42-4e5f-9d41-7346db7d7da2}", "4810c760dc424e5f9d417346db7d7da2"}) {
    request = Request();
    request.set_uuid(uuid);
    ExpectRefused(request, "uuid");
    request = Request();
    request.set_replaces_uuid(uuid);
    ExpectRefused(request, "replaces_uuid");
  }
  request = Request();
  request.set_usage("two\nlines");
  ExpectRefused(request, "usage");
  for (const char* entity : {"", "cinder", "osd.0", "client.", "client.a b"}) {
    request = Request();
    request.set_entity(entity);
    ExpectRefused(request, "entity");
  }
}

TEST_F(SecretsTest, TakesUuidsInUpperCaseForTheSame) {
  v1::SyncSecretRequest request = Request();
  request.set_uuid("4810C760-DC42-4E5F-9D41-7346DB7D7DA2");
  const auto synced = Sync(request);
  ASSERT_OK(synced);
  EXPECT_EQ(synced->secret().uuid(), "4810c760-dc42-4e5f-9d41-7346db7d7da2");
}

TEST_F(SecretsTest, ReadsAKeyringOnTheNodeAndSaysWhatIsWrongWithIt) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/", getpid(), ".keyring");
  v1::SyncSecretRequest request;
  request.set_entity("client.cinder");
  request.set_keyring_file(path);
  EXPECT_EQ(Sync(request).status().code(), absl::StatusCode::kNotFound);
  std::ofstream(path) << "[client.glance]\nkey = " << kOtherKey << "\n";
  EXPECT_THAT(Sync(request), Fails(absl::StatusCode::kNotFound, "ENTITY_NOT_IN_KEYRING"));
  std::ofstream(path) << "[client.glance]\nkey = " << kOtherKey
                      << "\n[client.cinder]\nkey = " << kTestKey << "\n";
  EXPECT_OK(Sync(request));
  unlink(path.c_str());

  request.clear_keyring_file();
  request.set_credential("ceph-key");
  EXPECT_THAT(Sync(request), Fails(absl::StatusCode::kFailedPrecondition, "NO_CREDENTIALS"));
}

TEST_F(SecretsTest, FetchesAKeyFromTheMonitors) {
  v1::SyncSecretRequest request;
  request.set_entity("client.vm.g2");
  request.set_from_monitors(true);
  EXPECT_EQ(Sync(request).status().code(), absl::StatusCode::kNotFound);
  agent_.keys().cluster().SetKey("client.vm.g2", *secrets::ParseCephKey(kOtherKey));
  EXPECT_OK(Sync(request));
  agent_.keys().SetCaps(block::MemoryClusterKeys::Caps::kNoFetch);
  EXPECT_THAT(Sync(request), Fails(absl::StatusCode::kPermissionDenied, "CEPH_CAPS"));
}

TEST_F(SecretsTest, AWrongKeyAndACephThatIsAwayChangeNothing) {
  agent_.keys().cluster().SetKey("client.cinder", *secrets::ParseCephKey(kOtherKey));
  EXPECT_THAT(Sync(Request()), Fails(absl::StatusCode::kUnauthenticated, "CEPH_KEY_REFUSED"));
  agent_.keys().faults().SetHealth(
      Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE", "no monitor answers"));
  EXPECT_THAT(Sync(Request()), Fails(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE"));
  EXPECT_TRUE(agent_.secrets().List()->empty());
}

TEST_F(SecretsTest, ARepairIsCountedAndTold) {
  const auto synced = Sync(Request());
  ASSERT_OK(synced);
  const Uuid uuid = *Uuid::Parse(synced->secret().uuid());
  EXPECT_THAT(Scrape(), HasSubstr("\nhvagent_secret_repairs_total 0\n"));
  ASSERT_OK(agent_.secrets().Undefine(uuid));
  while (!agent_.secrets().CheckUsable(uuid).ok()) std::this_thread::yield();
  std::string metrics;
  do {
    metrics = Scrape();
  } while (metrics.find("\nhvagent_secret_repairs_total 1\n") == std::string::npos);
  EXPECT_THAT(metrics, HasSubstr("\nhvagent_secrets_right 1\n"));

  // What it may not repair it says.
  ASSERT_OK(agent_.secrets().Undefine(uuid));
  const std::string usage = synced->secret().usage();
  if (agent_.secrets().Define({.uuid = Uuid::Random(), .usage = usage}).ok()) {
    while (Scrape().find("\nhvagent_secrets_right 0\n") == std::string::npos) {
    }
    const auto node =
        ApiClient::Call(*client_.node, &v1::NodeService::Stub::GetNode, v1::GetNodeRequest());
    ASSERT_OK(node);
    for (const v1::Condition& condition : node->conditions()) {
      if (condition.type() != "SECRETS_RIGHT") continue;
      EXPECT_EQ(condition.reason(), "SECRET_CONFLICT");
      EXPECT_THAT(condition.message(), HasSubstr("--adopt"));
    }
  }
}

TEST_F(SecretsTest, TheReportGivesFingerprintsAndNoKey) {
  ASSERT_OK(Sync(Request()));
  v1::CheckSecretsRequest request;
  request.set_prove(true);
  const auto checked = ApiClient::Call(*client_.secrets, &v1::SecretService::Stub::Check, request);
  ASSERT_OK(checked);
  ASSERT_EQ(checked->secrets_size(), 1);
  EXPECT_EQ(checked->secrets(0).findings_size(), 0);
  EXPECT_EQ(checked->secrets(0).fingerprint().size(), 16u);
  EXPECT_THAT(checked->ShortDebugString(), Not(HasSubstr("AQBf")));
}

}  // namespace
}  // namespace hvagent
