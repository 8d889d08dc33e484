// The two macros that keep error paths to one line. Debian's Abseil (20220623) has none.
#ifndef HVAGENT_BASE_STATUS_MACROS_H_
#define HVAGENT_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the enclosing function when `expr`, an absl::Status, is not OK.
#define RETURN_IF_ERROR(expr)                                         \
  do {                                                                \
    if (absl::Status hvagent_status = (expr); !hvagent_status.ok()) { \
      return hvagent_status;                                          \
    }                                                                 \
  } while (false)

// Evaluates `expr`, an absl::StatusOr<T>; returns its status, or moves its value into `lhs`,
// which may be a declaration: ASSIGN_OR_RETURN(Uuid uuid, Uuid::Parse(text));
#define ASSIGN_OR_RETURN(lhs, expr) \
  HVAGENT_ASSIGN_OR_RETURN_(HVAGENT_CONCAT_(hvagent_statusor_, __LINE__), lhs, expr)

#define HVAGENT_ASSIGN_OR_RETURN_(tmp, lhs, expr) \
  auto tmp = (expr);                              \
  if (!tmp.ok()) return std::move(tmp).status();  \
  lhs = *std::move(tmp)
#define HVAGENT_CONCAT_(a, b) HVAGENT_CONCAT_INNER_(a, b)
#define HVAGENT_CONCAT_INNER_(a, b) a##b

#endif  // HVAGENT_BASE_STATUS_MACROS_H_
