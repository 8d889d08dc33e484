// What Prometheus scrapes. Each scrape asks the parts of the agent how they are; nothing is counted
// twice, and a scrape talks to neither libvirt nor Ceph.
#ifndef HVAGENT_AGENT_METRICS_H_
#define HVAGENT_AGENT_METRICS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/block/block_store.h"
#include "agent/hypervisor/hypervisor.h"
#include "agent/keeper/secret_keeper.h"

namespace hvagent {

class Metrics {
 public:
  struct Sources {
    const hypervisor::Hypervisor& hypervisor;
    const block::BlockStore& block;
    const keeper::SecretKeeper& keeper;
  };

  // Serves http://ADDRESS/metrics ("127.0.0.1:9750"; port 0: any) until destroyed. What `sources`
  // refers to outlives this object. Errors: UNAVAILABLE (CANNOT_LISTEN).
  static absl::StatusOr<std::unique_ptr<Metrics>> Serve(const std::string& address,
                                                        Sources sources);
  ~Metrics();

  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  int port() const;

 private:
  class Impl;
  explicit Metrics(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace hvagent

#endif  // HVAGENT_AGENT_METRICS_H_
