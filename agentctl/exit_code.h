// What agentctl's exit status says. Scripts depend on these numbers.
#ifndef HVAGENT_AGENTCTL_EXIT_CODE_H_
#define HVAGENT_AGENTCTL_EXIT_CODE_H_

#include <vector>

namespace hvagent::agentctl {

enum class ExitCode {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  // Some of the targets failed, and others did not.
  kSomeFailed = 3,
  // Looked, and it is not as it should be: drift, mismatch, a check that refuses.
  kNotAsItShouldBe = 4,
  // The outcome could not be established; look before acting.
  kInDoubt = 5,
  // Timed out (or interrupted) here; it goes on there.
  kGoesOnThere = 6,
};

// The exit code of a command from those of its targets (nodes, or the objects of a manifest):
// the first of 5, 4, 3, 6, 1 that applies, where 3 applies when some failed and others did not.
// Without targets it is kDone. kUsage is settled before there are targets and never passed.
ExitCode Combine(const std::vector<ExitCode>& targets);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_EXIT_CODE_H_
