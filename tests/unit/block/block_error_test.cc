#include "agent/block/block_error.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "gmock/gmock.h"

namespace hvagent::block {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(BlockErrorTest, NamesAreWrittenAsPeopleWriteThem) {
  EXPECT_EQ((ImageName{"vms", "", "x_disk"}.ToString()), "vms/x_disk");
  EXPECT_EQ((ImageName{"vms", "tenant", "x_disk"}.ToString()), "vms/tenant/x_disk");
  EXPECT_EQ((SnapshotName{{"images", "", "d189"}, "snap"}.ToString()), "images/d189@snap");
}

TEST(BlockErrorTest, NamesTheFirstOfManyChildrenAndCountsTheRest) {
  std::vector<Child> children;
  for (int i = 0; i < 1000; ++i) {
    children.push_back({{"vms", "", absl::StrCat("disk-", i)}, i == 1 ? "10ab" : ""});
  }
  const absl::Status status = ImageHasChildren({{"images", "", "x"}, "snap"}, children);
  EXPECT_EQ(ErrorReason(status), "IMAGE_HAS_CHILDREN");
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("images/x@snap"), HasSubstr("vms/disk-0, "),
                    HasSubstr("vms/disk-1 (in the trash), "), HasSubstr("vms/disk-9 "),
                    HasSubstr("and 990 more"), Not(HasSubstr("vms/disk-10"))));
}

TEST(BlockErrorTest, AWriteFitsUpToTheLastByteAndNoFurther) {
  const ImageName image{"vms", "", "x"};
  EXPECT_TRUE(CheckWriteFits(image, Bytes(10), 0, 10).ok());
  EXPECT_TRUE(CheckWriteFits(image, Bytes(10), 10, 0).ok());
  EXPECT_FALSE(CheckWriteFits(image, Bytes(10), 0, 11).ok());
  EXPECT_FALSE(CheckWriteFits(image, Bytes(10), 11, 0).ok());
  EXPECT_FALSE(CheckWriteFits(image, Bytes(10), UINT64_MAX, 2).ok());
}

}  // namespace
}  // namespace hvagent::block
