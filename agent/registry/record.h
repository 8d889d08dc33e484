// A VM's record as bytes, and the rules that every implementation of the registry keeps. Pure.
#ifndef HVAGENT_AGENT_REGISTRY_RECORD_H_
#define HVAGENT_AGENT_REGISTRY_RECORD_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/registry/registry.h"
#include "base/uuid.h"
#include "hvagent/v1/registry.pb.h"

namespace hvagent::registry {

// The format that this agent writes, and the newest that it reads.
inline constexpr uint32_t kRecordFormat = 1;

// Registry::Put's INVALID_ARGUMENT.
absl::Status CheckPut(const v1::RegistryRecord& record, const std::optional<Entry>& replaces);

std::string Encode(const v1::RegistryRecord& record);

// Reads the record of `vm`. What a newer agent of the same format added is kept for the next
// Encode. Errors: FAILED_PRECONDITION (REGISTRY_FORMAT), DATA_LOSS (REGISTRY_RECORD).
absl::StatusOr<v1::RegistryRecord> Decode(const Uuid& vm, absl::string_view bytes);

// ABORTED (REGISTRY_CONFLICT).
absl::Status RecordChanged(const Uuid& vm);

}  // namespace hvagent::registry

#endif  // HVAGENT_AGENT_REGISTRY_RECORD_H_
