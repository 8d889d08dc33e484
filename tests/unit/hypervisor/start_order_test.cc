#include "agent/hypervisor/start_order.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace hvagent::hypervisor {
namespace {

using ::hvagent::testing::Fails;

class StartOrderTest : public ::testing::Test {
 protected:
  StartOrderTest() { std::filesystem::remove_all(dir_); }
  std::string PathOf(const Uuid& uuid) const { return absl::StrCat(dir_, "/", uuid.ToString()); }

  const std::string dir_ = ::testing::TempDir() + "hvagent-start-orders/starts";
  const Uuid vm_ = Uuid::Random();
};

TEST_F(StartOrderTest, StandsUntilItsEnd) {
  ASSERT_OK(PrepareStartOrders(dir_));
  {
    const auto order = StartOrder::Give(dir_, vm_);
    ASSERT_OK(order);
    EXPECT_TRUE(std::filesystem::exists(PathOf(vm_)));
  }
  EXPECT_FALSE(std::filesystem::exists(PathOf(vm_)));
}

TEST_F(StartOrderTest, OrdersOfAnAgentThatDiedAreTakenBackAndNothingElseIs) {
  ASSERT_OK(PrepareStartOrders(dir_));
  std::ofstream(PathOf(vm_)) << "";
  std::ofstream(dir_ + "/notes.txt") << "somebody's";
  ASSERT_OK(PrepareStartOrders(dir_));
  EXPECT_FALSE(std::filesystem::exists(PathOf(vm_)));
  EXPECT_TRUE(std::filesystem::exists(dir_ + "/notes.txt"));
}

TEST_F(StartOrderTest, AFolderThatIsMissingIsNamed) {
  EXPECT_THAT(StartOrder::Give(dir_, vm_),
              Fails(absl::StatusCode::kInternal, "START_ORDER_FAILED"));
}

}  // namespace
}  // namespace hvagent::hypervisor
