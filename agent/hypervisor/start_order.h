// The agent's word that a guest may start, which packaging/libvirt/qemu-hook looks for: a file
// named by the guest's UUID.
#ifndef HVAGENT_AGENT_HYPERVISOR_START_ORDER_H_
#define HVAGENT_AGENT_HYPERVISOR_START_ORDER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/uuid.h"

namespace hvagent::hypervisor {

// Stands from Give to its end.
class StartOrder {
 public:
  // With an empty `dir` there is nothing to be given, and nobody who looks.
  // Errors: INTERNAL (START_ORDER_FAILED: the file cannot be made).
  static absl::StatusOr<StartOrder> Give(const std::string& dir, const Uuid& uuid);
  ~StartOrder();
  StartOrder(StartOrder&& other) noexcept;
  StartOrder& operator=(StartOrder&&) = delete;

 private:
  explicit StartOrder(std::string path) : path_(std::move(path)) {}

  std::string path_;  // empty: none
};

// Makes `dir`, and takes back what an agent that died had ordered. Other files are left alone.
// Errors: INTERNAL (START_ORDER_FAILED).
absl::Status PrepareStartOrders(const std::string& dir);

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_AGENT_HYPERVISOR_START_ORDER_H_
