// agentd: reads its configuration, picks the backends, and serves until it is told to stop.

#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "CLI/CLI.hpp"
#include "agent/backends.h"
#include "agent/config.h"
#include "agent/server.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "glog/logging.h"

namespace hvagent {
namespace {

constexpr char kDefaultConfig[] = "/etc/hypervisor-agent/agentd.yaml";
constexpr absl::Duration kStopGrace = absl::Seconds(5);

struct Flags {
  std::string config_file;
  std::string backend = "real";
  std::string node_name;
  std::string listen_address;
  std::string unix_socket;
  std::string state_dir;
  bool check_config = false;
};

absl::StatusOr<v1::AgentConfig> LoadConfig(const Flags& flags) {
  v1::AgentConfig config;
  if (!flags.config_file.empty()) {
    ASSIGN_OR_RETURN(config, ReadConfig(flags.config_file));
  } else if (access(kDefaultConfig, F_OK) == 0) {
    ASSIGN_OR_RETURN(config, ReadConfig(kDefaultConfig));
  }
  if (!flags.node_name.empty()) config.set_node_name(flags.node_name);
  if (!flags.listen_address.empty()) config.set_listen_address(flags.listen_address);
  if (!flags.unix_socket.empty()) config.set_unix_socket(flags.unix_socket);
  if (!flags.state_dir.empty()) config.set_state_dir(flags.state_dir);
  config = WithDefaults(std::move(config));
  RETURN_IF_ERROR(CheckConfig(config));
  return config;
}

// Keys pass through this process: nobody but root may look into it, it leaves no core, and gRPC
// does not print what it carries.
void ProtectKeys() {
  umask(0077);
  prctl(PR_SET_DUMPABLE, 0);
  const rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  unsetenv("GRPC_TRACE");
}

absl::Status Serve(const Flags& flags) {
  ASSIGN_OR_RETURN(const v1::AgentConfig config, LoadConfig(flags));
  if (flags.check_config) {
    std::puts("the configuration is valid");
    return absl::OkStatus();
  }
  // Blocked before any thread is made, so that only the sigwait below takes them.
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGTERM);
  sigaddset(&stop_signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  Backends backends;
  if (flags.backend == "memory") {
    backends = MakeMemoryBackends(config);
  } else {
    ASSIGN_OR_RETURN(backends, MakeRealBackends(config));
  }
  ASSIGN_OR_RETURN(const auto server, Server::Start(config, std::move(backends)));
  LOG(INFO) << "agentd " << kVersion << " serves node " << config.node_name()
            << " on unix:" << config.unix_socket() << (server->port() != 0 ? " and TCP port " : "")
            << (server->port() != 0 ? std::to_string(server->port()) : "");

  int signal_number = 0;
  sigwait(&stop_signals, &signal_number);
  LOG(INFO) << "stopping on signal " << signal_number << "; guests go on";
  server->Stop(kStopGrace);
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("agentd, the hypervisor agent: keeps this node's guests at their desired state");
  app.set_version_flag("--version", kVersion);
  app.add_option("--config", flags.config_file,
                 std::string("Configuration file (default: ") + kDefaultConfig + ", if there)");
  app.add_option("--backend", flags.backend,
                 "real: libvirt and Ceph; memory: a simulated node, for controller authors")
      ->check(CLI::IsMember({"real", "memory"}))
      ->capture_default_str();
  app.add_option("--node-name", flags.node_name, "Overrides node_name");
  app.add_option("--listen-address", flags.listen_address, "Overrides listen_address");
  app.add_option("--unix-socket", flags.unix_socket, "Overrides unix_socket");
  app.add_option("--state-dir", flags.state_dir, "Overrides state_dir");
  app.add_flag("--check-config", flags.check_config, "Check the configuration and exit");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  // Fewer arenas than glibc makes on a large host, since each holds memory of its own; but with two
  // the threads of twenty boots at once wait for one another in malloc.
  mallopt(M_ARENA_MAX, 8);
  ProtectKeys();
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);
  const absl::Status status = Serve(flags);
  if (!status.ok()) LOG(ERROR) << "agentd: " << status;
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace hvagent

int main(int argc, char** argv) { return hvagent::Main(argc, argv); }
