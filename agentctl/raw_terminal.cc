#include "agentctl/raw_terminal.h"

#include <unistd.h>

namespace hvagent::agentctl {

RawTerminal::RawTerminal(int fd) : fd_(fd) {
  termios mode{};
  if (::isatty(fd) == 0 || ::tcgetattr(fd, &mode) != 0) return;
  before_ = mode;
  ::cfmakeraw(&mode);
  ::tcsetattr(fd, TCSANOW, &mode);
}

RawTerminal::~RawTerminal() {
  if (before_.has_value()) ::tcsetattr(fd_, TCSADRAIN, &*before_);
}

}  // namespace hvagent::agentctl
