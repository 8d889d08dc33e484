#include "agent/reconcile/no_cloud_disk.h"

#include <archive.h>
#include <archive_entry.h>

#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_node.h"
#include "tests/support/status_matchers.h"

namespace hvagent::reconcile {
namespace {

using ::hvagent::testing::GuideVm;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// The files of an ISO 9660 file system, by name.
std::map<std::string, std::string> Files(const std::string& disk) {
  archive* const handle = archive_read_new();
  archive_read_support_format_iso9660(handle);
  EXPECT_EQ(archive_read_open_memory(handle, disk.data(), disk.size()), ARCHIVE_OK);
  std::map<std::string, std::string> files;
  archive_entry* entry = nullptr;
  while (archive_read_next_header(handle, &entry) == ARCHIVE_OK) {
    if (archive_entry_filetype(entry) != AE_IFREG) continue;
    std::string content(archive_entry_size(entry), '\0');
    EXPECT_EQ(archive_read_data(handle, content.data(), content.size()),
              static_cast<la_ssize_t>(content.size()));
    files[archive_entry_pathname(entry)] = content;
  }
  archive_read_free(handle);
  return files;
}

v1::VmSpec Spec() {
  v1::VmSpec spec = GuideVm();
  spec.mutable_cloud_init()->set_user_data("#cloud-config\nhostname: a\n");
  return spec;
}

TEST(NoCloudDiskTest, HasTheLabelThatCloudInitLooksFor) {
  const auto disk = MakeNoCloudDisk(Spec());
  ASSERT_OK(disk);
  EXPECT_EQ(disk->size() % 2048, 0u);
  // ECMA-119, 8.4: the primary volume descriptor is sector 16; its volume identifier is at 40.
  EXPECT_EQ(disk->substr(16 * 2048 + 1, 5), "CD001");
  EXPECT_THAT(disk->substr(16 * 2048 + 40, 32), ::testing::StartsWith("CIDATA "));
}

TEST(NoCloudDiskTest, NamesTheVmWhereNoMetaDataIsGiven) {
  const v1::VmSpec spec = Spec();
  const auto disk = MakeNoCloudDisk(spec);
  ASSERT_OK(disk);
  EXPECT_THAT(Files(*disk), UnorderedElementsAre(
                                Pair("user-data", "#cloud-config\nhostname: a\n"),
                                Pair("meta-data", "instance-id: " + spec.uuid() +
                                                      "\nlocal-hostname: " + spec.name() + "\n")));
}

TEST(NoCloudDiskTest, HoldsAllThatIsGivenByteForByte) {
  v1::VmSpec spec = Spec();
  const std::string large(1 << 19, 'x');
  spec.mutable_cloud_init()->set_user_data(large);
  spec.mutable_cloud_init()->set_meta_data("instance-id: i-1\n");
  spec.mutable_cloud_init()->set_network_config("version: 2\n");
  const auto disk = MakeNoCloudDisk(spec);
  ASSERT_OK(disk);
  EXPECT_THAT(Files(*disk), UnorderedElementsAre(Pair("user-data", large),
                                                 Pair("meta-data", "instance-id: i-1\n"),
                                                 Pair("network-config", "version: 2\n")));
}

}  // namespace
}  // namespace hvagent::reconcile
