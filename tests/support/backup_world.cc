#include "tests/support/backup_world.h"

#include <variant>

#include "agent/backup/backup_create.h"
#include "agent/backup/backup_delete.h"
#include "agent/backup/backup_restore.h"
#include "agent/backup/backup_verify.h"
#include "base/status_macros.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace hvagent::testing {

v1::BackupDisk VolumeDisk(const std::string& id) {
  v1::BackupDisk disk;
  disk.set_volume_id(id);
  return disk;
}

BackupWorld::BackupWorld(block::BlockStore& block_store, block::ObjectStore& objects)
    : block(block_store),
      catalog(objects, "backups"),
      volumes(block_store, "volumes"),
      room{.block = block_store,
           .catalog = catalog,
           .pools = {"volumes", "vms", "backups"},
           .node_name = "compute-1",
           .clock = SystemClock(),
           .sources = sources},
      state_(*state::StateStore::Open(":memory:")),
      table_(*state_, SystemClock()) {}

BackupWorld::Job BackupWorld::Begin(v1::Operation::Kind kind,
                                    const google::protobuf::Message& request) {
  v1::Operation operation;
  operation.set_kind(kind);
  operation.mutable_request()->PackFrom(request);
  auto job = table_.Begin(std::move(operation));
  EXPECT_OK(job);
  return *job;
}

BackupWorld::Job BackupWorld::BeginCreate(const std::string& volume, bool incremental) {
  v1::CreateBackupRequest request;
  *request.mutable_source() = VolumeDisk(volume);
  request.set_incremental(incremental);
  return Begin(v1::Operation::BACKUP_CREATE, request);
}

BackupWorld::Job BackupWorld::BeginVerify(const std::string& backup) {
  v1::VerifyBackupRequest request;
  request.set_id(backup);
  return Begin(v1::Operation::BACKUP_VERIFY, request);
}

BackupWorld::Job BackupWorld::BeginRestore(const std::string& backup, const std::string& volume,
                                           bool in_place) {
  v1::RestoreBackupRequest request;
  request.set_id(backup);
  *request.mutable_target() = VolumeDisk(volume);
  request.set_in_place(in_place);
  return Begin(v1::Operation::BACKUP_RESTORE, request);
}

BackupWorld::Job BackupWorld::BeginDelete(const std::string& backup) {
  v1::DeleteBackupsRequest request;
  request.set_id(backup);
  return Begin(v1::Operation::BACKUP_DELETE, request);
}

BackupWorld::Job BackupWorld::BeginPrune(const std::string& volume, uint32_t keep) {
  v1::DeleteBackupsRequest request;
  *request.mutable_prune()->mutable_source() = VolumeDisk(volume);
  request.mutable_prune()->set_keep(keep);
  return Begin(v1::Operation::BACKUP_DELETE, request);
}

absl::StatusOr<operations::OperationResult> BackupWorld::Run(const Job& job) {
  switch (job->begun().kind()) {
    case v1::Operation::BACKUP_CREATE:
      return backup::CreateBackup(room, *job);
    case v1::Operation::BACKUP_VERIFY:
      return backup::VerifyBackup(room, *job);
    case v1::Operation::BACKUP_RESTORE:
      return backup::RestoreBackup(room, volumes, *job);
    default:
      return backup::DeleteBackups(room, *job);
  }
}

absl::StatusOr<v1::Backup> BackupWorld::Create(const std::string& volume, bool incremental) {
  ASSIGN_OR_RETURN(const operations::OperationResult result, Run(BeginCreate(volume, incremental)));
  return std::get<v1::Backup>(result);
}

absl::Status BackupWorld::Verify(const std::string& backup) {
  return Run(BeginVerify(backup)).status();
}

absl::Status BackupWorld::Restore(const std::string& backup, const std::string& volume,
                                  bool in_place) {
  return Run(BeginRestore(backup, volume, in_place)).status();
}

absl::Status BackupWorld::Delete(const std::string& backup) {
  return Run(BeginDelete(backup)).status();
}

}  // namespace hvagent::testing
