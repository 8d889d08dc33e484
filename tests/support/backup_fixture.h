// A volume with some data on the memory backends, for tests of its backups.
#ifndef HVAGENT_TESTS_SUPPORT_BACKUP_FIXTURE_H_
#define HVAGENT_TESTS_SUPPORT_BACKUP_FIXTURE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/block/memory_block_store.h"
#include "agent/block/memory_object_store.h"
#include "base/bytes.h"
#include "tests/support/backup_world.h"
#include "tests/support/faulty_object_store.h"
#include "tests/support/status_matchers.h"

namespace hvagent::testing {

inline constexpr char kVolume[] = "11111111-0414-4b58-9924-af681091be09";
inline constexpr char kTarget[] = "22222222-0414-4b58-9924-af681091be09";

inline block::ImageName VolumeImage(const std::string& id = kVolume) {
  return {"volumes", "", absl::StrCat("volume-", id)};
}

// volumes/volume-<kVolume> in four objects, with 1 MiB of data at its beginning.
class BackupFixture {
 public:
  explicit BackupFixture(Bytes size = MiB(16)) {
    for (const char* pool : {"volumes", "vms", "backups"}) {
      block.CreatePool(pool);
      objects.CreatePool(pool);
    }
    EXPECT_OK(block.CreateImage(VolumeImage(), size, Bytes(size.count() / 4)));
    Write(0, std::string(1 << 20, 'a'));
  }

  void Write(uint64_t offset_bytes, std::string data, const std::string& volume = kVolume) {
    auto writer = block.OpenWriter(VolumeImage(volume));
    ASSERT_OK(writer);
    EXPECT_OK((*writer)->Write(offset_bytes, std::move(data)));
    EXPECT_OK((*writer)->Finish());
  }

  std::string Content(const std::string& volume = kVolume) {
    const auto data = block.ReadImage(VolumeImage(volume), 0, 64 << 20);
    EXPECT_OK(data);
    return data.value_or("");
  }

  std::vector<std::string> SnapshotsOf(const block::ImageName& image) {
    std::vector<std::string> names;
    const auto info = block.GetImage(image);
    EXPECT_OK(info);
    if (!info.ok()) return names;
    for (const auto& snapshot : info->snapshots) names.push_back(snapshot.name);
    return names;
  }
  std::vector<std::string> Bases() { return *block.ListImages("backups", "", 100); }

  block::MemoryBlockStore block{"", {}};
  block::MemoryObjectStore objects;
  FaultyObjectStore faulty_objects{objects};
  BackupWorld world{block, faulty_objects};
};

}  // namespace hvagent::testing

#endif  // HVAGENT_TESTS_SUPPORT_BACKUP_FIXTURE_H_
