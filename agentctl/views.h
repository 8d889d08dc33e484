// How each of the API's resources looks in a table, and its name for scripts.
#ifndef HVAGENT_AGENTCTL_VIEWS_H_
#define HVAGENT_AGENTCTL_VIEWS_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agentctl/output.h"
#include "hvagent/v1/backup.pb.h"
#include "hvagent/v1/image.pb.h"
#include "hvagent/v1/node_service.pb.h"
#include "hvagent/v1/operation.pb.h"
#include "hvagent/v1/secret_service.pb.h"
#include "hvagent/v1/vm.pb.h"
#include "hvagent/v1/volume.pb.h"

namespace hvagent::agentctl {

// "node/<name>", "secret/<uuid>", "image/<id>", "volume/<id>", "snapshot/<volume>@<id>",
// "vm/<uuid>", "backup/<id>", "operation/<id>".
std::vector<Column> NodeColumns();
Row RowOf(const v1::Node& node);

std::vector<Column> SecretColumns();
Row RowOf(const v1::Secret& secret);

std::vector<Column> ImageColumns();
Row RowOf(const v1::Image& image);

std::vector<Column> VolumeColumns();
Row RowOf(const v1::Volume& volume);

std::vector<Column> VolumeSnapshotColumns();
Row RowOf(const v1::VolumeSnapshot& snapshot);

std::vector<Column> BackupColumns();
Row RowOf(const v1::Backup& backup);

std::vector<Column> VmColumns();
Row RowOf(const v1::Vm& vm);

std::vector<Column> OperationColumns();
Row RowOf(const v1::Operation& operation);

// "RUNNING"; "-" when it is not known.
std::string PowerText(v1::PowerState state);

// The condition of that type; null when there is none.
const v1::Condition* FindCondition(
    const google::protobuf::RepeatedPtrField<v1::Condition>& conditions, const std::string& type);

// "1.5 GiB"; "512 B".
std::string BytesText(uint64_t bytes);

// "42s", "3m10s", "2h05m", "3d04h": what a person wants to read of an age or a rest.
std::string DurationText(absl::Duration duration);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_VIEWS_H_
