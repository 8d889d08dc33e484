// One ImageService.Import call: reads the stream, one message at a time, and hands each to the
// worker pool, since writing blocks on Ceph. Reading stops while a message is worked on, so a fast
// client is held back by gRPC's flow control.
#ifndef HVAGENT_AGENT_SERVICE_IMPORT_CALL_H_
#define HVAGENT_AGENT_SERVICE_IMPORT_CALL_H_

#include <memory>

#include "agent/operations/image_catalog.h"
#include "agent/operations/image_import.h"
#include "agent/operations/operation_table.h"
#include "base/worker_pool.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "hvagent/v1/image_service.pb.h"
#include "hvagent/v1/operation.pb.h"

namespace hvagent::service {

// Deletes itself when gRPC is done with the call.
class ImportCall final : public grpc::ServerReadReactor<v1::ImportImageRequest> {
 public:
  // Everything outlives the call. Messages are worked on in `pool`, an end that takes long in
  // `long_pool`.
  ImportCall(grpc::CallbackServerContext* context, v1::Operation* response, WorkerPool& pool,
             WorkerPool& long_pool, const operations::ImportOptions& options,
             operations::ImageCatalog& catalog, operations::OperationTable& table);

 private:
  void OnReadDone(bool ok) override;
  void OnDone() override;

  // On the pool: works on the message that was read, or on the end of the stream.
  void TakeMessage();
  void TakeEnd();
  absl::Status Begin();
  absl::Status TakeChunk();
  // Why it shall not go on, if so.
  absl::Status CheckGoesOn() const;
  void Fail(const absl::Status& status);

  grpc::CallbackServerContext* const context_;
  v1::Operation* const response_;
  WorkerPool& pool_;
  WorkerPool& long_pool_;
  const operations::ImportOptions& options_;
  operations::ImageCatalog& catalog_;
  operations::OperationTable& table_;
  v1::ImportImageRequest message_;
  // Set once the header has come.
  std::unique_ptr<operations::ImageImport> import_;
};

}  // namespace hvagent::service

#endif  // HVAGENT_AGENT_SERVICE_IMPORT_CALL_H_
