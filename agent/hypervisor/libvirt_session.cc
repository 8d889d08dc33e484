#include "agent/hypervisor/libvirt_session.h"

#include <libvirt/virterror.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/hypervisor/libvirt_capabilities.h"
#include "agent/hypervisor/libvirt_error.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::hypervisor {
namespace {

using Callbacks = LibvirtSession::Callbacks;

// What libvirt carries for us as user data: one reference to the callbacks for each registration.
using CallbacksRef = std::shared_ptr<const Callbacks>;

void FreeRef(void* opaque) noexcept { delete static_cast<CallbacksRef*>(opaque); }

void NotifyDomain(virDomainPtr domain, void* opaque) {
  Uuid::Bytes uuid;
  if (virDomainGetUUID(domain, uuid.data()) != 0) return;
  (*static_cast<CallbacksRef*>(opaque))->domain_changed(Uuid(uuid));
}

void OnLifecycle(virConnectPtr /*connection*/, virDomainPtr domain, int /*event*/, int /*detail*/,
                 void* opaque) noexcept {
  NotifyDomain(domain, opaque);
}

void OnReboot(virConnectPtr /*connection*/, virDomainPtr domain, void* opaque) noexcept {
  NotifyDomain(domain, opaque);
}

void OnIoError(virConnectPtr /*connection*/, virDomainPtr domain, const char* /*source*/,
               const char* /*device*/, int /*action*/, void* opaque) noexcept {
  NotifyDomain(domain, opaque);
}

void OnDeviceChange(virConnectPtr /*connection*/, virDomainPtr domain, const char* /*device*/,
                    void* opaque) noexcept {
  NotifyDomain(domain, opaque);
}

void NotifySecret(virSecretPtr secret, void* opaque) {
  Uuid::Bytes uuid;
  if (virSecretGetUUID(secret, uuid.data()) != 0) return;
  (*static_cast<CallbacksRef*>(opaque))->secret_changed(Uuid(uuid));
}

void OnSecretLifecycle(virConnectPtr /*connection*/, virSecretPtr secret, int /*event*/,
                       int /*detail*/, void* opaque) noexcept {
  NotifySecret(secret, opaque);
}

void OnSecretValueChange(virConnectPtr /*connection*/, virSecretPtr secret, void* opaque) noexcept {
  NotifySecret(secret, opaque);
}

void OnClosed(virConnectPtr /*connection*/, int reason, void* opaque) noexcept {
  absl::string_view text = "it failed";
  if (reason == VIR_CONNECT_CLOSE_REASON_EOF) text = "libvirtd closed it";
  if (reason == VIR_CONNECT_CLOSE_REASON_KEEPALIVE) text = "libvirtd did not answer keepalives";
  if (reason == VIR_CONNECT_CLOSE_REASON_CLIENT) text = "it was closed here";
  (*static_cast<CallbacksRef*>(opaque))->closed(text);
}

// libvirt takes each kind of event's callback as one general type. Through void (*)(), since that
// is the conversion between function types that compilers let pass.
template <typename General, typename Callback>
General Generalise(Callback* callback) {
  return reinterpret_cast<General>(reinterpret_cast<void (*)()>(callback));
}

// Drivers lack what makes no sense for them: one in this process has no keepalives, one of
// secrets no domains, and a test driver no secrets.
bool IsUnsupported(const absl::Status& status) {
  return RawCode(status, "libvirt") == VIR_ERR_NO_SUPPORT;
}

// Registers one callback, whose id goes to `ids`; a driver without such events is left alone.
template <typename Register>
absl::Status Watch(const CallbacksRef& callbacks, absl::string_view what, std::vector<int>& ids,
                   Register register_with) {
  auto* ref = new CallbacksRef(callbacks);
  const int id = register_with(ref);
  if (id >= 0) {
    ids.push_back(id);
    return absl::OkStatus();
  }
  absl::Status status = LibvirtError(what);
  FreeRef(ref);
  return IsUnsupported(status) ? absl::OkStatus() : status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LibvirtSession>> LibvirtSession::Open(
    const std::string& uri, absl::Duration keepalive_interval, unsigned int keepalive_count,
    Callbacks callbacks) {
  VirConnect connection(virConnectOpen(uri.c_str()));
  if (connection == nullptr) {
    absl::Status status = LibvirtError(absl::StrCat("cannot connect to libvirt at ", uri));
    if (status.code() == absl::StatusCode::kPermissionDenied ||
        status.code() == absl::StatusCode::kUnauthenticated) {
      return status;
    }
    // Whatever libvirt calls it, libvirtd cannot be reached now.
    absl::Status unavailable =
        Error(absl::StatusCode::kUnavailable, "LIBVIRT_UNAVAILABLE", status.message());
    if (const auto code = RawCode(status, "libvirt")) SetRawCode(unavailable, "libvirt", *code);
    return unavailable;
  }
  std::unique_ptr<LibvirtSession> session(new LibvirtSession(std::move(connection)));
  const CallbacksRef shared = std::make_shared<const Callbacks>(std::move(callbacks));
  ASSIGN_OR_RETURN(const bool has_daemon,
                   session->SetKeepAlive(keepalive_interval, keepalive_count));
  if (has_daemon) RETURN_IF_ERROR(session->WatchConnection(shared));
  RETURN_IF_ERROR(session->WatchDomains(shared));
  RETURN_IF_ERROR(session->WatchSecrets(shared));
  session->host_ = DescribeHost(session->connection());
  return session;
}

absl::StatusOr<bool> LibvirtSession::SetKeepAlive(absl::Duration interval, unsigned int count) {
  const int seconds = std::max(1, static_cast<int>(absl::ToInt64Seconds(interval)));
  if (virConnectSetKeepAlive(connection_.get(), seconds, count) >= 0) return true;
  absl::Status status = LibvirtError("cannot set libvirt's keepalive");
  if (IsUnsupported(status)) return false;
  return status;
}

absl::Status LibvirtSession::WatchConnection(const CallbacksRef& callbacks) {
  auto* ref = new CallbacksRef(callbacks);
  if (virConnectRegisterCloseCallback(connection_.get(), OnClosed, ref, FreeRef) == 0) {
    close_callback_registered_ = true;
    return absl::OkStatus();
  }
  absl::Status status = LibvirtError("cannot watch the connection to libvirt");
  FreeRef(ref);
  return status;
}

absl::Status LibvirtSession::WatchDomains(const CallbacksRef& callbacks) {
  using General = virConnectDomainEventGenericCallback;
  const std::pair<int, General> kEvents[] = {
      {VIR_DOMAIN_EVENT_ID_LIFECYCLE, Generalise<General>(OnLifecycle)},
      {VIR_DOMAIN_EVENT_ID_REBOOT, Generalise<General>(OnReboot)},
      {VIR_DOMAIN_EVENT_ID_IO_ERROR, Generalise<General>(OnIoError)},
      {VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, Generalise<General>(OnDeviceChange)},
      {VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, Generalise<General>(OnDeviceChange)},
  };
  for (const auto& event : kEvents) {
    RETURN_IF_ERROR(
        Watch(callbacks, "cannot watch libvirt's domains", domain_callbacks_, [&](void* ref) {
          return virConnectDomainEventRegisterAny(connection_.get(), nullptr, event.first,
                                                  event.second, ref, FreeRef);
        }));
  }
  return absl::OkStatus();
}

absl::Status LibvirtSession::WatchSecrets(const CallbacksRef& callbacks) {
  using General = virConnectSecretEventGenericCallback;
  const std::pair<int, General> kEvents[] = {
      {VIR_SECRET_EVENT_ID_LIFECYCLE, Generalise<General>(OnSecretLifecycle)},
      {VIR_SECRET_EVENT_ID_VALUE_CHANGED, Generalise<General>(OnSecretValueChange)},
  };
  for (const auto& event : kEvents) {
    RETURN_IF_ERROR(
        Watch(callbacks, "cannot watch libvirt's secrets", secret_callbacks_, [&](void* ref) {
          return virConnectSecretEventRegisterAny(connection_.get(), nullptr, event.first,
                                                  event.second, ref, FreeRef);
        }));
  }
  return absl::OkStatus();
}

LibvirtSession::~LibvirtSession() {
  // Each registered callback holds a reference to the connection, which would keep it open.
  for (const int id : domain_callbacks_) virConnectDomainEventDeregisterAny(connection_.get(), id);
  for (const int id : secret_callbacks_) virConnectSecretEventDeregisterAny(connection_.get(), id);
  if (close_callback_registered_) virConnectUnregisterCloseCallback(connection_.get(), OnClosed);
}

bool LibvirtSession::IsAlive() const { return virConnectIsAlive(connection_.get()) == 1; }

}  // namespace hvagent::hypervisor
