#include "agent/reconcile/monitors.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hvagent::reconcile {
namespace {

using block::Monitor;
using block::MonitorAddress;
using domain_xml::MonitorHost;
using ::testing::ElementsAre;
using Protocol = block::MonitorAddress::Protocol;

const MonitorAddress kV2 = {"10.0.0.1", 3300, Protocol::kV2};
const MonitorAddress kV1 = {"10.0.0.1", 6789, Protocol::kV1};
const MonitorAddress kOtherV1 = {"10.0.0.2", 6789, Protocol::kV1};

TEST(GuestMonitorsTest, TakesV2WhereEveryMonitorHasIt) {
  EXPECT_THAT(GuestMonitors({{"a", {kV2, kV1}}}, false),
              ElementsAre(MonitorHost{"10.0.0.1", 3300}));
}

TEST(GuestMonitorsTest, TakesV1WhenOneMonitorHasNothingElse) {
  EXPECT_THAT(GuestMonitors({{"a", {kV2, kV1}}, {"b", {kOtherV1}}}, false),
              ElementsAre(MonitorHost{"10.0.0.1", 6789}, MonitorHost{"10.0.0.2", 6789}));
}

TEST(GuestMonitorsTest, TakesV1WhenToldTo) {
  EXPECT_THAT(GuestMonitors({{"a", {kV2, kV1}}}, true), ElementsAre(MonitorHost{"10.0.0.1", 6789}));
}

TEST(GuestMonitorsTest, NeverLeavesAMonitorOut) {
  EXPECT_THAT(GuestMonitors({{"a", {kV2}}, {"b", {kOtherV1}}}, false),
              ElementsAre(MonitorHost{"10.0.0.1", 3300}, MonitorHost{"10.0.0.2", 6789}));
}

}  // namespace
}  // namespace hvagent::reconcile
