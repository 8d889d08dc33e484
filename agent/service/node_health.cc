#include "agent/service/node_health.h"

#include <pthread.h>

#include <optional>
#include <utility>

#include "base/error.h"
#include "glog/logging.h"
#include "google/protobuf/util/time_util.h"

namespace hvagent::service {

NodeHealth::NodeHealth(const hypervisor::Hypervisor& hypervisor, const block::BlockStore& block,
                       std::function<absl::Status()> secrets, const Clock& clock)
    : hypervisor_(hypervisor), block_(block), secrets_right_(std::move(secrets)), clock_(clock) {}

NodeHealth::~NodeHealth() { Stop(); }

void NodeHealth::Update(Part& part, const absl::Status& status) {
  if (!part.known || part.healthy != status.ok()) {
    part.since = clock_.Now();
    LOG_IF(WARNING, !status.ok()) << "node: " << part.type << " is false: " << status;
    LOG_IF(INFO, status.ok()) << "node: " << part.type << " is true";
  }
  part.known = true;
  part.healthy = status.ok();
  part.reason = status.ok() ? part.reason_when_true
                            : ErrorReason(status).value_or(absl::StatusCodeToString(status.code()));
  part.message = std::string(status.message());
}

void NodeHealth::Look() {
  const absl::Status libvirt = hypervisor_.Health();
  const absl::Status ceph = block_.Health();
  Update(secrets_, secrets_right_());
  Update(libvirt_, libvirt);
  Update(ceph_, ceph);
  Update(ready_, libvirt.ok() ? ceph : libvirt);
  if (!on_change_ || told_ == ready_.healthy) return;
  told_ = ready_.healthy;
  on_change_(ready_.healthy);
}

std::vector<v1::Condition> NodeHealth::Conditions() {
  std::vector<v1::Condition> conditions;
  MutexLock lock(mutex_);
  Look();
  for (const Part* part : {&ready_, &libvirt_, &ceph_, &secrets_}) {
    v1::Condition& condition = conditions.emplace_back();
    condition.set_type(part->type);
    condition.set_status(part->healthy ? v1::Condition::TRUE : v1::Condition::FALSE);
    condition.set_reason(part->reason);
    condition.set_message(part->message);
    *condition.mutable_since() =
        google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(part->since));
  }
  return conditions;
}

void NodeHealth::Start(absl::Duration period, std::function<void(bool)> on_change,
                       std::function<void()> while_connected) {
  {
    MutexLock lock(mutex_);
    on_change_ = std::move(on_change);
  }
  thread_ = std::thread([this, period, while_connected = std::move(while_connected)] {
    pthread_setname_np(pthread_self(), "node-health");
    Run(period, while_connected);
  });
}

void NodeHealth::Run(absl::Duration period, const std::function<void()>& while_connected) {
  while (true) {
    if (block_.Health().ok()) while_connected();

    MutexLock lock(mutex_);
    Look();
    if (!stopping_) stop_changed_.WaitFor(mutex_, period);
    if (stopping_) return;
  }
}

void NodeHealth::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    on_change_ = nullptr;
    stop_changed_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

}  // namespace hvagent::service
