// The agentd of this node, driven over its unix socket as any client would, and timed: a call by
// the caller's clock, the stages inside by the daemon's own log, which has a line with microseconds
// as each action of a plan begins.
#ifndef HVAGENT_TESTS_BENCH_AGENT_UNDER_TEST_H_
#define HVAGENT_TESTS_BENCH_AGENT_UNDER_TEST_H_

#include <sys/types.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hvagent/v1/vm_service.grpc.pb.h"

namespace hvagent::bench {

struct GuestShape {
  std::string image;
  uint32_t disk_gib = 1;
};

class AgentUnderTest {
 public:
  // Where the lab keeps them on a node.
  static absl::StatusOr<std::unique_ptr<AgentUnderTest>> Connect(GuestShape shape);

  pid_t pid() const { return pid_; }

  v1::VmSpec Guest(const std::string& uuid, v1::PowerState power) const;

  // Applies and waits until the VM is so. Thread-safe.
  absl::Status Apply(const v1::VmSpec& spec);
  absl::Status Delete(const std::string& uuid);
  // In one line.
  absl::StatusOr<std::string> RenderXml(const v1::VmSpec& spec);

  // From the begin of PREPARE_ROOT_DISK to the begin of DEFINE_DOMAIN, which is the next action.
  struct Stage {
    absl::Time begin;
    absl::Time end;
  };
  // The storage stages that the log tells of since the last call.
  absl::StatusOr<std::vector<Stage>> NewStorageStages();

 private:
  AgentUnderTest(GuestShape shape, pid_t pid);

  const GuestShape shape_;
  const pid_t pid_;
  const std::unique_ptr<v1::VmService::Stub> vms_;
  std::ifstream log_;
};

}  // namespace hvagent::bench

#endif  // HVAGENT_TESTS_BENCH_AGENT_UNDER_TEST_H_
