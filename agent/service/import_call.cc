#include "agent/service/import_call.h"

#include "agent/service/grpc_status.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::service {
namespace {

constexpr char kOperationIdKey[] = "hvagent-operation-id";
constexpr size_t kMaxChunkBytes = 1 << 20;

}  // namespace

ImportCall::ImportCall(grpc::CallbackServerContext* context, v1::Operation* response,
                       WorkerPool& pool, WorkerPool& long_pool,
                       const operations::ImportOptions& options, operations::ImageCatalog& catalog,
                       operations::OperationTable& table)
    : context_(context),
      response_(response),
      pool_(pool),
      long_pool_(long_pool),
      options_(options),
      catalog_(catalog),
      table_(table) {
  StartRead(&message_);
}

void ImportCall::OnReadDone(bool ok) {
  const bool is_long = !ok && import_ != nullptr && import_->reads_at_finish();
  const absl::Status queued =
      (is_long ? long_pool_ : pool_).Submit([this, ok] { ok ? TakeMessage() : TakeEnd(); });
  if (!queued.ok()) Fail(queued);
}

void ImportCall::OnDone() { delete this; }

void ImportCall::TakeMessage() {
  const absl::Status status = import_ == nullptr ? Begin() : TakeChunk();
  if (!status.ok()) return Fail(status);
  StartRead(&message_);
}

absl::Status ImportCall::Begin() {
  if (!message_.has_header()) return InvalidField("header", "must be the first message");
  ASSIGN_OR_RETURN(import_,
                   operations::ImageImport::Begin(message_.header(), options_, catalog_, table_));
  // A client that stalls is woken by ending its call.
  import_->operation().SetCancelCallback([this] { context_->TryCancel(); });
  context_->AddInitialMetadata(kOperationIdKey, import_->operation_id());
  StartSendInitialMetadata();
  return absl::OkStatus();
}

absl::Status ImportCall::TakeChunk() {
  if (message_.has_total_bytes()) return import_->SetTotal(message_.total_bytes());
  if (!message_.has_chunk()) {
    return InvalidField("chunk", "must be every message between the header and total_bytes");
  }
  if (message_.chunk().size() > kMaxChunkBytes) {
    return InvalidField("chunk", "is larger than 1 MiB");
  }
  return import_->Write(message_.chunk());
}

// The stream was cut, cancelled, or has come to its proper end.
void ImportCall::TakeEnd() {
  if (import_ == nullptr) return Fail(InvalidField("header", "must be the first message"));
  import_->operation().SetCancelCallback(nullptr);
  if (absl::Status status = CheckGoesOn(); !status.ok()) return Fail(status);
  const std::string id = import_->operation_id();
  const absl::StatusOr<v1::Image> image = import_->Finish([this] { return CheckGoesOn(); });
  if (!image.ok()) return Fail(image.status());
  const absl::StatusOr<v1::Operation> operation = table_.Get(id);
  if (operation.ok()) *response_ = *operation;
  Finish(ToGrpcStatus(operation.status()));
}

absl::Status ImportCall::CheckGoesOn() const {
  if (!context_->IsCancelled() && !import_->operation().cancel_requested()) return absl::OkStatus();
  return absl::CancelledError("the import was cancelled; nothing of it is left");
}

void ImportCall::Fail(const absl::Status& status) {
  if (import_ != nullptr) {
    import_->operation().SetCancelCallback(nullptr);
    import_->Abort(status);
  }
  Finish(ToGrpcStatus(status));
}

}  // namespace hvagent::service
