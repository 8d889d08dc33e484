#include "secrets/secret_identity.h"

#include <string>

#include "base/names.h"
#include "gtest/gtest.h"

namespace hvagent::secrets {
namespace {

Uuid ParseUuid(absl::string_view text) { return Uuid::Parse(text).value(); }

const Uuid kFsid = ParseUuid("90fbf2d2-5ddb-4a28-8a21-5c4f4ba4d6ad");
const Uuid kOtherFsid = ParseUuid("d82f0b96-6a69-4f7f-9d79-73d5bac7dd6c");

// Nodes and releases must agree for ever, so the values are from another implementation: python3's
// uuid.uuid5(uuid.UUID("90fb..."), "client.cinder").
TEST(DeriveSecretUuidTest, IsTheVersion5UuidThatOthersCompute) {
  EXPECT_EQ(DeriveSecretUuid(kFsid, "client.cinder").ToString(),
            "a4f91bca-5647-5a89-ae91-1961a187c93f");
  EXPECT_EQ(DeriveSecretUuid(kFsid, "client.glance").ToString(),
            "8b63988f-9494-5a8e-9cc7-d9d9773f6872");
}

TEST(DeriveSecretUuidTest, DiffersBetweenClusters) {
  EXPECT_NE(DeriveSecretUuid(kFsid, "client.cinder"),
            DeriveSecretUuid(kOtherFsid, "client.cinder"));
}

TEST(DeriveUsageTest, HoldsEntityAndCluster) {
  EXPECT_EQ(DeriveUsage(kFsid, "client.cinder"),
            "client.cinder@90fbf2d2-5ddb-4a28-8a21-5c4f4ba4d6ad");
}

TEST(DeriveUsageTest, IsTheSameHoweverTheFsidIsWritten) {
  EXPECT_EQ(DeriveUsage(ParseUuid("90FBF2D2-5DDB-4A28-8A21-5C4F4BA4D6AD"), "client.cinder"),
            DeriveUsage(kFsid, "client.cinder"));
}

TEST(DeriveUsageTest, IsLegalForTheLongestEntity) {
  const std::string entity = "client." + std::string(64, 'x');
  ASSERT_TRUE(CheckClientEntity(entity).ok());
  EXPECT_TRUE(CheckUsage(DeriveUsage(kFsid, entity)).ok());
}

TEST(CheckUsageTest, AcceptsWhatOperatorsWrite) {
  EXPECT_TRUE(CheckUsage("client.cinder secret").ok());
  EXPECT_TRUE(CheckUsage("ceph & <nova>").ok());
  EXPECT_TRUE(CheckUsage(std::string(128, 'x')).ok());
}

TEST(CheckUsageTest, RefusesWhatCannotBeSeenOrWrittenInXml) {
  for (const std::string& usage : {std::string(), std::string(" x"), std::string("x "),
                                   std::string("a\nb"), std::string("a\0b", 3), std::string("\x7f"),
                                   std::string("caf\xc3\xa9"), std::string(129, 'x')}) {
    EXPECT_EQ(CheckUsage(usage).code(), absl::StatusCode::kInvalidArgument) << usage;
  }
}

}  // namespace
}  // namespace hvagent::secrets
