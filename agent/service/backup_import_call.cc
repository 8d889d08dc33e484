#include "agent/service/backup_import_call.h"

#include <utility>

#include "agent/backup/backup_import.h"
#include "agent/service/grpc_status.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::service {
namespace {

constexpr char kOperationIdKey[] = "hvagent-operation-id";
constexpr size_t kMaxChunkBytes = 1 << 20;

}  // namespace

BackupImportCall::BackupImportCall(grpc::CallbackServerContext* context, v1::Operation* response,
                                   const backup::BackupRoom& room,
                                   operations::OperationTable& table, WorkerPool& streams)
    : context_(context), response_(response), room_(room), table_(table), streams_(streams) {
  StartRead(&message_);
}

void BackupImportCall::OnReadDone(bool ok) {
  {
    MutexLock lock(mutex_);
    read_ = ok ? Read::kDone : Read::kEnd;
    changed_.SignalAll();
  }
  if (std::exchange(has_thread_, true)) return;
  const absl::Status queued = streams_.Submit([this] { Finish(ToGrpcStatus(Run())); });
  if (!queued.ok()) Finish(ToGrpcStatus(queued));
}

absl::Status BackupImportCall::Run() {
  ASSIGN_OR_RETURN(const auto operation, Begin());
  const v1::BackupDisk source = message_.header().source();
  StartSendInitialMetadata();
  {
    MutexLock lock(mutex_);
    read_ = Read::kUnderWay;
  }
  StartRead(&message_);
  // A client that stalls is woken by ending its call.
  operation->SetCancelCallback([this] { context_->TryCancel(); });
  const absl::Status imported =
      backup::ImportBackup(room_, source, *operation, [this] { return NextChunk(); }).status();
  operation->SetCancelCallback(nullptr);
  RETURN_IF_ERROR(imported);
  ASSIGN_OR_RETURN(*response_, table_.Get(operation->id()));
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<operations::RunningOperation>> BackupImportCall::Begin() {
  if (!AwaitMessage() || !message_.has_header()) {
    return InvalidField("header", "must be the first message");
  }
  ASSIGN_OR_RETURN(const block::ImageName source,
                   backup::ImageOf(message_.header().source(), room_.pools, "header.source"));
  v1::Operation wish;
  wish.set_kind(v1::Operation::BACKUP_IMPORT);
  wish.set_target(source.ToString());
  ASSIGN_OR_RETURN(auto operation, table_.Begin(std::move(wish)));
  context_->AddInitialMetadata(kOperationIdKey, operation->id());
  return operation;
}

absl::StatusOr<std::string> BackupImportCall::NextChunk() {
  std::string chunk;
  while (chunk.empty()) {
    if (!AwaitMessage()) {
      if (!context_->IsCancelled()) return "";
      return absl::CancelledError("the import was cancelled; nothing of it is left");
    }
    if (!message_.has_chunk()) {
      return InvalidField("chunk", "must be every message after the header");
    }
    if (message_.chunk().size() > kMaxChunkBytes) {
      return InvalidField("chunk", "is larger than 1 MiB");
    }
    chunk = std::move(*message_.mutable_chunk());
    {
      MutexLock lock(mutex_);
      read_ = Read::kUnderWay;
    }
    StartRead(&message_);
  }
  return chunk;
}

bool BackupImportCall::AwaitMessage() {
  MutexLock lock(mutex_);
  while (read_ == Read::kUnderWay) changed_.Wait(mutex_);
  return read_ == Read::kDone;
}

}  // namespace hvagent::service
