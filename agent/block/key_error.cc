#include "agent/block/key_error.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace hvagent::block {

absl::Status KeyRefused(absl::string_view entity) {
  // The monitors answer all of these alike.
  return Error(
      absl::StatusCode::kUnauthenticated, "CEPH_KEY_REFUSED",
      absl::StrCat("the monitors refuse this key of ", entity,
                   ": it is not the key that they hold, or they know no ", entity,
                   ", or it has no caps for them; compare with `ceph auth get ", entity, "`"));
}

absl::Status EntityNotFound(absl::string_view entity) {
  return Error(absl::StatusCode::kNotFound, "CEPH_ENTITY_NOT_FOUND",
               absl::StrCat("the cluster knows no ", entity,
                            ": make it with `ceph auth get-or-create ", entity, "`"));
}

absl::Status MayNotFetch(absl::string_view agent, absl::string_view entity) {
  return Error(
      absl::StatusCode::kPermissionDenied, "CEPH_CAPS",
      absl::StrCat(agent, " may not fetch the key of ", entity, ": add to its mon caps `allow ",
                   "command \"auth get-key\" with entity=", entity, "`, or give the key"));
}

absl::Status AlreadyClaimed(absl::string_view entity,
                            const std::optional<secrets::SecretClaim>& standing) {
  return Error(absl::StatusCode::kAborted, "SECRET_CLAIMED",
               standing.has_value()
                   ? absl::StrCat("in this cluster the secret of ", entity, " has the UUID ",
                                  standing->uuid.ToString(), " and the usage \"", standing->usage,
                                  "\": somebody else was first")
                   : absl::StrCat("in this cluster the secret of ", entity,
                                  " has no UUID any more: somebody else has given it up"));
}

}  // namespace hvagent::block
