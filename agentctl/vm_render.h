// What `agentctl vm render` does: the domain XML of a manifest's VMs.
#ifndef HVAGENT_AGENTCTL_VM_RENDER_H_
#define HVAGENT_AGENTCTL_VM_RENDER_H_

#include <string>
#include <vector>

#include "agentctl/cli.h"
#include "agentctl/exit_code.h"

namespace hvagent::agentctl {

struct RenderFlags {
  std::string file;
  // Without an agent: what it would have known comes from the flags below.
  bool offline = false;
  // "10.0.0.1:6789", "[fd00::1]:3300" or a name with or without a port.
  std::vector<std::string> monitors;
  std::string entity = "client.cinder";
  // Empty: disks without auth.
  std::string secret_uuid;
  std::string vms_pool = "vms";
  std::string volumes_pool = "volumes";
  // "kvm" or "qemu"
  std::string domain_type = "kvm";
};

ExitCode RenderVms(Cli& cli, const RenderFlags& flags);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_VM_RENDER_H_
