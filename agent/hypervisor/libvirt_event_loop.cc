#include "agent/hypervisor/libvirt_event_loop.h"

#include <glog/logging.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>

#include <thread>

#include "absl/base/call_once.h"

namespace hvagent::hypervisor {
namespace {

// libvirt prints errors to stderr unless it is given somewhere else to put them. Each is returned
// to its caller, so nothing is lost.
void IgnoreError(void* /*user_data*/, virErrorPtr /*error*/) {}

void RunLoop() {
  pthread_setname_np(pthread_self(), "libvirt-events");
  while (true) CHECK_EQ(virEventRunDefaultImpl(), 0) << "libvirt's event loop broke";
}

void Start() {
  virSetErrorFunc(nullptr, IgnoreError);
  CHECK_EQ(virInitialize(), 0) << "libvirt does not work in this process";
  CHECK_EQ(virEventRegisterDefaultImpl(), 0) << "libvirt has no event loop";
  // Never stopped: libvirt cannot unregister the loop, and calls that were abandoned need it.
  std::thread(RunLoop).detach();
}

}  // namespace

void StartLibvirtEventLoop() {
  static absl::once_flag once;
  absl::call_once(once, Start);
}

}  // namespace hvagent::hypervisor
