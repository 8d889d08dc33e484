// agentctl: the command line of hypervisor agents. See agentctl/run.h.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "agentctl/run.h"

int main(int argc, char** argv) {
  // `secret sync` holds a key: it must not be left in a core file.
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  // With it gRPC would print what it carries, the key too.
  ::unsetenv("GRPC_TRACE");
  // A reader that went away (`agentctl get vm | head`) is an error of writing, not a signal.
  std::signal(SIGPIPE, SIG_IGN);
  // gRPC's own log lines would break into ours; what they say is found out by other means.
  ::setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);

  using hvagent::agentctl::Streams;
  const Streams streams{std::cin,
                        std::cout,
                        std::cerr,
                        ::isatty(STDIN_FILENO) == 1,
                        ::isatty(STDOUT_FILENO) == 1,
                        ::isatty(STDERR_FILENO) == 1};
  return static_cast<int>(
      hvagent::agentctl::Run(std::vector<std::string>(argv + 1, argv + argc), streams));
}
