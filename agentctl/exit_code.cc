#include "agentctl/exit_code.h"

#include <algorithm>

namespace hvagent::agentctl {

ExitCode Combine(const std::vector<ExitCode>& targets) {
  const auto any = [&](ExitCode code) {
    return std::find(targets.begin(), targets.end(), code) != targets.end();
  };
  if (any(ExitCode::kInDoubt)) return ExitCode::kInDoubt;
  if (any(ExitCode::kNotAsItShouldBe)) return ExitCode::kNotAsItShouldBe;
  if (any(ExitCode::kSomeFailed)) return ExitCode::kSomeFailed;
  const bool failed = any(ExitCode::kFailed);
  if (failed && (any(ExitCode::kDone) || any(ExitCode::kGoesOnThere))) return ExitCode::kSomeFailed;
  if (any(ExitCode::kGoesOnThere)) return ExitCode::kGoesOnThere;
  return failed ? ExitCode::kFailed : ExitCode::kDone;
}

}  // namespace hvagent::agentctl
