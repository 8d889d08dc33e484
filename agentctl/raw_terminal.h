// A terminal that hands over each key as it is pressed, Ctrl-C among them, and echoes none.
#ifndef HVAGENT_AGENTCTL_RAW_TERMINAL_H_
#define HVAGENT_AGENTCTL_RAW_TERMINAL_H_

#include <termios.h>

#include <optional>

namespace hvagent::agentctl {

// From its construction to its destruction. Does nothing to what is no terminal.
class RawTerminal {
 public:
  explicit RawTerminal(int fd);
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

  bool is_terminal() const { return before_.has_value(); }

 private:
  const int fd_;
  std::optional<termios> before_;
};

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_RAW_TERMINAL_H_
