// Streams that go wrong on their way to the agent. Whatever happens, an image with a proper name
// is whole, and the pool holds nothing else.
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/api_client.h"
#include "tests/integration/memory_agent.h"
#include "tests/support/status_matchers.h"

namespace hvagent {
namespace {

using ::hvagent::testing::ApiClient;
using ::hvagent::testing::Fails;
using ::hvagent::testing::HeaderOf;
using ::hvagent::testing::MemoryAgent;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kId[] = "debian-12";

// One Import call, message by message.
class Stream {
 public:
  explicit Stream(ApiClient& client) : writer_(client.images->Import(&context_, &operation_)) {}

  bool SendHeader(uint64_t size_bytes) {
    v1::ImportImageRequest message;
    message.mutable_header()->set_id(kId);
    message.mutable_header()->set_size_bytes(size_bytes);
    return writer_->Write(message);
  }
  bool SendChunk(std::string chunk) {
    v1::ImportImageRequest message;
    message.set_chunk(std::move(chunk));
    return writer_->Write(message);
  }
  bool SendTotal(uint64_t total_bytes) {
    v1::ImportImageRequest message;
    message.set_total_bytes(total_bytes);
    return writer_->Write(message);
  }
  // The operation's id, as soon as the agent has begun.
  std::string OperationId() {
    writer_->WaitForInitialMetadata();
    const auto& metadata = context_.GetServerInitialMetadata();
    const auto id = metadata.find("hvagent-operation-id");
    if (id == metadata.end()) return "";
    return {id->second.data(), id->second.size()};
  }
  void Break() { context_.TryCancel(); }
  absl::Status Finish() {
    writer_->WritesDone();
    return agentctl::FromGrpc(writer_->Finish());
  }

 private:
  grpc::ClientContext context_;
  v1::Operation operation_;
  std::unique_ptr<grpc::ClientWriter<v1::ImportImageRequest>> writer_;
};

class ImportStreamTest : public ::testing::Test {
 protected:
  std::vector<std::string> Pool() { return *agent_.block().ListImages("images", "", 100); }

  MemoryAgent agent_;
  ApiClient client_{agent_.channel()};
  const std::string disk_ = std::string(4 << 20, 'x');
};

TEST_F(ImportStreamTest, OneThatEndsEarlyIsRefused) {
  const auto imported = client_.Import(HeaderOf(kId, disk_), disk_, disk_.size() / 2);
  EXPECT_THAT(imported, Fails(absl::StatusCode::kInvalidArgument, "TRUNCATED_STREAM"));
  EXPECT_THAT(std::string(imported.status().message()), HasSubstr(kId));
  EXPECT_THAT(Pool(), IsEmpty());
}

TEST_F(ImportStreamTest, OneWithAnotherDigestIsRefused) {
  auto header = HeaderOf(kId, disk_);
  header.set_sha256(std::string(64, '0'));
  const auto imported = client_.Import(header, disk_);
  EXPECT_THAT(imported, Fails(absl::StatusCode::kInvalidArgument, "DIGEST_MISMATCH"));
  EXPECT_THAT(Pool(), IsEmpty());
}

TEST_F(ImportStreamTest, OneWithoutAHeaderIsRefused) {
  Stream stream(client_);
  stream.SendChunk("x");
  EXPECT_EQ(ErrorField(stream.Finish()), "header");
  EXPECT_EQ(ErrorField(Stream(client_).Finish()), "header");
}

TEST_F(ImportStreamTest, AChunkThatIsTooLargeIsRefusedAndLeavesNothing) {
  Stream stream(client_);
  stream.SendHeader(0);
  stream.SendChunk(std::string((1 << 20) + 512, 'x'));
  EXPECT_EQ(ErrorField(stream.Finish()), "chunk");
  EXPECT_THAT(Pool(), IsEmpty());
}

// A cut that looks like a proper end: without a size the agent would take half a disk for a whole.
TEST_F(ImportStreamTest, OneOfUnknownSizeThatIsCutIsRefused) {
  Stream stream(client_);
  ASSERT_TRUE(stream.SendHeader(0));
  ASSERT_TRUE(stream.SendChunk(std::string(512, 'x')));
  const absl::Status cut = stream.Finish();
  EXPECT_THAT(cut, Fails(absl::StatusCode::kInvalidArgument, "TRUNCATED_STREAM"));
  EXPECT_THAT(std::string(cut.message()), HasSubstr("after 512 bytes"));
  EXPECT_THAT(Pool(), IsEmpty());
}

TEST_F(ImportStreamTest, OneWithAnotherTotalIsRefused) {
  for (const uint64_t size_bytes : {uint64_t{0}, uint64_t{512}}) {
    Stream stream(client_);
    stream.SendHeader(size_bytes);
    stream.SendChunk(std::string(512, 'x'));
    stream.SendTotal(1024);
    EXPECT_EQ(ErrorField(stream.Finish()), "total_bytes");
    EXPECT_THAT(Pool(), IsEmpty());
  }
}

TEST_F(ImportStreamTest, OneThatGoesOnAfterItsTotalIsRefused) {
  Stream stream(client_);
  stream.SendHeader(0);
  stream.SendChunk(std::string(512, 'x'));
  stream.SendTotal(512);
  stream.SendChunk(std::string(512, 'x'));
  EXPECT_EQ(ErrorField(stream.Finish()), "chunk");
  EXPECT_THAT(Pool(), IsEmpty());
}

// Ctrl-C, at any moment.
TEST_F(ImportStreamTest, OneThatIsBrokenOffNeverBecomesAnImage) {
  for (const uint64_t size_bytes : {uint64_t{0}, uint64_t{disk_.size()}}) {
    for (int i = 0; i < 200; ++i) {
      Stream stream(client_);
      ASSERT_TRUE(stream.SendHeader(size_bytes));
      const std::string operation = stream.OperationId();
      ASSERT_NE(operation, "");
      stream.SendChunk(std::string(512 * (i % 7), 'x'));
      stream.Break();
      EXPECT_TRUE(absl::IsCancelled(stream.Finish()));
      const auto watched = client_.WatchOperation(operation);
      ASSERT_OK(watched);
      ASSERT_EQ(watched->back().state(), v1::Operation::CANCELLED)
          << watched->back().ShortDebugString();
      ASSERT_THAT(Pool(), IsEmpty());
    }
  }
}

TEST_F(ImportStreamTest, TwoOfTheSameAtOnceMakeOneImage) {
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      ApiClient client(agent_.channel());
      EXPECT_OK(client.Import(HeaderOf(kId, disk_), disk_));
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_THAT(Pool(), ::testing::ElementsAre(kId));
}

TEST_F(ImportStreamTest, WhatCephCouldNotRemoveGoesWhenItIsBack) {
  Stream stream(client_);
  ASSERT_TRUE(stream.SendHeader(disk_.size()));
  const std::string operation = stream.OperationId();
  agent_.block().SetHealth(Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE", "away"));
  for (size_t at = 0; at < disk_.size(); at += 1 << 20) {
    stream.SendChunk(disk_.substr(at, 1 << 20));
  }
  EXPECT_THAT(stream.Finish(), Fails(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE"));
  agent_.block().SetHealth(absl::OkStatus());
  while (true) {
    v1::GetOperationRequest get;
    get.set_id(operation);
    const auto now = ApiClient::Call(*client_.operations, &v1::OperationService::Stub::Get, get);
    ASSERT_OK(now);
    if (now->state() != v1::Operation::RUNNING) {
      EXPECT_EQ(now->state(), v1::Operation::FAILED);
      break;
    }
    std::this_thread::yield();
  }
  EXPECT_THAT(Pool(), IsEmpty());
}

}  // namespace
}  // namespace hvagent
