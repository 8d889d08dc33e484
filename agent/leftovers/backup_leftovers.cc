#include "agent/leftovers/backup_leftovers.h"

#include <vector>

#include "absl/strings/strip.h"
#include "agent/backup/backup_names.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/uuid.h"

namespace hvagent::leftovers {
namespace {

using operations::OperationTag;

constexpr char kSnapshot[] = "backup.";
constexpr char kBase[] = ".backup.";
constexpr size_t kUuidLength = 36;

// "backup.<id>.snap.<time>"
std::optional<std::string> BackupOfSnapshot(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, kSnapshot)) return std::nullopt;
  const absl::string_view id = name.substr(0, kUuidLength);
  if (!Uuid::Parse(id).ok()) return std::nullopt;
  if (name.substr(kUuidLength).find(".snap.") != 0) return std::nullopt;
  return std::string(id);
}

// "<source>.backup.<id>"
std::optional<std::string> BackupOfBase(absl::string_view name) {
  const size_t at = name.find(kBase);
  if (at == absl::string_view::npos) return std::nullopt;
  const absl::string_view id = name.substr(at + sizeof(kBase) - 1);
  if (!Uuid::Parse(id).ok()) return std::nullopt;
  return std::string(id);
}

}  // namespace

absl::StatusOr<bool> BackupLeftovers::HasRecord(absl::string_view id) {
  const absl::Status status = catalog_.Get(id).status();
  if (ErrorReason(status) == "BACKUP_NOT_FOUND") return false;
  RETURN_IF_ERROR(status);
  return true;
}

absl::StatusOr<std::optional<OperationTag>> BackupLeftovers::MakerOf(
    const block::SnapshotName& snapshot) {
  const std::optional<std::string> id = BackupOfSnapshot(snapshot.snapshot);
  if (!id.has_value()) return std::nullopt;
  ASSIGN_OR_RETURN(const bool has_record, HasRecord(*id));
  if (has_record) return std::nullopt;
  // It writes to a base of its own, or to that of the newest backup.
  std::vector<std::string> bases = {backup::BaseName(snapshot.image, *id)};
  ASSIGN_OR_RETURN(const std::vector<v1::Backup> backups,
                   catalog_.ListOf(snapshot.image.ToString()));
  if (!backups.empty()) bases.push_back(backups.back().base());
  for (const std::string& base : bases) {
    ASSIGN_OR_RETURN(const backup::BackupCatalog::Writer writer, catalog_.GetWriter(base));
    if (writer.id == *id) return OperationTag{writer.id, writer.node};
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<OperationTag>> BackupLeftovers::MakerOf(const block::ImageName& base,
                                                                     const block::ImageInfo& info) {
  const std::optional<std::string> id = BackupOfBase(base.name);
  if (!id.has_value()) return std::nullopt;
  ASSIGN_OR_RETURN(const backup::BackupCatalog::Writer writer, catalog_.GetWriter(base.name));
  if (writer.id != *id) return std::nullopt;
  ASSIGN_OR_RETURN(bool has_record, HasRecord(*id));
  // The first of them may be deleted, and those that follow it be there.
  for (const block::SnapshotInfo& snapshot : info.snapshots) {
    const std::optional<std::string> other = BackupOfSnapshot(snapshot.name);
    if (has_record || !other.has_value()) continue;
    ASSIGN_OR_RETURN(has_record, HasRecord(*other));
  }
  if (has_record) return std::nullopt;
  return OperationTag{writer.id, writer.node};
}

absl::Status BackupLeftovers::RemoveBase(const block::ImageName& base) {
  ASSIGN_OR_RETURN(const block::ImageInfo info, block_.GetImage(base));
  for (const block::SnapshotInfo& snapshot : info.snapshots) {
    RETURN_IF_ERROR(block_.RemoveSnapshot({base, snapshot.name}));
  }
  RETURN_IF_ERROR(block_.RemoveImage(base));
  const std::optional<std::string> id = BackupOfBase(base.name);
  RETURN_IF_ERROR(catalog_.RemoveParts(*id, backup::PartCount(info.size)));
  return catalog_.ClearWriter(base.name);
}

}  // namespace hvagent::leftovers
