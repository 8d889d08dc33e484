// Backups to files and pipes, and from them.
#ifndef HVAGENT_AGENTCTL_BACKUP_STREAMS_H_
#define HVAGENT_AGENTCTL_BACKUP_STREAMS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agentctl/cli.h"
#include "agentctl/interrupts.h"
#include "agentctl/node.h"
#include "hvagent/v1/backup_service.pb.h"

namespace hvagent::agentctl {

// Writes the agent's stream to `file`, which must not exist yet, or for "-" to standard output,
// which must not be a terminal. A file that did not become whole is removed; a pipe then lacks the
// stream's end, by which who reads it knows.
// Errors: FAILED_PRECONDITION (FILE_UNWRITABLE), the agent's, CANCELLED after Ctrl-C.
absl::Status ExportBackup(Cli& cli, Interrupts& interrupts, Node& node,
                          const v1::ExportBackupRequest& request, const std::string& file);

// Sends `file`, or for "-" standard input, and waits for the agent's verdict. The import lives as
// long as this call: Ctrl-C or --timeout cancel it, and the agent undoes what it had done.
// Errors: FAILED_PRECONDITION (FILE_UNREADABLE); the agent's; exit code kInDoubt when the
// connection was lost after everything had been sent.
absl::StatusOr<v1::Operation> ImportBackup(Cli& cli, Interrupts& interrupts, Node& node,
                                           const v1::BackupDisk& source, const std::string& file);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_BACKUP_STREAMS_H_
