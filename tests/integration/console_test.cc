// Consoles and logs over the API, on the memory backends, whose guests echo what is typed.
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agentctl/errors.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "hvagent/v1/vm_service.grpc.pb.h"
#include "tests/integration/api_client.h"
#include "tests/integration/memory_agent.h"
#include "tests/support/status_matchers.h"

namespace hvagent {
namespace {

using ::hvagent::testing::ApiClient;
using ::hvagent::testing::Fails;
using ::hvagent::testing::IsOk;
using ::hvagent::testing::MemoryAgent;

constexpr char kVm[] = "65bd684f-0414-4b58-9924-af681091be09";

// One Console call.
class ConsoleClient {
 public:
  ConsoleClient(v1::VmService::Stub& vms, const std::string& id, bool take_over = false)
      : stream_(vms.Console(&context_)) {
    v1::ConsoleInput first;
    first.set_id(id);
    first.set_take_over(take_over);
    stream_->Write(first);
  }

  void Type(const std::string& data) {
    v1::ConsoleInput input;
    input.set_data(data);
    stream_->Write(input);
  }
  // Reads until `text` was seen; false when the console ends before.
  bool Sees(absl::string_view text) {
    v1::ConsoleOutput output;
    while (!absl::StrContains(seen_, text)) {
      if (!stream_->Read(&output)) return false;
      seen_ += output.data();
    }
    return true;
  }
  absl::Status End() {
    v1::ConsoleOutput output;
    while (stream_->Read(&output)) {
    }
    return agentctl::FromGrpc(stream_->Finish());
  }
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ConsoleInput, v1::ConsoleOutput>> stream_;
  std::string seen_;
};

class ConsoleTest : public ::testing::Test {
 protected:
  ConsoleTest() : agent_(LoggingTo(::testing::TempDir())), client_(agent_.channel()) {
    const block::SnapshotName golden = {{"images", "", "jammy"}, "snap"};
    EXPECT_OK(agent_.block().CreateImage(golden.image, MiB(40), MiB(8)));
    EXPECT_OK(agent_.block().CreateProtectedSnapshot(golden));
    v1::SyncSecretRequest secret;
    secret.set_entity("client.cinder");
    secret.set_key(testing::kTestKey);
    EXPECT_OK(ApiClient::Call(*client_.secrets, &v1::SecretService::Stub::Sync, secret));
    v1::CreateVmRequest create;
    v1::VmSpec& spec = *create.mutable_spec();
    spec.set_uuid(kVm);
    spec.set_name("web-1");
    spec.set_vcpus(1);
    spec.set_memory_mib(64);
    spec.mutable_root_disk()->set_image("jammy");
    spec.mutable_root_disk()->set_size_gib(1);
    create.set_wait(true);
    EXPECT_OK(ApiClient::Call(*client_.vms, &v1::VmService::Stub::Create, create));
  }

  static v1::AgentConfig LoggingTo(const std::string& folder) {
    v1::AgentConfig config;
    config.mutable_guests()->set_serial_log_dir(folder);
    return config;
  }
  // As libvirt would write it.
  static std::string LogPath() {
    return absl::StrCat(::testing::TempDir(), "/", kVm, ".serial.log");
  }
  static void Log(absl::string_view text) { std::ofstream(LogPath(), std::ios::app) << text; }

  MemoryAgent agent_;
  ApiClient client_;
};

// One ReadLog call, with all that it has read.
class LogReader {
 public:
  LogReader(v1::VmService::Stub& vms, uint32_t tail_lines, bool follow) {
    v1::ReadLogRequest request;
    request.set_id(kVm);
    request.set_tail_lines(tail_lines);
    request.set_follow(follow);
    stream_ = vms.ReadLog(&context_, request);
  }
  // Reads until `text` was seen; false when the log ends before.
  bool Sees(absl::string_view text) {
    v1::ReadLogResponse response;
    while (!absl::StrContains(seen_, text)) {
      if (!stream_->Read(&response)) return false;
      seen_ += response.data();
    }
    return true;
  }
  // All there is.
  std::string ReadAll() {
    EXPECT_FALSE(Sees("no log says this"));
    EXPECT_OK(End());
    return seen_;
  }
  absl::Status End() { return agentctl::FromGrpc(stream_->Finish()); }
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::ReadLogResponse>> stream_;
  std::string seen_;
};

TEST_F(ConsoleTest, GoesBothWaysUntilTheGuestStops) {
  ConsoleClient console(*client_.vms, "web-1");
  EXPECT_TRUE(console.Sees("a simulated guest"));
  for (int i = 0; i < 100; ++i) {
    const std::string line = absl::StrCat("line ", i, "\n");
    console.Type(line);
    ASSERT_TRUE(console.Sees(line));
  }
  v1::StopVmRequest stop;
  stop.set_id(kVm);
  stop.set_force(true);
  EXPECT_OK(ApiClient::Call(*client_.vms, &v1::VmService::Stub::Stop, stop));
  EXPECT_THAT(console.End(), IsOk());
  EXPECT_THAT(ConsoleClient(*client_.vms, kVm).End(),
              Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_RUNNING"));
}

TEST_F(ConsoleTest, BelongsToOneClientWhoCanLoseIt) {
  ConsoleClient first(*client_.vms, kVm);
  ASSERT_TRUE(first.Sees("guest"));
  EXPECT_THAT(ConsoleClient(*client_.vms, kVm).End(),
              Fails(absl::StatusCode::kFailedPrecondition, "CONSOLE_IN_USE"));
  ConsoleClient second(*client_.vms, kVm, /*take_over=*/true);
  EXPECT_TRUE(second.Sees("guest"));
  EXPECT_THAT(first.End(), Fails(absl::StatusCode::kUnavailable, "CONSOLE_LOST"));
  second.Cancel();
  EXPECT_TRUE(absl::IsCancelled(second.End()));
  // The agent hears of it a moment later.
  while (!ConsoleClient(*client_.vms, kVm).Sees("guest")) {
  }
}

TEST_F(ConsoleTest, IsOfAVmThatIsHere) {
  EXPECT_THAT(ConsoleClient(*client_.vms, "nobody").End(),
              Fails(absl::StatusCode::kNotFound, "VM_NOT_FOUND"));
}

TEST_F(ConsoleTest, LogIsReadFromTheLineThatIsAskedFor) {
  ::unlink(LogPath().c_str());
  EXPECT_FALSE(LogReader(*client_.vms, 0, false).Sees("anything"));
  std::string all;
  for (int i = 0; i < 20000; ++i) absl::StrAppend(&all, "line ", i, "\n");
  Log(all);
  EXPECT_EQ(LogReader(*client_.vms, 0, false).ReadAll(), all);
  EXPECT_EQ(LogReader(*client_.vms, 2, false).ReadAll(), "line 19998\nline 19999\n");
  EXPECT_EQ(LogReader(*client_.vms, 100000, false).ReadAll(), all);
  Log("unfinished");
  EXPECT_EQ(LogReader(*client_.vms, 2, false).ReadAll(), "line 19999\nunfinished");
}

TEST_F(ConsoleTest, LogIsFollowedIntoTheNextFile) {
  ::unlink(LogPath().c_str());
  Log("first\n");
  LogReader log(*client_.vms, 1, true);
  EXPECT_TRUE(log.Sees("first\n"));
  Log("second\n");
  EXPECT_TRUE(log.Sees("first\nsecond\n"));
  Log("last of this file\n");
  ASSERT_EQ(::rename(LogPath().c_str(), (LogPath() + ".0").c_str()), 0);
  Log("first of the next\n");
  EXPECT_TRUE(log.Sees("second\nlast of this file\nfirst of the next\n"));
  log.Cancel();
  EXPECT_FALSE(log.Sees("more"));
  EXPECT_TRUE(absl::IsCancelled(log.End()));
}

}  // namespace
}  // namespace hvagent
