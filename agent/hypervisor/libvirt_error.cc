#include "agent/hypervisor/libvirt_error.h"

#include <libvirt/libvirt.h>

#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace hvagent::hypervisor {
namespace {

struct Meaning {
  absl::StatusCode code;
  absl::string_view reason;
};

// What the operating system refused to libvirt. Never NOT_FOUND or ALREADY_EXISTS: those are said
// of domains and secrets, and a file that is missing is neither.
Meaning MeaningOfErrno(int error) {
  switch (error) {
    case ECONNREFUSED:
    case ECONNRESET:
    case ENOTCONN:
    case EPIPE:
      return {absl::StatusCode::kUnavailable, "LIBVIRT_UNAVAILABLE"};
    case ETIMEDOUT:
      return {absl::StatusCode::kDeadlineExceeded, "LIBVIRT_TIMEOUT"};
    case EACCES:
    case EPERM:
      return {absl::StatusCode::kPermissionDenied, "LIBVIRT_DENIED"};
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case EAGAIN:
      return {absl::StatusCode::kResourceExhausted, "NODE_RESOURCES_EXHAUSTED"};
    default:
      return {absl::StatusCode::kInternal, "LIBVIRT_ERROR"};
  }
}

Meaning MeaningOf(const virError& error) {
  switch (error.code) {
    // A call that failed and does not say why, as a shutdown of a guest that is just going does.
    case VIR_ERR_OK:
      return {absl::StatusCode::kAborted, "LIBVIRT_ERROR"};

    case VIR_ERR_NO_DOMAIN:
      return {absl::StatusCode::kNotFound, "DOMAIN_NOT_FOUND"};
    case VIR_ERR_NO_SECRET:
      return {absl::StatusCode::kNotFound, "SECRET_NOT_FOUND"};
    case VIR_ERR_DEVICE_MISSING:
      return {absl::StatusCode::kNotFound, "DEVICE_NOT_FOUND"};

    case VIR_ERR_INVALID_ARG:
    case VIR_ERR_XML_ERROR:
    case VIR_ERR_XML_DETAIL:
    case VIR_ERR_XML_INVALID_SCHEMA:
      return {absl::StatusCode::kInvalidArgument, "LIBVIRT_REFUSED"};

    case VIR_ERR_OPERATION_INVALID:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_CPU_INCOMPATIBLE:
    case VIR_ERR_RESOURCE_BUSY:
      return {absl::StatusCode::kFailedPrecondition, "LIBVIRT_REFUSED"};
    case VIR_ERR_AGENT_UNRESPONSIVE:
      return {absl::StatusCode::kFailedPrecondition, "GUEST_AGENT_UNRESPONSIVE"};

    case VIR_ERR_NO_CONNECT:
    case VIR_ERR_INVALID_CONN:
    case VIR_ERR_RPC:
      return {absl::StatusCode::kUnavailable, "LIBVIRT_UNAVAILABLE"};
    case VIR_ERR_OPERATION_TIMEOUT:
      return {absl::StatusCode::kDeadlineExceeded, "LIBVIRT_TIMEOUT"};

    case VIR_ERR_DOM_EXIST:
      return {absl::StatusCode::kAlreadyExists, "DOMAIN_NAME_TAKEN"};

    case VIR_ERR_OPERATION_DENIED:
    case VIR_ERR_ACCESS_DENIED:
      return {absl::StatusCode::kPermissionDenied, "LIBVIRT_DENIED"};
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_UNAVAILABLE:
      return {absl::StatusCode::kUnauthenticated, "LIBVIRT_DENIED"};

    case VIR_ERR_NO_SUPPORT:
    case VIR_ERR_OPERATION_UNSUPPORTED:
      return {absl::StatusCode::kUnimplemented, "LIBVIRT_UNSUPPORTED"};

    case VIR_ERR_SYSTEM_ERROR:
      return MeaningOfErrno(error.int1);
    case VIR_ERR_NO_MEMORY:
      return {absl::StatusCode::kResourceExhausted, "NODE_RESOURCES_EXHAUSTED"};
    default:
      return {absl::StatusCode::kInternal, "LIBVIRT_ERROR"};
  }
}

}  // namespace

absl::Status LibvirtErrorStatus(const virError& error, absl::string_view what) {
  const Meaning meaning = MeaningOf(error);
  const absl::string_view message = error.message != nullptr ? error.message : "unknown error";
  absl::Status status =
      Error(meaning.code, meaning.reason,
            absl::StrCat(what, ": ", absl::StripTrailingAsciiWhitespace(message)));
  SetRawCode(status, "libvirt", error.code);
  if (error.code == VIR_ERR_SYSTEM_ERROR) SetRawCode(status, "errno", error.int1);
  return status;
}

absl::Status LibvirtError(absl::string_view what) {
  const virError* error = virGetLastError();
  return LibvirtErrorStatus(error != nullptr ? *error : virError{}, what);
}

}  // namespace hvagent::hypervisor
