#include "agent/block/rbd_error.h"

#include <cerrno>
#include <optional>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace hvagent::block {
namespace {

absl::Status MakeStatus(int code, absl::string_view action, absl::string_view entity) {
  const std::string what =
      absl::StrCat("cannot ", action, ": ", std::generic_category().message(code), " (", code, ")");
  switch (code) {
    case ENOENT:
      return absl::NotFoundError(what);
    case EEXIST:
      return Error(absl::StatusCode::kAlreadyExists, "IMAGE_EXISTS", what);
    case ETIMEDOUT:
      return Error(absl::StatusCode::kDeadlineExceeded, "CEPH_TIMEOUT",
                   absl::StrCat(what, "; it may still take effect: look before trying again"));
    case ESHUTDOWN:
      return Error(absl::StatusCode::kUnavailable, "CEPH_BLOCKLISTED",
                   absl::StrCat(what, "; the cluster has blocklisted this client of ", entity,
                                ": look before trying again on a new connection"));
    case ENOTCONN:
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return Error(absl::StatusCode::kUnavailable, "CEPH_UNAVAILABLE", what);
    case EPERM:
    case EACCES:
      return Error(
          absl::StatusCode::kPermissionDenied, "CEPH_CAPS",
          absl::StrCat(what, "; give ", entity, " caps on that pool: see ceph auth get ", entity));
    case ENOSPC:
    case EDQUOT:
      return Error(absl::StatusCode::kResourceExhausted, "POOL_FULL",
                   absl::StrCat(what,
                                "; the pool or the cluster is full: add space or raise the "
                                "pool's quota"));
    case ECANCELED:
    case EAGAIN:
    case ESTALE:
    case EINTR:
      return Error(absl::StatusCode::kAborted, "CEPH_CONFLICT", what);
    case EBUSY:
    case ENOTEMPTY:
    case EROFS:
      return Error(absl::StatusCode::kFailedPrecondition, "IMAGE_IN_USE", what);
    case EINVAL:
    case EDOM:
    case ERANGE:
    case ENAMETOOLONG:
    case E2BIG:
      return Error(absl::StatusCode::kInvalidArgument, "CEPH_REFUSED", what);
    case ENOSYS:
    case EOPNOTSUPP:
      return Error(absl::StatusCode::kUnimplemented, "CEPH_UNSUPPORTED", what);
    default:
      return Error(absl::StatusCode::kInternal, "CEPH_ERROR", what);
  }
}

}  // namespace

absl::Status CephStatus(int result, absl::string_view action, absl::string_view entity) {
  if (result >= 0) return absl::OkStatus();
  absl::Status status = MakeStatus(-result, action, entity);
  SetRawCode(status, "ceph", -result);
  return status;
}

bool IsConnectionSpoilt(const absl::Status& status) {
  const std::optional<int> code = RawCode(status, "ceph");
  return code == ETIMEDOUT || code == ESHUTDOWN || code == ENOTCONN;
}

}  // namespace hvagent::block
