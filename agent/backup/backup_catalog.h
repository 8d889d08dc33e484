// The cluster's restore points, kept in the backups' pool itself: a record for each
// (`hvagent.backup.<id>`), the parts of its manifest (`hvagent.backup.<id>.<number>`), and one
// index of them all (`hvagent.backups`). A restore point exists once its record does.
#ifndef HVAGENT_AGENT_BACKUP_BACKUP_CATALOG_H_
#define HVAGENT_AGENT_BACKUP_BACKUP_CATALOG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/backup/backup_names.h"
#include "agent/block/object_store.h"
#include "hvagent/v1/backup.pb.h"

namespace hvagent::backup {

// Thread-safe. Every call blocks on Ceph.
class BackupCatalog {
 public:
  // `objects` outlives the catalog.
  BackupCatalog(block::ObjectStore& objects, std::string pool)
      : objects_(objects), pool_(std::move(pool)) {}

  // Errors: NOT_FOUND (BACKUP_NOT_FOUND), DATA_LOSS (CLUSTER_RECORD).
  absl::StatusOr<v1::Backup> Get(absl::string_view id);
  // At most `limit` restore points, by their source and from the oldest, of the source image
  // `source_image` ("volumes/volume-<id>") or, where it is empty, of all; those after the one whose
  // IndexKey is `after`.
  absl::StatusOr<std::vector<v1::Backup>> List(absl::string_view source_image,
                                               const std::string& after, size_t limit);
  // All of one source, from the oldest.
  absl::StatusOr<std::vector<v1::Backup>> ListOf(absl::string_view source_image);
  static std::string IndexKey(const v1::Backup& backup);

  // Writes the record, then the index. Idempotent.
  absl::Status Put(const v1::Backup& backup);
  // Removes the parts, the record, and then what the index has of it. Idempotent.
  absl::Status Remove(const v1::Backup& backup);
  // The last step of Remove where nothing but the id is known any more: looks through the index.
  absl::Status RemoveFromIndex(absl::string_view id);

  // nullopt where it is not written yet.
  absl::StatusOr<std::optional<v1::BackupPart>> ReadPart(absl::string_view id, uint64_t number);
  absl::Status WritePart(absl::string_view id, uint64_t number, const v1::BackupPart& part);
  absl::Status RemoveParts(absl::string_view id, uint64_t count);

  // Which backup was the last to begin to write to a base, and the node that makes it.
  struct Writer {
    std::string id;    // empty: none
    std::string node;  // empty where an older agent made it
  };
  absl::StatusOr<Writer> GetWriter(absl::string_view base);
  absl::Status SetWriter(absl::string_view base, const Writer& writer);
  absl::Status ClearWriter(absl::string_view base);

 private:
  block::ObjectName RecordOf(absl::string_view id) const;
  block::ObjectName PartOf(absl::string_view id, uint64_t number) const;
  block::ObjectName WriterOf(absl::string_view base) const;
  block::ObjectName Index() const;

  block::ObjectStore& objects_;
  const std::string pool_;
};

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_BACKUP_CATALOG_H_
