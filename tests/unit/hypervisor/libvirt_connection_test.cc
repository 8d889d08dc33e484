// On libvirt's test driver, with calls that hang by themselves: what happens around a call does
// not depend on the driver.
#include "agent/hypervisor/libvirt_connection.h"

#include <libvirt/virterror.h>

#include <atomic>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/hypervisor/libvirt_error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace hvagent::hypervisor {
namespace {

using hvagent::testing::Fails;
using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Minutes(1);

std::string TestUri() {
  const std::string path = absl::StrCat(::testing::TempDir(), "hvagent-connection-node.xml");
  std::ofstream(path) << "<node/>";
  return absl::StrCat("test://", path);
}

absl::StatusOr<std::string> TypeOf(virConnectPtr connection) {
  return std::string(virConnectGetType(connection));
}

// A call that hangs until the promise behind `end` is kept.
auto HangUntil(std::shared_future<void> end) {
  return [end = std::move(end)](virConnectPtr) {
    end.wait();
    return absl::OkStatus();
  };
}

// Makes a call that hangs. One that is not even begun in time, as on a busy machine, is made again.
absl::Status Hang(LibvirtConnection& connection, const std::shared_future<void>& end) {
  absl::Status status;
  do {
    connection.WaitUntilConnected(kLong).IgnoreError();
    status = connection.Call("cannot wait", HangUntil(end));
  } while (absl::StrContains(status.message(), "nothing was done"));
  return status;
}

// Ends when a call comes through.
void AwaitService(LibvirtConnection& connection) {
  while (!connection.Call("cannot look", TypeOf).ok()) {
    connection.WaitUntilConnected(kLong).IgnoreError();
  }
}

TEST(LibvirtConnectionTest, ConnectsByItself) {
  LibvirtConnection connection({.uri = TestUri()});
  ASSERT_OK(connection.WaitUntilConnected(kLong));
  EXPECT_OK(connection.Health());
  const auto type = connection.Call("cannot look", TypeOf);
  ASSERT_OK(type);
  EXPECT_EQ(*type, "TEST");
}

TEST(LibvirtConnectionTest, TellsListenerToLookAtAllOnceConnected) {
  LibvirtConnection connection({.uri = TestUri()});
  std::promise<std::optional<Uuid>> heard;
  connection.SetDomainListener([&](std::optional<Uuid> domain) { heard.set_value(domain); });
  EXPECT_EQ(heard.get_future().get(), std::nullopt);
  connection.SetDomainListener(nullptr);
}

TEST(LibvirtConnectionTest, WithoutConnectionCallsFailAtOnceAndSayWhy) {
  LibvirtConnection connection({.uri = "nonsense:///", .call_timeout = kLong});
  const absl::Status status = connection.Call("cannot list domains", TypeOf).status();
  EXPECT_THAT(status, Fails(absl::StatusCode::kUnavailable, "LIBVIRT_UNAVAILABLE"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot list domains"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("nonsense:///"));
  EXPECT_TRUE(absl::IsUnavailable(connection.Health()));
}

TEST(LibvirtConnectionTest, ReturnsTheCallsOwnError) {
  LibvirtConnection connection({.uri = TestUri()});
  ASSERT_OK(connection.WaitUntilConnected(kLong));
  const absl::Status status =
      connection.Call("cannot start", [](virConnectPtr raw) -> absl::Status {
        virDomainLookupByName(raw, "nobody");
        return LibvirtError("cannot find domain nobody");
      });
  EXPECT_THAT(status, Fails(absl::StatusCode::kNotFound, "DOMAIN_NOT_FOUND"));
  EXPECT_OK(connection.Health());
}

TEST(LibvirtConnectionTest, CallThatHangsTimesOutAndTheConnectionIsMadeAnew) {
  std::promise<void> end;
  LibvirtConnection connection({.uri = TestUri(), .call_timeout = absl::Milliseconds(50)});
  ASSERT_OK(connection.WaitUntilConnected(kLong));
  EXPECT_THAT(Hang(connection, end.get_future().share()),
              Fails(absl::StatusCode::kDeadlineExceeded, "LIBVIRT_TIMEOUT"));
  AwaitService(connection);
  end.set_value();
}

TEST(LibvirtConnectionTest, CallsFailAtOnceWhenTooManyHang) {
  std::promise<void> end;
  const std::shared_future<void> ended = end.get_future().share();
  LibvirtConnection connection({.uri = TestUri(),
                                .call_timeout = absl::Milliseconds(20),
                                .min_reconnect_pause = absl::Milliseconds(1),
                                .max_reconnect_pause = absl::Milliseconds(2)});
  absl::Status status;
  do {
    status = Hang(connection, ended);
  } while (absl::IsDeadlineExceeded(status));
  EXPECT_THAT(status, Fails(absl::StatusCode::kUnavailable, "LIBVIRT_UNAVAILABLE"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("hang in libvirt"));
  EXPECT_TRUE(absl::IsUnavailable(connection.Health()));
  end.set_value();
  AwaitService(connection);
}

// As those that hang come to their end, too: then the connection is well, and a call that was
// refused an instant before was not made all the same.
TEST(LibvirtConnectionTest, CallThatWasNotMadeIsNeverTakenForDone) {
  for (int round = 0; round < 5; ++round) {
    std::promise<void> end;
    const std::shared_future<void> ended = end.get_future().share();
    LibvirtConnection connection({.uri = TestUri(),
                                  .call_timeout = absl::Milliseconds(20),
                                  .min_reconnect_pause = absl::Milliseconds(1),
                                  .max_reconnect_pause = absl::Milliseconds(2)});
    while (absl::IsDeadlineExceeded(Hang(connection, ended))) {
    }
    connection.WaitUntilConnected(kLong).IgnoreError();
    const auto made = std::make_shared<std::atomic<int>>(0);
    std::thread releasing([&end] { end.set_value(); });
    for (int succeeded = 0; succeeded < 3;) {
      const absl::Status status = connection.Call("cannot count", [made](virConnectPtr) {
        ++*made;
        return absl::OkStatus();
      });
      if (status.ok()) ++succeeded;
      ASSERT_GE(*made, succeeded);
    }
    releasing.join();
  }
}

TEST(LibvirtConnectionTest, DestructionDoesNotWaitForCallThatHangs) {
  auto end = std::make_shared<std::promise<void>>();
  {
    LibvirtConnection connection({.uri = TestUri(), .call_timeout = absl::Milliseconds(20)});
    EXPECT_TRUE(absl::IsDeadlineExceeded(Hang(connection, end->get_future().share())));
  }
  end->set_value();
}

}  // namespace
}  // namespace hvagent::hypervisor
