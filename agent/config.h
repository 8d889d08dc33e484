// agentd's configuration: one YAML file (v1::AgentConfig), defaults filled in, checked as a whole.
#ifndef HVAGENT_AGENT_CONFIG_H_
#define HVAGENT_AGENT_CONFIG_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hvagent/v1/config.pb.h"

namespace hvagent {

// Reads `path`; fields that are left out stay empty.
// Errors: NOT_FOUND or PERMISSION_DENIED (the file), INVALID_ARGUMENT (the field's path).
absl::StatusOr<v1::AgentConfig> ReadConfig(const std::string& path);

// Fills in what is left out, as config.proto says.
v1::AgentConfig WithDefaults(v1::AgentConfig config);

// Checks a configuration with its defaults. Errors: INVALID_ARGUMENT (the field's path).
absl::Status CheckConfig(const v1::AgentConfig& config);

// Whether the agent makes `sealing_key_file` when it is not there: only its own, in state_dir. In
// another place a missing file is a mistake, and a new key would be the second one.
bool MakesSealingKey(const v1::AgentConfig& config);

}  // namespace hvagent

#endif  // HVAGENT_AGENT_CONFIG_H_
