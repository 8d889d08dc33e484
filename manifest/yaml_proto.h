// Protobuf messages as YAML and JSON text: what people write and what agentctl prints. The
// mapping is proto JSON's, with the proto's own field names (size_gib), so one schema serves the
// API, manifests and configuration files.
//
// Input is taken for hostile: its size, depth and number of nodes are bounded, and anchors,
// aliases and tags are refused. Pure; thread-safe.
#ifndef HVAGENT_MANIFEST_YAML_PROTO_H_
#define HVAGENT_MANIFEST_YAML_PROTO_H_

#include <google/protobuf/message.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hvagent::manifest {

// Sets `out` to what one YAML document says; an empty document is the empty message. On an error
// `out` is unchanged. A plain scalar is read as its field's type, so that `name: 0123` and
// `name: no` are the texts that they look like. A null leaves its field out.
//
// Messages that people write hold texts, whole numbers, bools, enums, messages and lists of
// them; a field of any other kind (bytes, float, map, oneof, google.protobuf.*) is refused by name.
//
// Errors: INVALID_ARGUMENT, one line that names the place, for the first thing that is wrong:
// INVALID_FIELD with the field's path, "vms[0].root_disk.size_gib: must be ... (line 7)", for an
// unknown or repeated field, and for a value of the wrong type; INVALID_YAML, "line 7, column 3:
// ...", for what is no YAML, and for what is refused above.
absl::Status ReadYaml(absl::string_view yaml, google::protobuf::Message* out);

// Every field that is set, in the order of its number; texts are quoted where a YAML reader
// could take them for something else. google.protobuf.* messages are written in their JSON form.
// Errors: INTERNAL for a field that has no such form (bytes, float, map, an Any of unknown type).
absl::StatusOr<std::string> WriteYaml(const google::protobuf::Message& message);

// Indented proto JSON, ending in a newline. Errors: as WriteYaml.
absl::StatusOr<std::string> WriteJson(const google::protobuf::Message& message);

}  // namespace hvagent::manifest

#endif  // HVAGENT_MANIFEST_YAML_PROTO_H_
