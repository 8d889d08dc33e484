// Which agents there are and how to reach them, from agentctl's configuration.
#ifndef HVAGENT_AGENTCTL_SESSION_H_
#define HVAGENT_AGENTCTL_SESSION_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agentctl/node.h"
#include "hvagent/v1/config.pb.h"

namespace hvagent::agentctl {

inline constexpr char kLocalSocket[] = "unix:/run/hypervisor-agent/agentd.sock";
inline constexpr char kSystemConfig[] = "/etc/hypervisor-agent/agentctl.yaml";

// Where the configuration comes from: `flag` (--config) if set, else $AGENTCTL_CONFIG, else
// ~/.config/agentctl/config.yaml, else kSystemConfig, the first of the last two that exists.
// nullopt when there is none. `getenv` and `exists` are the world.
std::optional<std::string> FindConfig(const std::string& flag,
                                      const std::function<std::string(const std::string&)>& getenv,
                                      const std::function<bool(const std::string&)>& exists);

// Reads and checks a configuration. File names in it that are relative are made relative to its
// own folder.
// Errors: those of reading it; INVALID_ARGUMENT (the field), each with the file's name.
absl::StatusOr<v1::ClientConfig> LoadConfig(const std::string& path);

// The nodes of a run. Immutable, but for the connections inside the nodes.
class Session {
 public:
  // The nodes of `config`; without one, the local unix socket under the name "local".
  explicit Session(const std::optional<v1::ClientConfig>& config);

  std::vector<Node*> nodes() const;
  // Null when there is none of that name.
  Node* Find(absl::string_view name) const;
  // The nodes of these names, each once; all of them when there are none.
  // Errors: NOT_FOUND (NODE_UNKNOWN), with the names that there are.
  absl::StatusOr<std::vector<Node*>> Select(const std::vector<std::string>& names) const;
  // Whether there was no configuration, so that the one node's real name is not known here.
  bool is_local() const { return is_local_; }

 private:
  bool is_local_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_SESSION_H_
