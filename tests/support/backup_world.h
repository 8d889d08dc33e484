// Backups without a server: the jobs of agent/backup on any block and object store, each run as
// JobRunner would run it.
#ifndef HVAGENT_TESTS_SUPPORT_BACKUP_WORLD_H_
#define HVAGENT_TESTS_SUPPORT_BACKUP_WORLD_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/backup/backup_catalog.h"
#include "agent/backup/backup_room.h"
#include "agent/operations/operation_table.h"
#include "agent/operations/volume_catalog.h"
#include "agent/state/state_store.h"
#include "hvagent/v1/backup_service.pb.h"

namespace hvagent::testing {

v1::BackupDisk VolumeDisk(const std::string& id);

class BackupWorld {
 public:
  // Both outlive the world; they have the pools volumes, vms and backups.
  BackupWorld(block::BlockStore& block_store, block::ObjectStore& objects);

  // A job that is journalled and has yet to be run; it may be run more than once.
  using Job = std::shared_ptr<operations::RunningOperation>;
  Job BeginCreate(const std::string& volume, bool incremental);
  Job BeginVerify(const std::string& backup);
  Job BeginRestore(const std::string& backup, const std::string& volume, bool in_place);
  Job BeginDelete(const std::string& backup);
  Job BeginPrune(const std::string& volume, uint32_t keep);
  // Runs the job once.
  absl::StatusOr<operations::OperationResult> Run(const Job& job);

  // Begin and Run.
  absl::StatusOr<v1::Backup> Create(const std::string& volume, bool incremental);
  absl::Status Verify(const std::string& backup);
  absl::Status Restore(const std::string& backup, const std::string& volume, bool in_place);
  absl::Status Delete(const std::string& backup);

  operations::OperationTable& table() { return table_; }

  block::BlockStore& block;
  backup::BackupCatalog catalog;
  operations::VolumeCatalog volumes;
  KeyedMutex<std::string> sources;
  backup::BackupRoom room;

 private:
  Job Begin(v1::Operation::Kind kind, const google::protobuf::Message& request);

  std::unique_ptr<state::StateStore> state_;
  operations::OperationTable table_;
};

}  // namespace hvagent::testing

#endif  // HVAGENT_TESTS_SUPPORT_BACKUP_WORLD_H_
