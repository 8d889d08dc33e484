// libvirt's pointers as owners. The deleters are stateless and call libvirt, which resets its
// thread-local error: read that first (LibvirtError).
#ifndef HVAGENT_AGENT_HYPERVISOR_LIBVIRT_HANDLES_H_
#define HVAGENT_AGENT_HYPERVISOR_LIBVIRT_HANDLES_H_

#include <libvirt/libvirt.h>

#include <cstdlib>
#include <memory>

namespace hvagent::hypervisor {

struct VirConnectDeleter {
  // Talks to libvirtd when this is the last reference, so it may hang.
  void operator()(virConnectPtr connection) const { virConnectClose(connection); }
};
using VirConnect = std::unique_ptr<virConnect, VirConnectDeleter>;

struct VirDomainDeleter {
  void operator()(virDomainPtr domain) const { virDomainFree(domain); }
};
using VirDomain = std::unique_ptr<virDomain, VirDomainDeleter>;

struct VirSecretDeleter {
  void operator()(virSecretPtr secret) const { virSecretFree(secret); }
};
using VirSecret = std::unique_ptr<virSecret, VirSecretDeleter>;

struct VirDomainStatsDeleter {
  void operator()(virDomainStatsRecordPtr* records) const { virDomainStatsRecordListFree(records); }
};
using VirDomainStats = std::unique_ptr<virDomainStatsRecordPtr, VirDomainStatsDeleter>;

// Text that libvirt allocated.
struct VirStringDeleter {
  void operator()(char* text) const { std::free(text); }
};
using VirString = std::unique_ptr<char, VirStringDeleter>;

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_AGENT_HYPERVISOR_LIBVIRT_HANDLES_H_
