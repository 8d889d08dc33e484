#include "agent/service/operation_service.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/service/grpc_status.h"
#include "agent/service/paging.h"
#include "agent/service/unary.h"
#include "base/mutex.h"
#include "base/status_macros.h"

namespace hvagent::service {
namespace {

// Streams one operation. A slow client misses steps between, never the end. Deletes itself when
// gRPC is done with the call.
class WatchCall final : public grpc::ServerWriteReactor<v1::Operation> {
 public:
  WatchCall(std::string id, WorkerPool& pool, operations::OperationTable& table) : table_(table) {
    watcher_ = table_.Watch(id, [this](const v1::Operation& operation) { Offer(operation); });
    const absl::Status queued =
        pool.Submit([this, id = std::move(id)] { TakeFirstLook(table_.Get(id)); });
    if (!queued.ok()) TakeFirstLook(queued);
  }

 private:
  void OnWriteDone(bool ok) override {
    {
      MutexLock lock(mutex_);
      writing_ = false;
    }
    if (!ok) return End(absl::CancelledError("the client went away"));
    WriteNext();
  }

  void OnCancel() override { End(absl::CancelledError("the client went away")); }

  void OnDone() override {
    table_.Unwatch(watcher_);
    delete this;
  }

  // On the pool. The call is not finished before this is through, since it goes when it is.
  void TakeFirstLook(const absl::StatusOr<v1::Operation>& operation) {
    if (operation.ok()) {
      Offer(*operation);
    } else {
      End(operation.status());
    }
    {
      MutexLock lock(mutex_);
      looking_ = false;
      if (!ended_) return;
    }
    Finish(ToGrpcStatus(end_));
  }

  void Offer(const v1::Operation& operation) {
    {
      MutexLock lock(mutex_);
      // The first look may come after a change that was offered already.
      if (sent_end_ || (next_.has_value() && next_->state() != v1::Operation::RUNNING)) return;
      next_ = operation;
    }
    WriteNext();
  }

  void WriteNext() {
    bool end = false;
    {
      MutexLock lock(mutex_);
      if (writing_ || ended_) return;
      if (next_.has_value()) {
        current_ = *std::move(next_);
        next_.reset();
        writing_ = true;
        sent_end_ = current_.state() != v1::Operation::RUNNING;
      } else {
        end = sent_end_;
      }
      if (writing_) StartWrite(&current_);
    }
    if (end) End(absl::OkStatus());
  }

  void End(const absl::Status& status) {
    {
      MutexLock lock(mutex_);
      if (std::exchange(ended_, true)) return;
      end_ = status;
      if (looking_) return;  // TakeFirstLook finishes the call
    }
    Finish(ToGrpcStatus(end_));
  }

  operations::OperationTable& table_;
  operations::OperationTable::WatcherId watcher_ = 0;
  Mutex mutex_;
  std::optional<v1::Operation> next_ ABSL_GUARDED_BY(mutex_);
  v1::Operation current_ ABSL_GUARDED_BY(mutex_);
  bool looking_ ABSL_GUARDED_BY(mutex_) = true;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool sent_end_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status end_;  // set once, with ended_
};

}  // namespace

OperationService::OperationService(WorkerPool& pool, operations::OperationTable& table)
    : pool_(pool), table_(table) {}

grpc::ServerUnaryReactor* OperationService::Get(grpc::CallbackServerContext* context,
                                                const v1::GetOperationRequest* request,
                                                v1::Operation* response) {
  return AnswerOnPool<v1::Operation>(context, pool_, response,
                                     [this, request] { return table_.Get(request->id()); });
}

grpc::ServerUnaryReactor* OperationService::List(grpc::CallbackServerContext* context,
                                                 const v1::ListOperationsRequest* request,
                                                 v1::ListOperationsResponse* response) {
  return AnswerOnPool<v1::ListOperationsResponse>(
      context, pool_, response, [this, request]() -> absl::StatusOr<v1::ListOperationsResponse> {
        const size_t size = PageSize(request->page_size());
        ASSIGN_OR_RETURN(std::vector<v1::Operation> operations,
                         table_.List(request->page_token(), size));
        v1::ListOperationsResponse page;
        for (v1::Operation& operation : operations) *page.add_operations() = std::move(operation);
        if (operations.size() == size) {
          page.set_next_page_token(page.operations().rbegin()->id());
        }
        return page;
      });
}

grpc::ServerWriteReactor<v1::Operation>* OperationService::Watch(
    grpc::CallbackServerContext* context, const v1::WatchOperationRequest* request) {
  (void)context;
  return new WatchCall(request->id(), pool_, table_);
}

grpc::ServerUnaryReactor* OperationService::Cancel(grpc::CallbackServerContext* context,
                                                   const v1::CancelOperationRequest* request,
                                                   v1::Operation* response) {
  return AnswerOnPool<v1::Operation>(context, pool_, response,
                                     [this, request] { return table_.Cancel(request->id()); });
}

}  // namespace hvagent::service
