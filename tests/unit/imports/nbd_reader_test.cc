#include "agent/imports/nbd_reader.h"

#include <sys/socket.h>

#include <atomic>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace hvagent::imports {
namespace {

using ::hvagent::testing::Fails;

struct Sockets {
  UniqueFd ours;
  UniqueFd theirs;
};

Sockets Pair() {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

absl::Status GoOn() { return absl::OkStatus(); }

TEST(NbdReaderTest, AServerThatSaysNothingIsGivenUp) {
  Sockets sockets = Pair();
  EXPECT_THAT(NbdReader::Connect(std::move(sockets.ours), absl::Milliseconds(300), GoOn),
              Fails(absl::StatusCode::kAborted, "DECODER_FAILED"));
}

TEST(NbdReaderTest, AServerThatGoesAwayIsAnError) {
  Sockets sockets = Pair();
  sockets.theirs.reset();
  EXPECT_THAT(NbdReader::Connect(std::move(sockets.ours), absl::Minutes(1), GoOn),
              Fails(absl::StatusCode::kAborted, "DECODER_FAILED"));
}

TEST(NbdReaderTest, AServerThatSpeaksNonsenseIsAnError) {
  Sockets sockets = Pair();
  const std::string nonsense(4096, 'x');
  ASSERT_EQ(write(sockets.theirs.get(), nonsense.data(), nonsense.size()), 4096);
  EXPECT_THAT(NbdReader::Connect(std::move(sockets.ours), absl::Minutes(1), GoOn),
              Fails(absl::StatusCode::kAborted, "DECODER_FAILED"));
}

TEST(NbdReaderTest, WaitingEndsWhenItShallNotGoOn) {
  Sockets sockets = Pair();
  std::atomic<int> asked = 0;
  const auto reader = NbdReader::Connect(std::move(sockets.ours), absl::Minutes(1), [&] {
    return ++asked > 1 ? absl::CancelledError("cancelled") : absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsCancelled(reader.status())) << reader.status();
}

}  // namespace
}  // namespace hvagent::imports
