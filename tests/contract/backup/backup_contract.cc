#include "tests/contract/backup/backup_contract.h"

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "tests/support/backup_world.h"
#include "tests/support/status_matchers.h"

namespace hvagent::backup {
namespace {

using ::hvagent::testing::BackupWorld;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A disk, what it shall hold, and its restore points with what they shall.
class History {
 public:
  History(BackupStores& stores, int seed)
      : stores_(stores),
        world_(stores.block(), stores.objects()),
        random_(seed),
        golden_{"images", "", absl::StrCat("backup-golden-", Uuid::Random().ToString())} {
    // Half of the histories begin with a clone, which has its data from its parent.
    if (Below(2) == 0) {
      model_ = std::string(MiB(12).count() + 4096 * Below(512), '\0');
      EXPECT_OK(block().CreateImage(Disk(), Bytes(model_.size()), MiB(4)));
    } else {
      model_ = std::string(MiB(8).count(), '\0');
      EXPECT_OK(block().CreateImage(golden_, Bytes(model_.size()), MiB(4)));
      for (int i = 0; i < 3; ++i) WriteSomething(golden_);
      EXPECT_OK(block().CreateProtectedSnapshot({golden_, "snap"}));
      EXPECT_OK(block().CloneImage({golden_, "snap"}, Disk()));
    }
  }

  ~History() {
    for (const block::ImageName& image : {Disk(), golden_}) {
      const auto info = block().GetImage(image);
      if (!info.ok()) continue;
      for (const auto& snapshot : info->snapshots) {
        EXPECT_OK(block().RemoveSnapshot({image, snapshot.name}));
      }
      EXPECT_OK(block().RemoveImage(image));
    }
  }

  void Step() {
    switch (Below(10)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return WriteSomething(Disk());
      case 4:
      case 5:
        return ZeroSomething();
      case 6:
        return Grow();
      case 7:
        return DeleteSomething();
      default:
        return BackUp();
    }
  }

  void BackUp() {
    const bool incremental = can_follow_ && Below(5) > 0;
    const auto backup = world_.Create(id_, incremental);
    ASSERT_OK(backup);
    EXPECT_EQ(backup->size_bytes(), model_.size());
    EXPECT_EQ(backup->parent_id().empty(), !incremental);
    points_.push_back({backup->id(), model_});
    can_follow_ = true;
  }

  void DeleteSomething() {
    if (points_.empty()) return;
    const size_t which = Below(points_.size());
    ASSERT_OK(world_.Delete(points_[which].first));
    if (which + 1 == points_.size()) can_follow_ = false;
    points_.erase(points_.begin() + static_cast<std::ptrdiff_t>(which));
  }

  void CheckAll() {
    for (const auto& [id, content] : points_) {
      EXPECT_OK(world_.Verify(id));
      ASSERT_OK(world_.Restore(id, target_, /*in_place=*/false));
      Compare(content);
      ASSERT_OK(block().RemoveImage(Volume(target_)));
    }
    // In place, from one to the next.
    if (points_.empty()) return;
    ASSERT_OK(block().CreateImage(Volume(target_), MiB(1), MiB(4)));
    size_t largest = 0;
    for (const auto& [id, content] : points_) {
      ASSERT_OK(world_.Restore(id, target_, /*in_place=*/true));
      largest = std::max(largest, content.size());
      std::string padded = content;
      padded.resize(largest);
      Compare(padded);
    }
    ASSERT_OK(block().RemoveImage(Volume(target_)));
  }

  void DeleteAll() {
    for (const auto& [id, content] : points_) ASSERT_OK(world_.Delete(id));
    const auto left = block().ListImages("backups", absl::StrCat("volume-", id_), 1);
    ASSERT_OK(left);
    EXPECT_THAT(*left, Not(Contains(HasSubstr(id_))));
    EXPECT_THAT(*world_.catalog.ListOf(Disk().ToString()), IsEmpty());
    EXPECT_THAT(block().GetImage(Disk())->snapshots, IsEmpty());
  }

 private:
  block::BlockStore& block() { return stores_.block(); }
  static block::ImageName Volume(const std::string& id) {
    return {"volumes", "", absl::StrCat("volume-", id)};
  }
  block::ImageName Disk() const { return Volume(id_); }
  uint64_t Below(uint64_t n) { return std::uniform_int_distribution<uint64_t>(0, n - 1)(random_); }

  // A range of the disk, now and then on the borders of sectors or objects.
  std::pair<uint64_t, uint64_t> Range(uint64_t longest) {
    const uint64_t grain = std::vector<uint64_t>{1, 512, 4096, MiB(4).count()}[Below(4)];
    const uint64_t offset = Below(model_.size()) / grain * grain;
    const uint64_t length = (Below(longest) + grain) / grain * grain;
    return {offset, std::min<uint64_t>(length, model_.size() - offset)};
  }

  void WriteSomething(const block::ImageName& image) {
    const auto [offset, length] = Range(600 << 10);
    std::string data(length, '\0');
    for (char& byte : data) byte = static_cast<char>(random_());
    model_.replace(offset, length, data);
    auto writer = block().OpenWriter(image);
    ASSERT_OK(writer);
    EXPECT_OK((*writer)->Write(offset, data));
    EXPECT_OK((*writer)->Finish());
  }

  void ZeroSomething() {
    const auto [offset, length] = Range(6 << 20);
    model_.replace(offset, length, std::string(length, '\0'));
    auto writer = block().OpenWriter(Disk());
    ASSERT_OK(writer);
    EXPECT_OK((*writer)->WriteZeros(offset, length));
    EXPECT_OK((*writer)->Finish());
  }

  void Grow() {
    if (model_.size() > (40u << 20)) return;
    model_.resize(model_.size() + 512 * (1 + Below(8192)));
    EXPECT_OK(block().AmendImage(Disk(), {Bytes(model_.size()), {}}));
  }

  void Compare(const std::string& content) {
    const auto data = block().ReadImage(Volume(target_), 0, content.size() + 1);
    ASSERT_OK(data);
    ASSERT_EQ(data->size(), content.size());
    for (size_t at = 0; at < content.size(); at += 4096) {
      ASSERT_EQ(data->compare(at, 4096, content, at, 4096), 0)
          << "the bytes at " << at << " differ";
    }
  }

  BackupStores& stores_;
  BackupWorld world_;
  std::mt19937 random_;
  const block::ImageName golden_;
  const std::string id_ = Uuid::Random().ToString();
  const std::string target_ = Uuid::Random().ToString();
  std::string model_;
  std::vector<std::pair<std::string, std::string>> points_;
  bool can_follow_ = false;
};

}  // namespace

TEST_P(BackupContract, EveryRestorePointOfARandomHistoryEqualsAFullCopy) {
  const auto stores = GetParam().make();
  History history(*stores, GetParam().seed);
  for (int i = 0; i < GetParam().steps && !HasFatalFailure(); ++i) history.Step();
  history.BackUp();
  history.CheckAll();
  if (!HasFatalFailure()) history.DeleteAll();
}

}  // namespace hvagent::backup
