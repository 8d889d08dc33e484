#include "agent/operations/image_catalog.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/block/memory_block_store.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace hvagent::operations {
namespace {

using ::hvagent::testing::Fails;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ImageCatalogTest : public ::testing::Test {
 protected:
  ImageCatalogTest() {
    block_.CreatePool("images");
    block_.CreatePool("vms");
  }

  void AddImage(const std::string& id) {
    ASSERT_OK(block_.CreateImage({"images", "", id}, MiB(8), MiB(8)));
    ASSERT_OK(block_.CreateProtectedSnapshot({{"images", "", id}, kGoldenSnapshot}));
  }
  std::vector<std::string> Ids(absl::string_view after, size_t limit) {
    std::vector<std::string> ids;
    const auto images = catalog_.List(after, limit);
    EXPECT_OK(images);
    for (const v1::Image& image : *images) ids.push_back(image.id());
    return ids;
  }

  block::MemoryBlockStore block_{"", {}};
  ImageCatalog catalog_{block_, "images", "compute-1"};
};

TEST_F(ImageCatalogTest, SaysWhetherVmsCanBeClonedFromAnImage) {
  AddImage("golden");
  ASSERT_OK(block_.CreateImage({"images", "", "bare"}, MiB(8), MiB(8)));
  EXPECT_TRUE(catalog_.Get("golden")->ready());
  EXPECT_FALSE(catalog_.Get("bare")->ready());
  ASSERT_OK(block_.SetProtected({{"images", "", "golden"}, kGoldenSnapshot}, false));
  EXPECT_FALSE(catalog_.Get("golden")->ready());
}

TEST_F(ImageCatalogTest, PagesAreFullAlthoughStagedImagesAreLeftOut) {
  for (const char* id : {"a", "z1", "z2"}) AddImage(id);
  for (int i = 0; i < 5; ++i) AddImage(absl::StrCat(kStagedPrefix, i));
  EXPECT_THAT(Ids("", 2), ElementsAre("a", "z1"));
  EXPECT_THAT(Ids("z1", 2), ElementsAre("z2"));
  EXPECT_THAT(Ids("z2", 2), IsEmpty());
}

TEST_F(ImageCatalogTest, AStagedImageCannotBeAskedForNorDeleted) {
  const std::string staged = absl::StrCat(kStagedPrefix, "1");
  AddImage(staged);
  EXPECT_EQ(ErrorField(catalog_.Get(staged).status()), "id");
  EXPECT_EQ(ErrorField(catalog_.Delete(staged)), "id");
  EXPECT_OK(block_.GetImage({"images", "", staged}));
}

TEST_F(ImageCatalogTest, NamesThatAreSeparatorsToRbdAreRefusedBeforeAnyCall) {
  block_.FailNext(absl::InternalError("asked Ceph"));
  for (const std::string& id :
       {std::string("a/b"), std::string("a@b"), std::string("a:b"), std::string("a\\b"),
        std::string("a\nb"), std::string(""), std::string("a\0b", 3), std::string(300, 'a')}) {
    EXPECT_EQ(ErrorField(catalog_.Get(id).status()), "id") << id;
    EXPECT_EQ(ErrorField(catalog_.Delete(id)), "id") << id;
  }
  EXPECT_TRUE(block_.FailurePending());
}

TEST_F(ImageCatalogTest, AnImageThatVmsWereClonedFromIsNotDeletedUntilTheyAreGone) {
  AddImage("golden");
  const block::ImageName clone = {"vms", "", "1_disk"};
  ASSERT_OK(block_.CloneImage({{"images", "", "golden"}, kGoldenSnapshot}, clone));
  const absl::Status refused = catalog_.Delete("golden");
  EXPECT_THAT(refused, Fails(absl::StatusCode::kFailedPrecondition, "IMAGE_HAS_CHILDREN"));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("vms/1_disk"));
  EXPECT_TRUE(catalog_.Get("golden")->ready()) << "a refusal changes nothing";
  ASSERT_OK(block_.RemoveImage(clone));
  EXPECT_OK(catalog_.Delete("golden"));
  EXPECT_THAT(catalog_.Delete("golden"), Fails(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND"));
}

TEST_F(ImageCatalogTest, ADeletionThatIsRefusedLeavesTheImageAsItWas) {
  AddImage("golden");
  const block::ImageName name = {"images", "", "golden"};
  ASSERT_OK(block_.CreateProtectedSnapshot({name, "nightly"}));
  const auto before = block_.GetImage(name);
  const absl::Status has_snapshots = catalog_.Delete("golden");
  EXPECT_THAT(has_snapshots, Fails(absl::StatusCode::kFailedPrecondition, "IMAGE_HAS_SNAPSHOTS"));
  EXPECT_THAT(std::string(has_snapshots.message()), HasSubstr("nightly"));
  EXPECT_EQ(block_.GetImage(name)->snapshots, before->snapshots);

  ASSERT_OK(block_.RemoveSnapshot({name, "nightly"}));
  block_.AddWatcher(name, "10.0.0.9:0/1");
  const absl::Status in_use = catalog_.Delete("golden");
  EXPECT_THAT(in_use, Fails(absl::StatusCode::kFailedPrecondition, "IMAGE_IN_USE"));
  EXPECT_THAT(std::string(in_use.message()), HasSubstr("10.0.0.9"));
  EXPECT_TRUE(catalog_.Get("golden")->ready());

  block_.RemoveWatcher("10.0.0.9:0/1");
  EXPECT_OK(catalog_.Delete("golden"));
}

// Between the look and the removal.
TEST_F(ImageCatalogTest, AnImageThatIsOpenedDuringItsDeletionGetsItsSnapshotBack) {
  AddImage("golden");
  constexpr int kRemoveImage = 4;  // after two looks and the snapshot's removal
  block_.FailNth(kRemoveImage, Error(absl::StatusCode::kFailedPrecondition, "IMAGE_IN_USE", ""));
  EXPECT_THAT(catalog_.Delete("golden"),
              Fails(absl::StatusCode::kFailedPrecondition, "IMAGE_IN_USE"));
  EXPECT_TRUE(catalog_.Get("golden")->ready());
  EXPECT_OK(catalog_.Delete("golden"));
}

// A deletion that failed half way is finished by the next one.
TEST_F(ImageCatalogTest, WhicheverCephCallOfADeletionFailsTheNextOneFinishesIt) {
  for (int nth = 1;; ++nth) {
    SCOPED_TRACE(nth);
    AddImage("golden");
    block_.FailNth(nth, Error(absl::StatusCode::kDeadlineExceeded, "CEPH_TIMEOUT", ""));
    const absl::Status first = catalog_.Delete("golden");
    const bool failed = !block_.FailurePending();
    EXPECT_EQ(first.ok(), !failed);
    block_.FailNth(1 << 30, absl::OkStatus());
    if (failed) {
      EXPECT_OK(catalog_.Delete("golden"));
    }
    EXPECT_THAT(Ids("", 10), IsEmpty());
    if (!failed) break;
  }
}

}  // namespace
}  // namespace hvagent::operations
