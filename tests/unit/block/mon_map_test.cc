#include "agent/block/mon_map.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "gmock/gmock.h"

namespace hvagent::block {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kV1 = MonitorAddress::Protocol::kV1;
constexpr auto kV2 = MonitorAddress::Protocol::kV2;

std::string Dump(absl::string_view mons) {
  return absl::StrCat(R"({"epoch":1,"fsid":"48cf4e27-6493-49d7-9e5f-3dead2d87b6e","mons":[)", mons,
                      R"(],"quorum":[0]})");
}

std::string Mon(absl::string_view name, absl::string_view addrvec) {
  return absl::StrCat(R"({"rank":0,"name":")", name, R"(","public_addrs":{"addrvec":[)", addrvec,
                      R"(]},"addr":"10.0.0.1:6789/0","priority":0})");
}

// As Ceph 16.2.15 answers, whole.
TEST(ParseMonMapTest, ReadsWhatARealMonitorSays) {
  const auto map = ParseMonMap(
      R"({"epoch":1,"fsid":"48cf4e27-6493-49d7-9e5f-3dead2d87b6e","modified":"2026-11-22T14:17:46.760102Z","created":"2026-11-22T14:17:46.760102Z","min_mon_release":16,"min_mon_release_name":"pacific","election_strategy":1,"disallowed_leaders: ":"","stretch_mode":false,"tiebreaker_mon":"","removed_ranks: ":"","features":{"persistent":["kraken","luminous","mimic","osdmap-prune","nautilus","octopus","pacific","elector-pinging"],"optional":[]},"mons":[{"rank":0,"name":"a","public_addrs":{"addrvec":[{"type":"v2","addr":"10.77.0.1:3300","nonce":0},{"type":"v1","addr":"10.77.0.1:6789","nonce":0}]},"addr":"10.77.0.1:6789/0","public_addr":"10.77.0.1:6789/0","priority":0,"weight":0,"crush_location":"{}"}],"quorum":[0]})");
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(map->fsid, "48cf4e27-6493-49d7-9e5f-3dead2d87b6e");
  EXPECT_THAT(map->monitors,
              ElementsAre(Monitor{"a", {{"10.77.0.1", 3300, kV2}, {"10.77.0.1", 6789, kV1}}}));
}

TEST(ParseMonMapTest, TakesMonitorsWithOneProtocolOnlyInTheMapsOrder) {
  const auto map = ParseMonMap(
      Dump(absl::StrCat(Mon("b", R"({"type":"v1","addr":"10.0.0.2:6789","nonce":0})"), ",",
                        Mon("a", R"({"type":"v2","addr":"10.0.0.1:3300","nonce":0})"))));
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_THAT(map->monitors, ElementsAre(Monitor{"b", {{"10.0.0.2", 6789, kV1}}},
                                         Monitor{"a", {{"10.0.0.1", 3300, kV2}}}));
}

TEST(ParseMonMapTest, TakesTheBracketsOffAnIpv6Address) {
  const auto map = ParseMonMap(Dump(Mon("a", R"({"type":"v2","addr":"[fd00::1]:3300","nonce":0},
                                                {"type":"v1","addr":"[fd00::1]:6789"})")));
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_THAT(map->monitors,
              ElementsAre(Monitor{"a", {{"fd00::1", 3300, kV2}, {"fd00::1", 6789, kV1}}}));
}

TEST(ParseMonMapTest, LeavesOutAddressesOfOtherKinds) {
  const auto map = ParseMonMap(Dump(Mon("a", R"({"type":"none","addr":":/0"},
                                                {"type":"v2","addr":"10.0.0.1:3300"})")));
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_THAT(map->monitors, ElementsAre(Monitor{"a", {{"10.0.0.1", 3300, kV2}}}));
}

TEST(ParseMonMapTest, RefusesWhatIsNotAMonMap) {
  const std::string kBad[] = {
      "",
      "Error EACCES: access denied",
      "[]",
      "{}",
      Dump(""),
      Dump(Mon("a", "")),
      Dump(Mon("a", R"({"type":"v2","addr":"10.0.0.1"})")),
      Dump(Mon("a", R"({"type":"v2","addr":"10.0.0.1:"})")),
      Dump(Mon("a", R"({"type":"v2","addr":"10.0.0.1:70000"})")),
      Dump(Mon("a", R"({"type":"v2","addr":"10.0.0.1:0"})")),
      Dump(Mon("a", R"({"type":"v2","addr":"[fd00::1:3300"})")),
      Dump(Mon("a", R"({"type":"v2","addr":":3300"})")),
  };
  for (const std::string& json : kBad) {
    const auto map = ParseMonMap(json);
    EXPECT_EQ(map.status().code(), absl::StatusCode::kInternal) << json;
    EXPECT_EQ(ErrorReason(map.status()), "CEPH_MON_MAP") << json;
  }
}

}  // namespace
}  // namespace hvagent::block
