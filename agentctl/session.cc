#include "agentctl/session.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "agentctl/files.h"
#include "agentctl/tls_identity.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "manifest/yaml_proto.h"

namespace hvagent::agentctl {
namespace {

absl::Status CheckConfig(const v1::ClientConfig& config) {
  if (config.nodes().empty()) return InvalidField("nodes", "must name at least one node");
  std::set<std::string> names;
  for (int i = 0; i < config.nodes_size(); ++i) {
    const auto& node = config.nodes(i);
    const std::string field = absl::StrCat("nodes[", i, "]");
    if (node.name().empty()) return InvalidField(field + ".name", "is missing");
    if (node.address().empty()) return InvalidField(field + ".address", "is missing");
    if (!names.insert(node.name()).second) {
      return InvalidField(field + ".name", absl::StrCat("a second node is named ", node.name()));
    }
  }
  return absl::OkStatus();
}

void MakeAbsolute(std::string& file, absl::string_view folder) {
  if (!file.empty() && file.front() != '/') file = absl::StrCat(folder, "/", file);
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return path.substr(0, slash);
}

}  // namespace

std::optional<std::string> FindConfig(const std::string& flag,
                                      const std::function<std::string(const std::string&)>& getenv,
                                      const std::function<bool(const std::string&)>& exists) {
  if (!flag.empty()) return flag;
  if (std::string path = getenv("AGENTCTL_CONFIG"); !path.empty()) return path;
  if (const std::string home = getenv("HOME"); !home.empty()) {
    std::string path = home + "/.config/agentctl/config.yaml";
    if (exists(path)) return path;
  }
  if (exists(kSystemConfig)) return kSystemConfig;
  return std::nullopt;
}

absl::StatusOr<v1::ClientConfig> LoadConfig(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  v1::ClientConfig config;
  absl::Status status = manifest::ReadYaml(text, &config);
  if (status.ok()) status = CheckConfig(config);
  if (!status.ok()) return Annotate(status, path);
  const std::string folder = FolderOf(path);
  if (config.has_tls()) {
    MakeAbsolute(*config.mutable_tls()->mutable_certificate_file(), folder);
    MakeAbsolute(*config.mutable_tls()->mutable_private_key_file(), folder);
    MakeAbsolute(*config.mutable_tls()->mutable_ca_file(), folder);
  }
  return config;
}

Session::Session(const std::optional<v1::ClientConfig>& config) : is_local_(!config.has_value()) {
  if (is_local_) {
    nodes_.push_back(std::make_unique<Node>("local", kLocalSocket, nullptr));
    return;
  }
  const bool any_tcp =
      std::any_of(config->nodes().begin(), config->nodes().end(),
                  [](const auto& node) { return !absl::StartsWith(node.address(), "unix:"); });
  const auto tls = any_tcp ? std::make_shared<const absl::StatusOr<TlsIdentity>>(
                                 LoadTlsIdentity(config->tls(), absl::Now()))
                           : nullptr;
  for (const auto& node : config->nodes()) {
    nodes_.push_back(std::make_unique<Node>(node.name(), node.address(), tls));
  }
}

std::vector<Node*> Session::nodes() const {
  std::vector<Node*> nodes;
  for (const auto& node : nodes_) nodes.push_back(node.get());
  return nodes;
}

Node* Session::Find(absl::string_view name) const {
  for (const auto& node : nodes_) {
    if (node->name() == name) return node.get();
  }
  return nullptr;
}

absl::StatusOr<std::vector<Node*>> Session::Select(const std::vector<std::string>& names) const {
  if (names.empty()) return nodes();
  std::vector<Node*> selected;
  for (const std::string& name : names) {
    Node* const node = Find(name);
    if (node == nullptr) {
      const auto known = absl::StrJoin(nodes_, ", ", [](std::string* out, const auto& each) {
        absl::StrAppend(out, each->name());
      });
      return Error(absl::StatusCode::kNotFound, "NODE_UNKNOWN",
                   absl::StrCat("no node is named ", name, "; the configuration has ", known));
    }
    if (std::find(selected.begin(), selected.end(), node) == selected.end()) {
      selected.push_back(node);
    }
  }
  return selected;
}

}  // namespace hvagent::agentctl
