#include "agentctl/connection_doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "agentctl/errors.h"
#include "base/error.h"
#include "tests/unit/agentctl/fake_agent.h"

namespace hvagent::agentctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Not root, to whom every file is open, while it lives.
class Unprivileged {
 public:
  Unprivileged() {
    if (user_ != 0) return;
    EXPECT_EQ(::seteuid(65534), 0);
  }
  ~Unprivileged() { EXPECT_EQ(::seteuid(user_), 0); }

 private:
  const uid_t user_ = ::geteuid();
};

class UnixSocketTest : public ::testing::Test {
 protected:
  UnixSocketTest() {
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    std::memcpy(where.sun_path, path_.data(), path_.size());
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&where), sizeof where), 0);
    EXPECT_EQ(::listen(fd_, 1), 0);
    // Of a group that we are not in: root keeps its own, see Unprivileged.
    if (::geteuid() != 0) return;
    EXPECT_EQ(::chown(path_.c_str(), 0, 65534), 0);
  }
  ~UnixSocketTest() override { ::close(fd_); }

  // What somebody who is not root is told of the socket.
  std::string LineWithModes(mode_t folder, mode_t socket) {
    EXPECT_EQ(::chmod(path_.c_str(), socket), 0);
    EXPECT_EQ(::chmod(folder_.path().c_str(), folder), 0);
    const Unprivileged here;
    const absl::Status status = DiagnoseConnection("unix:" + path_, nullptr, absl::Seconds(1));
    EXPECT_EQ(ErrorReason(status).value_or("none"), "SOCKET_NOT_PERMITTED");
    return FailureLine({"list nodes", "", status});
  }

  const TempDir folder_;
  const std::string path_ = folder_.path() + "/agentd.sock";
  const int fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
};

TEST_F(UnixSocketTest, OneThatListensIsFine) {
  EXPECT_TRUE(DiagnoseConnection("unix:" + path_, nullptr, absl::Seconds(1)).ok());
}

TEST_F(UnixSocketTest, TheGroupIsNamedOnlyWhereItIsLetIn) {
  EXPECT_THAT(LineWithModes(0755, 0070), HasSubstr("join the group"));
  EXPECT_THAT(LineWithModes(0755, 0000), Not(HasSubstr("group")));
  const std::string closed = LineWithModes(0000, 0070);
  EXPECT_THAT(closed, HasSubstr("its folder is closed"));
  EXPECT_THAT(closed, Not(HasSubstr("group")));
  EXPECT_EQ(::chmod(folder_.path().c_str(), 0700), 0);
}

}  // namespace
}  // namespace hvagent::agentctl
