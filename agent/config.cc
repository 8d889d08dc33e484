#include "agent/config.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "manifest/yaml_proto.h"

namespace hvagent {
namespace {

constexpr uint32_t kMaxParallel = 256;
constexpr uint32_t kMaxImageGib = 64 << 10;
constexpr char kSealingCredential[] = "hypervisor-agent.sealing-key";

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "localhost";
}

std::string OwnSealingKey(const v1::AgentConfig& config) {
  return absl::StrCat(config.state_dir(), "/sealing.key");
}

std::string DefaultSealingKey(const v1::AgentConfig& config) {
  if (const char* credentials = std::getenv("CREDENTIALS_DIRECTORY"); credentials != nullptr) {
    std::string path = absl::StrCat(credentials, "/", kSealingCredential);
    if (access(path.c_str(), F_OK) == 0) return path;
  }
  return OwnSealingKey(config);
}

// A field that was left out gets its default.
void Default(std::string* field, const std::string& value) {
  if (field->empty()) *field = value;
}

absl::Status CheckAbsolute(absl::string_view field, absl::string_view path) {
  if (absl::StartsWith(path, "/")) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("\"", path, "\" is not an absolute path"));
}

absl::Status CheckField(absl::string_view field, const absl::Status& status) {
  return status.ok() ? status : InvalidField(field, status.message());
}

absl::Status CheckReadable(absl::string_view field, const std::string& path) {
  if (access(path.c_str(), R_OK) == 0) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("cannot read \"", path, "\""));
}

absl::Status CheckPools(const v1::AgentConfig::Ceph::Pools& pools) {
  RETURN_IF_ERROR(CheckField("ceph.pools.images", CheckRbdName(pools.images())));
  RETURN_IF_ERROR(CheckField("ceph.pools.vms", CheckRbdName(pools.vms())));
  RETURN_IF_ERROR(CheckField("ceph.pools.volumes", CheckRbdName(pools.volumes())));
  RETURN_IF_ERROR(CheckField("ceph.pools.backups", CheckRbdName(pools.backups())));
  RETURN_IF_ERROR(CheckField("ceph.pools.hvagent", CheckRbdName(pools.hvagent())));
  for (const std::string& of_guests :
       {pools.images(), pools.vms(), pools.volumes(), pools.backups()}) {
    if (pools.hvagent() == of_guests) {
      return InvalidField(
          "ceph.pools.hvagent",
          absl::StrCat("must be a pool that no guest can write; ", of_guests, " holds disks"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSealingKey(const v1::AgentConfig& config) {
  RETURN_IF_ERROR(CheckAbsolute("sealing_key_file", config.sealing_key_file()));
  if (MakesSealingKey(config)) return absl::OkStatus();
  return CheckReadable("sealing_key_file", config.sealing_key_file());
}

absl::Status CheckImports(const v1::AgentConfig::Imports& imports) {
  RETURN_IF_ERROR(CheckAbsolute("imports.spool_dir", imports.spool_dir()));
  if (!imports.folder().empty()) {
    RETURN_IF_ERROR(CheckAbsolute("imports.folder", imports.folder()));
  }
  if (imports.max_image_gib() > kMaxImageGib) {
    return InvalidField("imports.max_image_gib", absl::StrCat("must be at most ", kMaxImageGib));
  }
  return absl::OkStatus();
}

absl::Status CheckTls(const v1::AgentConfig& config) {
  if (config.listen_address().empty()) return absl::OkStatus();
  const v1::TlsFiles& tls = config.tls();
  if (tls.certificate_file().empty() || tls.private_key_file().empty() || tls.ca_file().empty()) {
    return InvalidField("tls",
                        "certificate_file, private_key_file and ca_file are needed with "
                        "listen_address");
  }
  for (const auto& [field, path] : {std::pair("tls.certificate_file", &tls.certificate_file()),
                                    std::pair("tls.private_key_file", &tls.private_key_file()),
                                    std::pair("tls.ca_file", &tls.ca_file())}) {
    RETURN_IF_ERROR(CheckReadable(field, *path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::AgentConfig> ReadConfig(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot read configuration ", path));
  }
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  v1::AgentConfig config;
  RETURN_IF_ERROR(Annotate(manifest::ReadYaml(text, &config), path));
  return config;
}

v1::AgentConfig WithDefaults(v1::AgentConfig config) {
  Default(config.mutable_node_name(), HostName());
  Default(config.mutable_unix_socket(), "/run/hypervisor-agent/agentd.sock");
  Default(config.mutable_state_dir(), "/var/lib/hypervisor-agent");
  Default(config.mutable_sealing_key_file(), DefaultSealingKey(config));

  auto& libvirt = *config.mutable_libvirt();
  Default(libvirt.mutable_uri(), "qemu:///system");
  if (libvirt.call_timeout_s() == 0) libvirt.set_call_timeout_s(60);
  Default(libvirt.mutable_start_orders_dir(), "/run/hypervisor-agent/starts");

  auto& ceph = *config.mutable_ceph();
  Default(ceph.mutable_config_file(), "/etc/ceph/ceph.conf");
  Default(ceph.mutable_entity(), "client.hvagent");
  Default(ceph.mutable_guest_entity(), "client.cinder");
  Default(ceph.mutable_pools()->mutable_images(), "images");
  Default(ceph.mutable_pools()->mutable_vms(), "vms");
  Default(ceph.mutable_pools()->mutable_volumes(), "volumes");
  Default(ceph.mutable_pools()->mutable_backups(), "backups");
  Default(ceph.mutable_pools()->mutable_hvagent(), "hvagent");
  if (ceph.op_timeout_s() == 0) ceph.set_op_timeout_s(30);
  if (ceph.max_clone_depth() == 0) ceph.set_max_clone_depth(5);

  auto& guests = *config.mutable_guests();
  Default(guests.mutable_serial_log_dir(), "/var/log/libvirt/qemu");
  if (guests.max_parallel() == 0) guests.set_max_parallel(32);
  if (guests.resync_s() == 0) guests.set_resync_s(60);
  if (!guests.has_idle_load_percent()) guests.set_idle_load_percent(50);

  auto& imports = *config.mutable_imports();
  Default(imports.mutable_spool_dir(), absl::StrCat(config.state_dir(), "/spool"));
  if (imports.max_upload_gib() == 0) imports.set_max_upload_gib(64);
  if (imports.max_image_gib() == 0) imports.set_max_image_gib(kMaxImageGib);
  if (config.trash_purge_s() == 0) config.set_trash_purge_s(60);
  return config;
}

absl::Status CheckConfig(const v1::AgentConfig& config) {
  RETURN_IF_ERROR(CheckField("node_name", CheckVmName(config.node_name())));
  RETURN_IF_ERROR(CheckAbsolute("unix_socket", config.unix_socket()));
  RETURN_IF_ERROR(CheckAbsolute("state_dir", config.state_dir()));
  RETURN_IF_ERROR(CheckSealingKey(config));
  RETURN_IF_ERROR(CheckField("ceph.entity", CheckClientEntity(config.ceph().entity())));
  RETURN_IF_ERROR(CheckField("ceph.guest_entity", CheckClientEntity(config.ceph().guest_entity())));
  RETURN_IF_ERROR(CheckPools(config.ceph().pools()));
  RETURN_IF_ERROR(CheckAbsolute("guests.serial_log_dir", config.guests().serial_log_dir()));
  RETURN_IF_ERROR(CheckAbsolute("libvirt.start_orders_dir", config.libvirt().start_orders_dir()));
  if (config.guests().max_parallel() > kMaxParallel) {
    return InvalidField("guests.max_parallel", absl::StrCat("must be at most ", kMaxParallel));
  }
  RETURN_IF_ERROR(CheckImports(config.imports()));
  return CheckTls(config);
}

bool MakesSealingKey(const v1::AgentConfig& config) {
  return config.sealing_key_file() == OwnSealingKey(config);
}

}  // namespace hvagent
