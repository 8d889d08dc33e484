// LibvirtConnection against a real libvirtd that is killed, restarted, frozen and thawed.
//
// HVAGENT_TEST_LIBVIRT_URI is the libvirtd, HVAGENT_TEST_NODE the lab's name of its node, and
// HVAGENT_TEST_LAB the lab's folder of commands, whose `fault` breaks and heals that libvirtd.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/hypervisor/libvirt_connection.h"
#include "agent/hypervisor/libvirt_hypervisor.h"
#include "agent/hypervisor/libvirt_secret_store.h"
#include "base/clock.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/notices.h"
#include "tests/support/status_matchers.h"

namespace hvagent::hypervisor {
namespace {

using hvagent::testing::Fails;
using hvagent::testing::Notices;
using secrets::SecretRecord;

constexpr absl::Duration kPatience = absl::Minutes(1);
constexpr absl::Duration kCallTimeout = absl::Seconds(2);

std::string Setting(const char* name) {
  const char* value = std::getenv(name);
  EXPECT_NE(value, nullptr) << "set " << name << ": see the top of this test";
  return value != nullptr ? value : "";
}

size_t CountThreads() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word && word != "Threads:") continue;
  size_t count = 0;
  status >> count;
  return count;
}

class LibvirtdFaultsTest : public ::testing::Test {
 protected:
  LibvirtdFaultsTest()
      : connection_({.uri = Setting("HVAGENT_TEST_LIBVIRT_URI"),
                     .call_timeout = kCallTimeout,
                     .keepalive_interval = absl::Seconds(1),
                     .keepalive_count = 3}),
        hypervisor_(&connection_),
        secrets_(&connection_) {
    hypervisor_.SetListener(domains_told_.Listener());
    secrets_.SetListener(secrets_told_.Listener());
  }

  ~LibvirtdFaultsTest() override {
    Fault("heal");
    if (connection_.WaitUntilConnected(kPatience).ok()) {
      for (const Uuid& domain : domains_) {
        hypervisor_.DestroyDomain(domain).IgnoreError();
        hypervisor_.UndefineDomain(domain).IgnoreError();
      }
    }
    hypervisor_.SetListener(nullptr);
    secrets_.SetListener(nullptr);
  }

  // kill, freeze, thaw or heal.
  void Fault(const std::string& action) {
    const std::string command =
        absl::StrCat(Setting("HVAGENT_TEST_LAB"), "/fault ", action, " ",
                     Setting("HVAGENT_TEST_NODE"), action == "heal" ? "" : " libvirtd");
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }

  Uuid RunningDomain() {
    domains_.push_back(Uuid::Random());
    const std::string uuid = domains_.back().ToString();
    EXPECT_OK(hypervisor_.DefineDomain(
        absl::StrCat("<domain type='qemu'><name>fault-", uuid, "</name><uuid>", uuid,
                     "</uuid><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>")));
    EXPECT_OK(hypervisor_.StartDomain(domains_.back()));
    return domains_.back();
  }

  SecretRecord EphemeralSecret() {
    const Uuid uuid = Uuid::Random();
    SecretRecord secret = {
        .uuid = uuid, .usage = absl::StrCat("fault ", uuid.ToString()), .ephemeral = true};
    EXPECT_OK(secrets_.Define(secret));
    EXPECT_OK(secrets_.SetValue(uuid, secrets::SecretBytes("key")));
    return secret;
  }

  // A lost connection is noticed by itself, with no call to find it.
  void AwaitUnhealthy() {
    const absl::Duration deadline = SystemClock().Monotonic() + kPatience;
    while (connection_.Health().ok()) {
      ASSERT_LT(SystemClock().Monotonic(), deadline);
      std::this_thread::yield();
    }
  }

  Notices domains_told_;
  Notices secrets_told_;
  std::vector<Uuid> domains_;
  LibvirtConnection connection_;
  LibvirtHypervisor hypervisor_;
  LibvirtSecretStore secrets_;
};

TEST_F(LibvirtdFaultsTest, ReconnectsToRestartedLibvirtdAndLooksAtAll) {
  ASSERT_OK(connection_.WaitUntilConnected(kPatience));
  ASSERT_TRUE(domains_told_.Await(std::nullopt));
  ASSERT_TRUE(secrets_told_.Await(std::nullopt));
  const Uuid domain = RunningDomain();
  const SecretRecord secret = EphemeralSecret();
  ASSERT_TRUE(secrets_told_.Await(secret.uuid));
  domains_told_.Forget();

  Fault("kill");
  AwaitUnhealthy();
  EXPECT_THAT(hypervisor_.ListDomains(),
              Fails(absl::StatusCode::kUnavailable, "LIBVIRT_UNAVAILABLE"));

  Fault("heal");
  ASSERT_OK(connection_.WaitUntilConnected(kPatience));
  EXPECT_TRUE(domains_told_.Await(std::nullopt));
  EXPECT_TRUE(secrets_told_.Await(std::nullopt));
  const auto info = hypervisor_.GetDomain(domain);
  ASSERT_OK(info);
  EXPECT_EQ(info->state, DomainState::kRunning) << "the guest outlives libvirtd";
  // Events come over the new connection too.
  domains_told_.Forget();
  EXPECT_OK(hypervisor_.DestroyDomain(domain));
  EXPECT_TRUE(domains_told_.Await(domain));
  secrets_told_.Forget();
  EXPECT_THAT(secrets_.GetValue(secret.uuid),
              Fails(absl::StatusCode::kNotFound, "SECRET_NOT_FOUND"))
      << "libvirtd took it along";
  EXPECT_OK(secrets_.Define(secret));
  EXPECT_TRUE(secrets_told_.Await(secret.uuid));
  EXPECT_OK(secrets_.Undefine(secret.uuid));
}

TEST_F(LibvirtdFaultsTest, CallUnderWayFailsWhenLibvirtdDies) {
  ASSERT_OK(connection_.WaitUntilConnected(kPatience));
  // Frozen first, so that the call is surely under way.
  Fault("freeze");
  absl::Status status;
  std::thread caller([&] { status = hypervisor_.ListDomains().status(); });
  Fault("kill");
  caller.join();
  EXPECT_TRUE(absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) << status;
}

TEST_F(LibvirtdFaultsTest, NoticesFrozenLibvirtdWithoutAnyCall) {
  ASSERT_OK(connection_.WaitUntilConnected(kPatience));
  Fault("freeze");
  AwaitUnhealthy();
  Fault("thaw");
  EXPECT_OK(connection_.WaitUntilConnected(kPatience));
}

TEST_F(LibvirtdFaultsTest, FrozenLibvirtdHoldsUpNoCallPastItsDeadlineAndNoThreadsPileUp) {
  ASSERT_OK(connection_.WaitUntilConnected(kPatience));
  constexpr size_t kCallers = 6;
  constexpr int kCallsEach = 12;
  const size_t before = CountThreads();
  std::atomic<size_t> most_threads = 0;
  std::atomic<int> timed_out = 0;

  Fault("freeze");
  std::vector<std::thread> callers;
  for (size_t i = 0; i < kCallers; ++i) {
    callers.emplace_back([&] {
      for (int call = 0; call < kCallsEach; ++call) {
        const absl::Duration begin = SystemClock().Monotonic();
        const absl::Status status = hypervisor_.ListDomains().status();
        // Scheduling apart, a call may wait for a thread and then for libvirtd, in one deadline.
        EXPECT_LT(SystemClock().Monotonic() - begin, kCallTimeout + absl::Seconds(3));
        EXPECT_TRUE(absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) << status;
        if (absl::IsDeadlineExceeded(status)) ++timed_out;
        most_threads = std::max(most_threads.load(), CountThreads());
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_GT(timed_out, 0) << "no call was under way when libvirtd froze";
  EXPECT_FALSE(connection_.Health().ok());
  EXPECT_LE(most_threads, before + kCallers + 12) << "4 calls and 8 abandoned ones";

  Fault("thaw");
  ASSERT_OK(connection_.WaitUntilConnected(kPatience));
  EXPECT_OK(hypervisor_.ListDomains());
}

}  // namespace
}  // namespace hvagent::hypervisor
