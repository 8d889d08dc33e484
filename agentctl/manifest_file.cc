#include "agentctl/manifest_file.h"

#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agentctl/files.h"
#include "base/error.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "domain_xml/vm_spec.h"
#include "hvagent/v1/node_service.grpc.pb.h"
#include "manifest/yaml_proto.h"
#include "secrets/secret_identity.h"

namespace hvagent::agentctl {
namespace {

absl::Status CheckSecret(const v1::SecretManifest& secret, const std::string& field) {
  if (absl::Status status = CheckClientEntity(secret.entity()); !status.ok()) {
    return InvalidField(field + ".entity", status.message());
  }
  if (!secret.uuid().empty()) {
    if (const auto uuid = Uuid::Parse(secret.uuid()); !uuid.ok()) {
      return InvalidField(field + ".uuid", uuid.status().message());
    }
  }
  if (!secret.usage().empty()) {
    if (absl::Status status = secrets::CheckUsage(secret.usage()); !status.ok()) {
      return InvalidField(field + ".usage", status.message());
    }
  }
  const auto& source = secret.key_source();
  if (source.keyring_file().empty() && !source.from_monitors()) {
    return InvalidField(field + ".key_source.keyring_file",
                        "is missing: name the keyring file that holds the key, or say "
                        "from_monitors: true");
  }
  if (!source.keyring_file().empty() && source.from_monitors()) {
    return InvalidField(field + ".key_source.from_monitors",
                        "is another source than keyring_file: give one of them");
  }
  return absl::OkStatus();
}

absl::Status CheckManifest(const v1::Manifest& manifest) {
  if (manifest.secrets().empty() && manifest.vms().empty()) {
    return absl::InvalidArgumentError("has neither secrets nor vms");
  }
  for (int i = 0; i < manifest.secrets_size(); ++i) {
    RETURN_IF_ERROR(CheckSecret(manifest.secrets(i), absl::StrCat("secrets[", i, "]")));
  }
  std::set<std::string> uuids;
  for (int i = 0; i < manifest.vms_size(); ++i) {
    const v1::VmSpec& vm = manifest.vms(i);
    RETURN_IF_ERROR(PrefixField(domain_xml::ValidateVmSpec(vm), absl::StrCat("vms[", i, "]")));
    if (!uuids.insert(domain_xml::Normalize(vm).uuid()).second) {
      return InvalidField(absl::StrCat("vms[", i, "].uuid"), "another VM here has the same");
    }
  }
  return absl::OkStatus();
}

// With no configuration, the one node's name is known to itself only.
absl::StatusOr<Node*> CheckLocalName(const Cli& cli, Node* local, const std::string& wanted,
                                     const std::string& field) {
  ASSIGN_OR_RETURN(
      const v1::Node answer,
      local->Read(cli.call_options(), &v1::NodeService::Stub::GetNode, v1::GetNodeRequest()));
  if (answer.name() == wanted) return local;
  return InvalidField(field, absl::StrCat("is ", wanted, ", but this is ", answer.name(),
                                          " and no configuration names other nodes"));
}

}  // namespace

absl::StatusOr<v1::Manifest> ReadManifest(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  v1::Manifest manifest;
  absl::Status status = manifest::ReadYaml(text, &manifest);
  if (status.ok()) status = CheckManifest(manifest);
  if (!status.ok()) return Annotate(status, path == "-" ? "standard input" : path);
  return manifest;
}

absl::StatusOr<Node*> ChooseNode(Cli& cli, const v1::Manifest& manifest, int index) {
  const std::string& wanted = manifest.vms(index).node();
  const std::string field = absl::StrCat("vms[", index, "].node");
  ASSIGN_OR_RETURN(Session * session, cli.session());
  ASSIGN_OR_RETURN(const std::vector<Node*> targets, cli.Targets());
  if (wanted.empty()) {
    if (targets.size() == 1) return targets.front();
    return InvalidField(field,
                        "is left out, and there are several nodes: name one here or with "
                        "--node");
  }
  if (session->is_local()) return CheckLocalName(cli, targets.front(), wanted, field);
  Node* const node = session->Find(wanted);
  if (node == nullptr) {
    return InvalidField(field, absl::StrCat("is ", wanted,
                                            ", which the configuration does not "
                                            "name"));
  }
  for (Node* const target : targets) {
    if (target == node) return node;
  }
  return InvalidField(field, absl::StrCat("is ", wanted, ", which --node leaves out"));
}

}  // namespace hvagent::agentctl
