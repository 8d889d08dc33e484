#include "agent/backup/restore_point.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/backup/base_image.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::backup {
absl::StatusOr<std::vector<v1::Backup>> ReadChain(const BackupRoom& room, std::string id) {
  std::vector<v1::Backup> chain;
  while (!id.empty()) {
    ASSIGN_OR_RETURN(v1::Backup backup, room.catalog.Get(id));
    id = backup.parent_id();
    chain.push_back(std::move(backup));
  }
  return chain;
}

absl::StatusOr<std::vector<Piece>> ReadPieces(const BackupRoom& room,
                                              const std::vector<v1::Backup>& backups,
                                              uint64_t number) {
  std::vector<v1::BackupPart> layers;
  for (const v1::Backup& backup : backups) {
    ASSIGN_OR_RETURN(std::optional<v1::BackupPart> part,
                     room.catalog.ReadPart(backup.id(), number));
    if (!part.has_value() && number < PartCount(Bytes(backup.size_bytes()))) {
      return Error(
          absl::StatusCode::kDataLoss, "BACKUP_CORRUPT",
          absl::StrCat("part ", number, " of the manifest of backup ", backup.id(), " is gone"));
    }
    layers.push_back(part.has_value() ? *std::move(part) : v1::BackupPart());
  }
  return Overlay(layers, backups.front().size_bytes());
}

absl::StatusOr<std::unique_ptr<RestorePoint>> RestorePoint::Open(const BackupRoom& room,
                                                                 const std::string& id) {
  ASSIGN_OR_RETURN(std::vector<v1::Backup> chain, ReadChain(room, id));
  RETURN_IF_ERROR(CheckBase(room, chain.front()));
  std::unique_ptr<RestorePoint> point(new RestorePoint(room, std::move(chain)));
  const v1::Backup& backup = point->backup();
  ASSIGN_OR_RETURN(point->reader_, room.block.OpenReader(BaseOf(backup), backup.snapshot()));
  return point;
}

absl::Status RestorePoint::Corrupt(uint64_t offset_bytes, uint64_t length_bytes) const {
  return Error(
      absl::StatusCode::kDataLoss, "BACKUP_CORRUPT",
      absl::StrCat("backup ", backup().id(), " does not hold what was backed up, in the ",
                   length_bytes, " bytes at ", offset_bytes, " of ", BaseOf(backup()).ToString(),
                   "@", backup().snapshot(), ": restore another one, and make a full backup"));
}

absl::Status RestorePoint::ReadPart(uint64_t number, JobGate& gate, const Sink& sink) {
  const uint64_t begin = number * kPartBytes;
  const uint64_t end = std::min(begin + kPartBytes, size().count());
  ASSIGN_OR_RETURN(const std::vector<Piece> pieces, ReadPieces(room_, chain_, number));
  RETURN_IF_ERROR(ReadProved(pieces, gate, [&](const block::Extent& read, std::string data) {
    return read.has_data ? sink(read.offset_bytes, std::move(data)) : absl::OkStatus();
  }));
  return ProveZeros(pieces, begin, end, gate);
}

absl::Status RestorePoint::ReadChanges(uint64_t number, size_t layers, JobGate& gate,
                                       const ReadAhead::Sink& sink) {
  ASSIGN_OR_RETURN(std::vector<Piece> pieces, ReadPieces(room_, chain_, number));
  std::erase_if(pieces, [&](const Piece& piece) { return piece.layer >= layers; });
  return ReadProved(pieces, gate, sink);
}

absl::Status RestorePoint::ReadProved(const std::vector<Piece>& pieces, JobGate& gate,
                                      const ReadAhead::Sink& sink) {
  auto unproved = pieces.begin();
  ReadAhead ahead(*reader_, gate, [&](const block::Extent& read, std::string data) {
    for (; unproved != pieces.end() && unproved->end_bytes() <= read.end_bytes(); ++unproved) {
      if (!unproved->has_data()) continue;
      RETURN_IF_ERROR(Prove(
          *unproved, absl::string_view(data).substr(unproved->offset_bytes - read.offset_bytes,
                                                    unproved->length_bytes)));
    }
    return sink(read, std::move(data));
  });
  // Pieces that lie side by side are one read.
  block::Extent read;
  for (const Piece& piece : pieces) {
    const bool joins = read.has_data && piece.has_data() &&
                       read.end_bytes() == piece.offset_bytes &&
                       piece.offset_bytes / kReadBytes == read.offset_bytes / kReadBytes;
    if (joins) {
      read.length_bytes += piece.length_bytes;
      continue;
    }
    if (read.length_bytes > 0) RETURN_IF_ERROR(ahead.Add(read));
    read = {piece.offset_bytes, piece.length_bytes, piece.has_data()};
  }
  if (read.length_bytes > 0) RETURN_IF_ERROR(ahead.Add(read));
  return ahead.Drain();
}

absl::Status RestorePoint::Prove(const Piece& piece, absl::string_view data) {
  if (piece.is_whole()) {
    return Checksum(data) == piece.extent.checksum()
               ? absl::OkStatus()
               : Corrupt(piece.offset_bytes, piece.length_bytes);
  }
  ASSIGN_OR_RETURN(const absl::string_view extent, ReadExtent(piece));
  if (Checksum(extent) != piece.extent.checksum()) {
    return Corrupt(piece.extent.offset_bytes(), piece.extent.length_bytes());
  }
  return extent.substr(piece.offset_bytes - piece.extent.offset_bytes(), piece.length_bytes) == data
             ? absl::OkStatus()
             : Corrupt(piece.offset_bytes, piece.length_bytes);
}

absl::StatusOr<absl::string_view> RestorePoint::ReadExtent(const Piece& piece) {
  Layer& layer = layers_[piece.layer];
  if (layer.reader == nullptr) {
    const v1::Backup& backup = chain_[piece.layer];
    RETURN_IF_ERROR(CheckBase(room_, backup));
    ASSIGN_OR_RETURN(layer.reader, room_.block.OpenReader(BaseOf(backup), backup.snapshot()));
  }
  if (layer.extent.empty() || layer.offset_bytes != piece.extent.offset_bytes()) {
    layer.offset_bytes = piece.extent.offset_bytes();
    ASSIGN_OR_RETURN(layer.extent,
                     ReadNow(*layer.reader, layer.offset_bytes, piece.extent.length_bytes()));
  }
  return layer.extent;
}

absl::Status RestorePoint::ProveZeros(const std::vector<Piece>& pieces, uint64_t begin,
                                      uint64_t end, JobGate& gate) {
  ByteSet with_data;
  for (const Piece& piece : pieces) {
    if (piece.has_data()) with_data.Add({piece.offset_bytes, piece.end_bytes()});
  }
  ReadAhead ahead(*reader_, gate, [&](const block::Extent& read, const std::string& data) {
    return IsZeros(data) ? absl::OkStatus() : Corrupt(read.offset_bytes, read.length_bytes);
  });
  DiffAhead written(*reader_, "", begin, end);
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<std::vector<block::Extent>> extents, written.Next());
    if (!extents.has_value()) return ahead.Drain();
    for (const block::Extent& extent : *extents) {
      if (!extent.has_data) continue;
      for (const ByteSet::Interval& rest :
           with_data.Missing({extent.offset_bytes, extent.end_bytes()})) {
        RETURN_IF_ERROR(ahead.Add({rest.begin, rest.end - rest.begin, true}));
      }
    }
  }
}

}  // namespace hvagent::backup
