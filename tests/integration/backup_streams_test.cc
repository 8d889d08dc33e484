// Backups that leave one agent through its API and come into another, and streams that go wrong on
// their way. Whatever happens, a backup that is listed is whole, and the pool holds nothing else.
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hvagent/v1/backup_service.grpc.pb.h"
#include "tests/integration/api_client.h"
#include "tests/integration/memory_agent.h"
#include "tests/support/status_matchers.h"

namespace hvagent {
namespace {

using ::hvagent::testing::ApiClient;
using ::hvagent::testing::Fails;
using ::hvagent::testing::MemoryAgent;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr char kVolume[] = "11111111-0414-4b58-9924-af681091be09";

// One agent, its client and a stub of its backups.
struct Node {
  MemoryAgent agent;
  ApiClient client{agent.channel()};
  std::unique_ptr<v1::BackupService::Stub> backups = v1::BackupService::NewStub(agent.channel());

  std::vector<std::string> Bases() { return *agent.block().ListImages("backups", "", 100); }
  size_t Count() {
    return ApiClient::Call(*backups, &v1::BackupService::Stub::List, v1::ListBackupsRequest())
        ->backups_size();
  }
  std::string Read(const std::string& image) {
    return *agent.block().ReadImage({"volumes", "", image}, 0, 64 << 20);
  }
};

// One Import call, message by message.
class Upload {
 public:
  explicit Upload(Node& node) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    writer_ = node.backups->Import(&context_, &operation_);
  }

  bool SendHeader() {
    v1::ImportBackupRequest message;
    message.mutable_header()->mutable_source()->set_volume_id(kVolume);
    return writer_->Write(message);
  }
  bool SendChunk(std::string chunk) {
    v1::ImportBackupRequest message;
    message.set_chunk(std::move(chunk));
    return writer_->Write(message);
  }
  std::string OperationId() {
    writer_->WaitForInitialMetadata();
    const auto& metadata = context_.GetServerInitialMetadata();
    const auto id = metadata.find("hvagent-operation-id");
    return id == metadata.end() ? "" : std::string(id->second.data(), id->second.size());
  }
  void Break() { context_.TryCancel(); }
  absl::StatusOr<v1::Backup> Finish() {
    writer_->WritesDone();
    const absl::Status status = agentctl::FromGrpc(writer_->Finish());
    if (!status.ok()) return status;
    return operation_.backup();
  }

 private:
  grpc::ClientContext context_;
  v1::Operation operation_;
  std::unique_ptr<grpc::ClientWriter<v1::ImportBackupRequest>> writer_;
};

class BackupStreamsTest : public ::testing::Test {
 protected:
  BackupStreamsTest() {
    const block::ImageName volume{"volumes", "", absl::StrCat("volume-", kVolume)};
    EXPECT_OK(here_.agent.block().CreateImage(volume, MiB(16), MiB(4)));
    auto writer = here_.agent.block().OpenWriter(volume);
    EXPECT_OK((*writer)->Write(MiB(1).count(), std::string(3 << 20, 'x')));
    EXPECT_OK((*writer)->Finish());
    v1::CreateBackupRequest request;
    request.mutable_source()->set_volume_id(kVolume);
    const auto begun = ApiClient::Call(*here_.backups, &v1::BackupService::Stub::Create, request);
    EXPECT_OK(begun);
    const auto watched = here_.client.WatchOperation(begun->id());
    EXPECT_OK(watched);
    id_ = watched->back().backup().id();
  }

  absl::StatusOr<std::string> Export(const std::string& id) {
    grpc::ClientContext context;
    v1::ExportBackupRequest request;
    request.set_id(id);
    const auto reader = here_.backups->Export(&context, request);
    std::string stream;
    v1::ExportBackupResponse message;
    while (reader->Read(&message)) stream += message.chunk();
    const absl::Status status = agentctl::FromGrpc(reader->Finish());
    if (!status.ok()) return status;
    return stream;
  }

  absl::StatusOr<v1::Backup> Import(const std::string& stream) {
    Upload upload(there_);
    upload.SendHeader();
    for (size_t at = 0; at < stream.size(); at += 1 << 20) {
      if (!upload.SendChunk(stream.substr(at, 1 << 20))) break;
    }
    return upload.Finish();
  }

  Node here_;
  Node there_;
  std::string id_;
};

TEST_F(BackupStreamsTest, ABackupOfOneClusterIsRestoredInAnother) {
  const auto stream = Export(id_);
  ASSERT_OK(stream);
  const auto backup = Import(*stream);
  ASSERT_OK(backup);
  v1::RestoreBackupRequest restore;
  restore.set_id(backup->id());
  restore.mutable_target()->set_volume_id(kVolume);
  const auto begun = ApiClient::Call(*there_.backups, &v1::BackupService::Stub::Restore, restore);
  ASSERT_OK(begun);
  EXPECT_EQ(there_.client.WatchOperation(begun->id())->back().state(), v1::Operation::SUCCEEDED);
  const std::string image = absl::StrCat("volume-", kVolume);
  EXPECT_EQ(there_.Read(image), here_.Read(image));
}

TEST_F(BackupStreamsTest, WhatIsNotThereIsNotExported) {
  EXPECT_THAT(Export(kVolume), Fails(absl::StatusCode::kNotFound, "BACKUP_NOT_FOUND"));
  EXPECT_THAT(Export("nonsense"), Fails(kInvalid, "INVALID_FIELD"));
}

TEST_F(BackupStreamsTest, AStreamThatIsCutOrNoDiffLeavesNothing) {
  const std::string stream = *Export(id_);
  EXPECT_THAT(Import(stream.substr(0, stream.size() - 1)), Fails(kInvalid, "TRUNCATED_STREAM"));
  EXPECT_THAT(Import(""), Fails(kInvalid, "TRUNCATED_STREAM"));
  EXPECT_THAT(Import(std::string(4 << 20, 'x')), Fails(kInvalid, "DIFF_REFUSED"));
  EXPECT_THAT(there_.Bases(), IsEmpty());
  EXPECT_EQ(there_.Count(), 0u);
}

TEST_F(BackupStreamsTest, MessagesInAnotherOrderAreRefused) {
  Upload headless(there_);
  headless.SendChunk("x");
  EXPECT_EQ(ErrorField(headless.Finish().status()), "header");
  EXPECT_EQ(ErrorField(Upload(there_).Finish().status()), "header");
  Upload twice(there_);
  twice.SendHeader();
  twice.SendHeader();
  EXPECT_EQ(ErrorField(twice.Finish().status()), "chunk");
  Upload large(there_);
  large.SendHeader();
  large.SendChunk(std::string((1 << 20) + 1, 'x'));
  EXPECT_EQ(ErrorField(large.Finish().status()), "chunk");
}

// Ctrl-C, at any moment.
TEST_F(BackupStreamsTest, OneThatIsBrokenOffNeverBecomesABackup) {
  const std::string stream = *Export(id_);
  for (int i = 0; i < 60; ++i) {
    Upload upload(there_);
    ASSERT_TRUE(upload.SendHeader());
    const std::string operation = upload.OperationId();
    ASSERT_NE(operation, "");
    upload.SendChunk(stream.substr(0, 1000 * (i % 11)));
    upload.Break();
    EXPECT_EQ(upload.Finish().status().code(), absl::StatusCode::kCancelled);
    const auto watched = there_.client.WatchOperation(operation);
    ASSERT_OK(watched);
    ASSERT_EQ(watched->back().state(), v1::Operation::CANCELLED) << watched->back().DebugString();
    ASSERT_THAT(there_.Bases(), IsEmpty());
  }
}

TEST_F(BackupStreamsTest, CancellingTheOperationWakesAClientThatStalls) {
  Upload upload(there_);
  ASSERT_TRUE(upload.SendHeader());
  const std::string operation = upload.OperationId();
  v1::CancelOperationRequest cancel;
  cancel.set_id(operation);
  ASSERT_OK(
      ApiClient::Call(*there_.client.operations, &v1::OperationService::Stub::Cancel, cancel));
  EXPECT_EQ(there_.client.WatchOperation(operation)->back().state(), v1::Operation::CANCELLED);
  EXPECT_EQ(upload.Finish().status().code(), absl::StatusCode::kCancelled);
}

TEST_F(BackupStreamsTest, AClientThatStopsReadingHoldsNobodyElseBack) {
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::ExportBackupResponse>>> readers;
  v1::ExportBackupRequest request;
  request.set_id(id_);
  for (int i = 0; i < 3; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(here_.backups->Export(contexts.back().get(), request));
  }
  EXPECT_OK(Export(id_));
  for (const auto& context : contexts) context->TryCancel();
  for (const auto& reader : readers) EXPECT_FALSE(reader->Finish().ok());
}

}  // namespace
}  // namespace hvagent
