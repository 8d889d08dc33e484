// Reads a disk over NBD: only where there is data, many requests at once. By libnbd, whose C API
// ends in nbd_reader.cc.
#ifndef HVAGENT_AGENT_IMPORTS_NBD_READER_H_
#define HVAGENT_AGENT_IMPORTS_NBD_READER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "base/unique_fd.h"

namespace hvagent::imports {

// Takes a piece of a disk: where it is, and what.
using DataSink = std::function<absl::Status(uint64_t offset_bytes, std::string data)>;
// Asked about four times a second while something waits: OK, or why it shall end.
using GoesOn = std::function<absl::Status()>;

// Not thread-safe. The server is not trusted: whatever it sends is an error or data.
class NbdReader {
 public:
  // Negotiates over `socket`, a connected one. The server has `patience` for each answer.
  // Errors: ABORTED (DECODER_FAILED: it closed the socket, spoke nonsense or fell silent), or what
  // `goes_on` says.
  static absl::StatusOr<NbdReader> Connect(UniqueFd socket, absl::Duration patience,
                                           GoesOn goes_on);
  ~NbdReader();
  NbdReader(NbdReader&&) noexcept;
  NbdReader& operator=(NbdReader&&) = delete;

  Bytes size() const;

  // As Qcow2Decoder::ReadData. Errors: as of Connect; INVALID_ARGUMENT (QCOW2_UNREADABLE) when the
  // server cannot read a part; what `sink` says.
  absl::Status ReadData(const DataSink& sink);

  // Lets go of the server.
  void Close();

 private:
  class Impl;
  explicit NbdReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hvagent::imports

#endif  // HVAGENT_AGENT_IMPORTS_NBD_READER_H_
