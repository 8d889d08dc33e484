#include "agent/imports/qcow2_decoder.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::imports {
namespace {

// Of QEMU 7.2's: about 200 MiB for its libraries, threads and tables at their largest.
constexpr Bytes kAddressSpace = GiB(1);
constexpr uint64_t kOpenFiles = 64;
constexpr int kCannotRun = 127;
constexpr absl::Duration kTimeToEnd = absl::Seconds(1);

absl::Status NoSocket() {
  return Error(absl::StatusCode::kResourceExhausted, "NO_CHILD_PROCESS",
               absl::ErrnoToStatus(errno,
                                   "cannot make a socket for the program that reads the "
                                   "file")
                   .message());
}

struct SocketPair {
  UniqueFd listening;  // qemu-nbd takes no other
  UniqueFd connected;  // to it
};

// Nobody else can connect: the name is gone when this returns, and was in a folder of its own.
absl::StatusOr<SocketPair> MakeSockets() {
  char folder[] = "/tmp/hvagent-import.XXXXXX";
  if (mkdtemp(folder) == nullptr) return NoSocket();
  sockaddr_un address = {.sun_family = AF_UNIX};
  const std::string path = absl::StrCat(folder, "/nbd");
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const auto* const name = reinterpret_cast<const sockaddr*>(&address);
  SocketPair pair{UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
                  UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))};
  absl::Status status;
  if (!pair.listening || !pair.connected ||
      bind(pair.listening.get(), name, sizeof(address)) != 0 ||
      listen(pair.listening.get(), 1) != 0 ||
      connect(pair.connected.get(), name, sizeof(address)) != 0) {
    status = NoSocket();
  }
  unlink(path.c_str());
  rmdir(folder);
  RETURN_IF_ERROR(status);
  return pair;
}

// The socket is descriptor 3, as systemd's socket activation has it, and the file is 4.
std::vector<std::string> Command(const DecoderOptions& options) {
  return {options.sandbox_program,
          // Namespaces of its own for everything, and none inside: not even root of this node is
          // anybody there.
          "--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL",
          "--die-with-parent", "--new-session", "--clearenv", "--as-pid-1",
          // An empty file system but for the program and its libraries.
          "--ro-bind", "/usr/lib", "/usr/lib", "--ro-bind", "/usr/lib64", "/usr/lib64", "--symlink",
          "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--ro-bind",
          options.decoder_program, options.decoder_program, "--proc", "/proc", "--dev", "/dev",
          "--remount-ro", "/", "--setenv", "LISTEN_PID", "1", "--setenv", "LISTEN_FDS", "1",
          "--setenv", "MALLOC_ARENA_MAX", "2", "--", options.decoder_program, "--read-only",
          "--image-opts",
          "driver=qcow2,file.driver=file,file.filename=/proc/self/fd/4,file.locking=off"};
}

// Why the decoder did not come to serve the file.
absl::Status Explain(const absl::Status& failure, const ChildProcess::End& end) {
  if (end.exit_code == kCannotRun || absl::StartsWith(end.last_words, "bwrap:")) {
    return Error(absl::StatusCode::kFailedPrecondition, "SANDBOX_UNAVAILABLE",
                 absl::StrCat("qcow2 files are not read on this node, since no sandbox can be made "
                              "for it (are bubblewrap and qemu-utils installed, and user "
                              "namespaces allowed?)",
                              end.last_words.empty() ? "" : ": ", end.last_words,
                              "; import a raw file instead"));
  }
  if (ErrorReason(failure).value_or("") != "DECODER_FAILED") return failure;
  if (end.signal == 0 && absl::StrContains(end.last_words, "qemu-nbd")) {
    return Error(absl::StatusCode::kInvalidArgument, "QCOW2_UNREADABLE",
                 absl::StrCat("the file is damaged: ", end.last_words));
  }
  return failure;
}

}  // namespace

absl::StatusOr<Qcow2Decoder> Qcow2Decoder::Start(int fd, const DecoderOptions& options,
                                                 GoesOn goes_on) {
  ASSIGN_OR_RETURN(SocketPair sockets, MakeSockets());
  ASSIGN_OR_RETURN(ChildProcess process,
                   ChildProcess::Start(Command(options), {sockets.listening.get(), fd},
                                       {.address_space = kAddressSpace,
                                        .cpu_time = options.cpu_time,
                                        .open_files = kOpenFiles}));
  sockets.listening.reset();  // so that the end of the decoder ends the connection
  absl::StatusOr<NbdReader> reader =
      NbdReader::Connect(std::move(sockets.connected), options.patience, std::move(goes_on));
  if (!reader.ok()) return Explain(reader.status(), process.Stop(kTimeToEnd));
  return Qcow2Decoder(std::move(process), *std::move(reader));
}

absl::Status Qcow2Decoder::ReadData(const DataSink& sink) { return reader_.ReadData(sink); }

}  // namespace hvagent::imports
