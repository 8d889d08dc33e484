// This process's connection to libvirt: made, watched and made again in the background, and every
// call on it bounded by a deadline of our own, since a libvirtd that is stopped, or waits for a
// job that does not end, answers never.
//
// Thread-safe. LibvirtHypervisor and LibvirtSecretStore share one; it outlives them.
#ifndef HVAGENT_AGENT_HYPERVISOR_LIBVIRT_CONNECTION_H_
#define HVAGENT_AGENT_HYPERVISOR_LIBVIRT_CONNECTION_H_

#include <libvirt/libvirt.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/hypervisor/call_pool.h"
#include "agent/hypervisor/hypervisor.h"
#include "secrets/secret_store.h"

namespace hvagent::hypervisor {

struct LibvirtOptions {
  std::string uri = "qemu:///system";
  // How long a caller waits for one call. It includes the start of a QEMU.
  absl::Duration call_timeout = absl::Seconds(30);
  // A connection on which libvirtd is silent for this long (the product) has ended.
  absl::Duration keepalive_interval = absl::Seconds(5);
  unsigned int keepalive_count = 3;
  // The pause between attempts to connect doubles from the first to the second, with jitter.
  absl::Duration min_reconnect_pause = absl::Milliseconds(250);
  absl::Duration max_reconnect_pause = absl::Seconds(10);
};

class LibvirtConnection {
 public:
  // Starts to connect; does not wait for it.
  explicit LibvirtConnection(LibvirtOptions options);
  // Waits for calls under way, and a few seconds for libvirtd to take leave. No listener is
  // called afterwards.
  ~LibvirtConnection();

  LibvirtConnection(const LibvirtConnection&) = delete;
  LibvirtConnection& operator=(const LibvirtConnection&) = delete;

  // As Hypervisor's, and SecretStore's.
  absl::Status Health() const;
  void SetDomainListener(DomainListener listener);
  void SetSecretListener(secrets::SecretListener listener);

  // The host, as it was when this connection was made: libvirt is restarted when what it could say
  // of its host changes, and asking takes it 10 ms. Errors: Health's; the driver's, if it has none.
  absl::StatusOr<HostInfo> Host() const;

  // Blocks until connected, at most `timeout`; then Health.
  absl::Status WaitUntilConnected(absl::Duration timeout);

  // Runs `function`, from virConnectPtr to absl::Status or absl::StatusOr<T>, on a thread that
  // may hang, and returns what it returns. `what` begins the message of the errors from here:
  // "cannot list domains". A call that hangs is abandoned and goes on alone, so `function` must
  // own all that it uses (no reference to the caller's), and holds the connection only as long
  // as it runs.
  // Errors: UNAVAILABLE with reason LIBVIRT_UNAVAILABLE (nothing was done) or
  // LIBVIRT_CONNECTION_LOST (the connection ended during the call: the outcome is unknown);
  // DEADLINE_EXCEEDED (LIBVIRT_TIMEOUT: the outcome is unknown). After a timeout the connection
  // is given up and made anew.
  template <typename Function>
  auto Call(absl::string_view what, Function function)
      -> std::invoke_result_t<Function, virConnectPtr>;

 private:
  struct State;
  static void KeepConnected(const std::shared_ptr<State>& state);

  absl::Status Run(absl::string_view what, std::function<absl::Status(virConnectPtr)> function);

  std::shared_ptr<State> state_;
  CallPool calls_;
};

template <typename Function>
auto LibvirtConnection::Call(absl::string_view what, Function function)
    -> std::invoke_result_t<Function, virConnectPtr> {
  using Result = std::invoke_result_t<Function, virConnectPtr>;
  if constexpr (std::is_same_v<Result, absl::Status>) {
    return Run(what, std::move(function));
  } else {
    // Shared with the call, which may still write to it when this has given up.
    auto value = std::make_shared<std::optional<typename Result::value_type>>();
    absl::Status status =
        Run(what, [value, function = std::move(function)](virConnectPtr connection) {
          Result result = function(connection);
          if (result.ok()) *value = *std::move(result);
          return result.status();
        });
    if (!status.ok()) return status;
    return std::move(**value);
  }
}

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_AGENT_HYPERVISOR_LIBVIRT_CONNECTION_H_
