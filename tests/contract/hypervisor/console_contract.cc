// The sentences of agent/hypervisor/console.h and of Hypervisor::OpenConsole as tests.
#include <future>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "tests/contract/hypervisor/hypervisor_contract.h"
#include "tests/support/status_matchers.h"

namespace hvagent::hypervisor {
namespace {

using ::hvagent::testing::Fails;
using ::hvagent::testing::IsOk;

// How a console ends for who reads it: OK, or why.
absl::Status End(Console& console) {
  while (true) {
    const auto bytes = console.Read();
    if (!bytes.ok()) return bytes.status();
    if (bytes->empty()) return absl::OkStatus();
  }
}

TEST_P(HypervisorContract, ConsoleIsOfARunningGuest) {
  if (!subject().guests_have_console()) GTEST_SKIP();
  EXPECT_THAT(hypervisor().OpenConsole(NewDomain().uuid, false),
              Fails(absl::StatusCode::kNotFound, "DOMAIN_NOT_FOUND"));
  EXPECT_THAT(hypervisor().OpenConsole(DefinedDomain().uuid, false),
              Fails(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_RUNNING"));
}

TEST_P(HypervisorContract, ConsoleEndsWhenTheGuestStops) {
  if (!subject().guests_have_console()) GTEST_SKIP();
  const TestDomain domain = RunningDomain();
  const auto console = hypervisor().OpenConsole(domain.uuid, false);
  ASSERT_OK(console);
  std::future<absl::Status> end = std::async(std::launch::async, [&] { return End(**console); });
  EXPECT_THAT(hypervisor().DestroyDomain(domain.uuid), IsOk());
  EXPECT_THAT(end.get(), IsOk());
}

TEST_P(HypervisorContract, ConsoleEndsForWhoWaitsWhenItIsEnded) {
  if (!subject().guests_have_console()) GTEST_SKIP();
  const auto console = hypervisor().OpenConsole(RunningDomain().uuid, false);
  ASSERT_OK(console);
  std::future<absl::Status> end = std::async(std::launch::async, [&] { return End(**console); });
  (*console)->End();
  EXPECT_THAT(end.get(), IsOk());
  EXPECT_THAT((*console)->Write("late"),
              Fails(absl::StatusCode::kFailedPrecondition, "CONSOLE_ENDED"));
}

TEST_P(HypervisorContract, ConsoleTakesWhatIsTyped) {
  if (!subject().guests_have_console()) GTEST_SKIP();
  const auto console = hypervisor().OpenConsole(RunningDomain().uuid, false);
  ASSERT_OK(console);
  EXPECT_THAT((*console)->Write("help\r"), IsOk());
}

TEST_P(HypervisorContract, ConsoleIsOnesUntilSomebodyTakesItOver) {
  if (!subject().guests_have_console()) GTEST_SKIP();
  const TestDomain domain = RunningDomain();
  const auto first = hypervisor().OpenConsole(domain.uuid, false);
  ASSERT_OK(first);
  EXPECT_THAT(hypervisor().OpenConsole(domain.uuid, false),
              Fails(absl::StatusCode::kFailedPrecondition, "CONSOLE_IN_USE"));
  const auto second = hypervisor().OpenConsole(domain.uuid, true);
  ASSERT_OK(second);
  EXPECT_THAT(End(**first), Fails(absl::StatusCode::kUnavailable, "CONSOLE_LOST"));
  EXPECT_THAT((*second)->Write("mine\r"), IsOk());
}

TEST_P(HypervisorContract, ConsoleIsFreeWhenWhoHadItIsGone) {
  if (!subject().guests_have_console()) GTEST_SKIP();
  const TestDomain domain = RunningDomain();
  ASSERT_OK(hypervisor().OpenConsole(domain.uuid, false));
  // It is closed behind its owner's back.
  while (true) {
    const auto again = hypervisor().OpenConsole(domain.uuid, false);
    if (again.ok()) break;
    ASSERT_THAT(again, Fails(absl::StatusCode::kFailedPrecondition, "CONSOLE_IN_USE"));
  }
}

}  // namespace
}  // namespace hvagent::hypervisor
