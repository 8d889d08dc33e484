// What the jobs of backups work with.
#ifndef HVAGENT_AGENT_BACKUP_BACKUP_ROOM_H_
#define HVAGENT_AGENT_BACKUP_BACKUP_ROOM_H_

#include <cstdint>
#include <string>

#include "agent/backup/backup_catalog.h"
#include "agent/backup/backup_names.h"
#include "agent/block/block_store.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/keyed_lock.h"

namespace hvagent::backup {

struct BackupRoom {
  block::BlockStore& block;
  BackupCatalog& catalog;
  Pools pools;
  std::string node_name;
  // How fast a job reads where its request does not say; 0: as fast as it can.
  uint64_t max_bytes_per_s = 0;
  // What is imported is refused where it is larger.
  Bytes max_disk_size = GiB(64 << 10);
  const Clock& clock;
  // One job at a time for each source image, on this node; between nodes the lock of the base is
  // what keeps them apart.
  KeyedMutex<std::string>& sources;

  uint64_t RateOf(uint64_t requested) const { return requested > 0 ? requested : max_bytes_per_s; }
};

}  // namespace hvagent::backup

#endif  // HVAGENT_AGENT_BACKUP_BACKUP_ROOM_H_
