// A restore point, open: its bytes, each proved by the checksum that was recorded when it was
// copied. Not thread-safe.
#ifndef HVAGENT_AGENT_BACKUP_RESTORE_POINT_H_
#define HVAGENT_AGENT_BACKUP_RESTORE_POINT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/backup/backup_room.h"
#include "agent/backup/chain_map.h"
#include "agent/backup/job_gate.h"
#include "agent/backup/read_ahead.h"
#include "agent/block/image_io.h"
#include "hvagent/v1/backup.pb.h"

namespace hvagent::backup {

// The pieces of one part of `backups.front()`, which begins with the newest of a chain.
// Errors: DATA_LOSS (BACKUP_CORRUPT) when a part of a manifest is gone.
absl::StatusOr<std::vector<Piece>> ReadPieces(const BackupRoom& room,
                                              const std::vector<v1::Backup>& backups,
                                              uint64_t number);

// The restore point and those that it follows, the newest first.
absl::StatusOr<std::vector<v1::Backup>> ReadChain(const BackupRoom& room, std::string id);

class RestorePoint {
 public:
  // `room` outlives it. Errors: NOT_FOUND (BACKUP_NOT_FOUND), FAILED_PRECONDITION
  // (BACKUP_BASE_MISSING).
  static absl::StatusOr<std::unique_ptr<RestorePoint>> Open(const BackupRoom& room,
                                                            const std::string& id);

  const v1::Backup& backup() const { return chain_.front(); }
  // It and those that it follows, the newest first.
  const std::vector<v1::Backup>& chain() const { return chain_; }
  Bytes size() const { return Bytes(backup().size_bytes()); }
  Bytes object_size() const { return reader_->object_size(); }

  // Hands the data of one part (kPartBytes) to `sink`, in order; what is not handed over is zeros.
  // Errors: DATA_LOSS (BACKUP_CORRUPT), of the gate or of the sink.
  using Sink = std::function<absl::Status(uint64_t offset_bytes, std::string data)>;
  absl::Status ReadPart(uint64_t number, JobGate& gate, const Sink& sink);

  // Hands over what the newest `layers` of the chain changed in one part, in order.
  absl::Status ReadChanges(uint64_t number, size_t layers, JobGate& gate,
                           const ReadAhead::Sink& sink);

 private:
  RestorePoint(const BackupRoom& room, std::vector<v1::Backup> chain)
      : room_(room), chain_(std::move(chain)) {}

  // Hands over the pieces, those with data joined and proved.
  absl::Status ReadProved(const std::vector<Piece>& pieces, JobGate& gate,
                          const ReadAhead::Sink& sink);
  // Proves `data`, which was read where the piece is.
  absl::Status Prove(const Piece& piece, absl::string_view data);
  // The whole extent of which a newer layer changed some, as its own restore point has it.
  absl::StatusOr<absl::string_view> ReadExtent(const Piece& piece);
  // That what lies outside of `pieces` is zeros.
  absl::Status ProveZeros(const std::vector<Piece>& pieces, uint64_t begin, uint64_t end,
                          JobGate& gate);
  absl::Status Corrupt(uint64_t offset_bytes, uint64_t length_bytes) const;

  struct Layer {
    std::unique_ptr<block::ImageReader> reader;
    uint64_t offset_bytes = 0;
    std::string extent;  // the last that was read
  };

  const BackupRoom& room_;
  const std::vector<v1::Backup> chain_;  // the newest first
  std::unique_ptr<block::ImageReader> reader_;
  std::map<size_t, Layer> layers_;  // those that were needed
};

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_RESTORE_POINT_H_
