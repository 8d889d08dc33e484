// One open connection to libvirt with our callbacks on it, from open to close. Keeping one open
// is LibvirtConnection's job.
//
// Opening and closing talk to libvirtd and may hang: for ever when it is opened, and until the
// keepalives run out later. Once open, thread-safe as libvirt's connections are.
#ifndef HVAGENT_AGENT_HYPERVISOR_LIBVIRT_SESSION_H_
#define HVAGENT_AGENT_HYPERVISOR_LIBVIRT_SESSION_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/hypervisor/hypervisor.h"
#include "agent/hypervisor/libvirt_handles.h"
#include "base/uuid.h"

namespace hvagent::hypervisor {

class LibvirtSession {
 public:
  // Called from libvirt's event loop, which serves the whole process: they must not block. They
  // may still be called while the session is being closed.
  struct Callbacks {
    // Something about this domain is different now.
    std::function<void(const Uuid&)> domain_changed;
    // This secret, of any usage, was defined, undefined or given a value.
    std::function<void(const Uuid&)> secret_changed;
    // The connection ended by itself.
    std::function<void(absl::string_view reason)> closed;
  };

  // Keepalives make libvirt end a connection that has been silent for `keepalive_interval` times
  // `keepalive_count`; drivers that run in this process have none.
  // Errors: UNAVAILABLE (LIBVIRT_UNAVAILABLE) with libvirt's reason; UNAUTHENTICATED,
  // PERMISSION_DENIED.
  static absl::StatusOr<std::unique_ptr<LibvirtSession>> Open(const std::string& uri,
                                                              absl::Duration keepalive_interval,
                                                              unsigned int keepalive_count,
                                                              Callbacks callbacks);
  // Closes the connection.
  ~LibvirtSession();

  LibvirtSession(const LibvirtSession&) = delete;
  LibvirtSession& operator=(const LibvirtSession&) = delete;

  virConnectPtr connection() const { return connection_.get(); }

  // The host, as it was when the connection was made; an error of a driver that has none.
  const absl::StatusOr<HostInfo>& host() const { return host_; }

  // Whether the connection is open as far as this side knows. Does not talk to libvirtd.
  bool IsAlive() const;

 private:
  explicit LibvirtSession(VirConnect connection) : connection_(std::move(connection)) {}
  // Returns whether the driver has keepalives: one that talks to a daemon.
  absl::StatusOr<bool> SetKeepAlive(absl::Duration interval, unsigned int count);
  absl::Status WatchConnection(const std::shared_ptr<const Callbacks>& callbacks);
  absl::Status WatchDomains(const std::shared_ptr<const Callbacks>& callbacks);
  absl::Status WatchSecrets(const std::shared_ptr<const Callbacks>& callbacks);

  VirConnect connection_;
  absl::StatusOr<HostInfo> host_;
  std::vector<int> domain_callbacks_;
  std::vector<int> secret_callbacks_;
  bool close_callback_registered_ = false;
};

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_AGENT_HYPERVISOR_LIBVIRT_SESSION_H_
