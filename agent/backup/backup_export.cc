#include "agent/backup/backup_export.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/backup/job_gate.h"
#include "agent/backup/restore_point.h"
#include "agent/operations/volume_names.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::backup {
namespace {

// How many of the chain came after the backup `from_id`.
absl::StatusOr<size_t> LayersSince(const BackupRoom& room, const std::vector<v1::Backup>& chain,
                                   const std::string& from_id) {
  RETURN_IF_ERROR(room.catalog.Get(from_id).status());
  const auto from = std::find_if(chain.begin() + 1, chain.end(),
                                 [&](const v1::Backup& one) { return one.id() == from_id; });
  if (from != chain.end()) return static_cast<size_t>(from - chain.begin());
  return Error(absl::StatusCode::kFailedPrecondition, "BACKUP_NOT_FOLLOWED",
               absl::StrCat("backup ", chain.front().id(), " does not follow backup ", from_id,
                            ", so what changed between them is not known: export it whole, or "
                            "from one of those before it up to its full one"));
}

}  // namespace

absl::Status ExportBackup(const BackupRoom& room, const v1::ExportBackupRequest& request,
                          DiffWriter::Sink sink) {
  ASSIGN_OR_RETURN(const Uuid id, operations::ParseId("id", request.id()));
  ASSIGN_OR_RETURN(const std::unique_ptr<RestorePoint> point,
                   RestorePoint::Open(room, id.ToString()));
  DiffHeader header{.from_snapshot = "",
                    .to_snapshot = point->backup().snapshot(),
                    .size_bytes = point->size().count()};
  size_t layers = 0;
  if (!request.from_id().empty()) {
    ASSIGN_OR_RETURN(const Uuid from, operations::ParseId("from_id", request.from_id()));
    ASSIGN_OR_RETURN(layers, LayersSince(room, point->chain(), from.ToString()));
    header.from_snapshot = point->chain()[layers].snapshot();
  }
  DiffWriter writer(std::move(sink));
  RETURN_IF_ERROR(writer.WriteHeader(header));
  JobGate gate(/*operation=*/nullptr, room.clock, room.RateOf(request.max_bytes_per_s()));
  for (uint64_t number = 0; number < PartCount(point->size()); ++number) {
    if (layers == 0) {
      RETURN_IF_ERROR(
          point->ReadPart(number, gate, [&](uint64_t offset_bytes, const std::string& data) {
            return writer.WriteData(offset_bytes, data);
          }));
    } else {
      RETURN_IF_ERROR(point->ReadChanges(
          number, layers, gate, [&](const block::Extent& extent, const std::string& data) {
            return extent.has_data ? writer.WriteData(extent.offset_bytes, data)
                                   : writer.WriteZeros(extent.offset_bytes, extent.length_bytes);
          }));
    }
  }
  return writer.WriteEnd();
}

}  // namespace hvagent::backup
