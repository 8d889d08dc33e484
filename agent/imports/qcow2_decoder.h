// Reads the disk in a qcow2 file by a process of its own: `qemu-nbd`, in a sandbox of its own
// (bubblewrap) that holds the program, its libraries, and this one file as an open descriptor: no
// other file, no network, no capability, no user of this node, and limits of memory and CPU time.
// What it decodes comes back over a socket (nbd_reader.h). Where no sandbox can be made nothing is
// decoded.
#ifndef HVAGENT_AGENT_IMPORTS_QCOW2_DECODER_H_
#define HVAGENT_AGENT_IMPORTS_QCOW2_DECODER_H_

#include <sys/types.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/imports/child_process.h"
#include "agent/imports/nbd_reader.h"
#include "base/bytes.h"

namespace hvagent::imports {

struct DecoderOptions {
  std::string sandbox_program = "/usr/bin/bwrap";
  std::string decoder_program = "/usr/bin/qemu-nbd";
  // How long the decoder may take for one answer, and its processor time over all.
  absl::Duration patience = absl::Seconds(60);
  absl::Duration cpu_time = absl::Hours(4);
};

// Not thread-safe: all from one thread, whose end would be the decoder's.
class Qcow2Decoder {
 public:
  // Starts a decoder of the file `fd`, which InspectQcow2 has let through. `goes_on` is asked while
  // it waits; what it says ends the waiting, here and in ReadData.
  // Errors: FAILED_PRECONDITION (SANDBOX_UNAVAILABLE), INVALID_ARGUMENT (QCOW2_UNREADABLE), ABORTED
  // (DECODER_FAILED), RESOURCE_EXHAUSTED (NO_CHILD_PROCESS), or what `goes_on` says.
  static absl::StatusOr<Qcow2Decoder> Start(int fd, const DecoderOptions& options, GoesOn goes_on);

  // The disk's size.
  Bytes size() const { return reader_.size(); }

  // Hands what is data, in pieces of whole blocks of 4 KiB but for the disk's last, to `sink`, on
  // this thread; what lies between is zeros. In no order. Call it once. Errors: as of Start, or
  // what `sink` says.
  absl::Status ReadData(const DataSink& sink);

  // Of the sandbox, for tests.
  pid_t pid() const { return process_.pid(); }

 private:
  Qcow2Decoder(ChildProcess process, NbdReader reader)
      : process_(std::move(process)), reader_(std::move(reader)) {}

  ChildProcess process_;
  NbdReader reader_;  // goes first: the decoder ends by itself then
};

}  // namespace hvagent::imports

#endif  // HVAGENT_AGENT_IMPORTS_QCOW2_DECODER_H_
