#include "domain_xml/disk_use.h"

#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hvagent::domain_xml {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(RbdImagesOfTest, NamesEveryRbdSourceAndNoOther) {
  EXPECT_THAT(*RbdImagesOf(R"(<domain type='kvm'><devices>
      <disk type='file'><source file='/a'/></disk>
      <disk type='network'><source protocol='rbd' name='vms/a_disk'><host name='h'/></source></disk>
      <disk type='network'><source protocol='nbd' name='x'/></disk>
      <disk type='network'><source protocol='rbd' name='volumes/blue/volume-b'/>
        <mirror><source protocol='rbd' name='volumes/volume-c'/></mirror></disk>
      </devices></domain>)"),
              ElementsAre("vms/a_disk", "volumes/blue/volume-b", "volumes/volume-c"));
  EXPECT_THAT(*RbdImagesOf("<domain/>"), IsEmpty());
}

TEST(RbdImagesOfTest, LeavesOutWhatTheGuestMayOnlyReadWhereThatIsAsked) {
  const char* const xml = R"(<domain><devices>
      <disk><source protocol='rbd' name='vms/a_disk'/></disk>
      <disk><source protocol='rbd' name='vms/a_disk.config'/><readonly/></disk>
      </devices></domain>)";
  EXPECT_THAT(*RbdImagesOf(xml), ElementsAre("vms/a_disk", "vms/a_disk.config"));
  EXPECT_THAT(*WritableRbdImagesOf(xml), ElementsAre("vms/a_disk"));
}

TEST(RbdImagesOfTest, RefusesWhatIsNoDomain) {
  for (const char* xml : {"", "<domain>", "<network/>"}) {
    EXPECT_EQ(ErrorReason(RbdImagesOf(xml).status()), "INVALID_DOMAIN_XML") << xml;
  }
}

}  // namespace
}  // namespace hvagent::domain_xml
