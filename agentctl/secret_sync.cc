#include "agentctl/secret_sync.h"

#include <memory>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agentctl/files.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "hvagent/v1/secret_service.grpc.pb.h"
#include "secrets/ceph_key.h"

namespace hvagent::agentctl {

using secrets::WipeString;

absl::StatusOr<secrets::SecretBytes> ReadKey(const std::string& path, const std::string& entity) {
  ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  const absl::Cleanup wipe_text = [&text] { WipeString(text); };
  const bool is_keyring = path != "-" || absl::StrContains(text, "[");
  auto key = is_keyring ? secrets::ParseKeyring(text, entity) : secrets::ParseCephKey(text);
  if (!key.ok()) return Annotate(key.status(), path == "-" ? "standard input" : path);
  std::string base64 = absl::Base64Escape(key->value().Reveal());
  secrets::SecretBytes bytes(base64);
  WipeString(base64);
  return bytes;
}

absl::StatusOr<v1::SyncSecretResponse> SyncSecret(const Cli& cli, Interrupts& interrupts,
                                                  Node& node, const SecretWish& wish) {
  v1::SyncSecretRequest request;
  request.set_entity(wish.entity);
  request.set_uuid(wish.uuid);
  request.set_usage(wish.usage);
  request.set_dry_run(cli.options.dry_run);
  const absl::Cleanup wipe_key = [&request] { WipeString(*request.mutable_key()); };
  const absl::string_view key = wish.key.Reveal();
  request.mutable_key()->assign(key.data(), key.size());
  return node.Change(cli.change_options(interrupts), &v1::SecretService::Stub::Sync, request);
}

std::vector<Column> ChangeColumns() { return {{"OBJECT"}, {"NAME"}, {"RESULT"}, {"WHY", true}}; }

Row RowOf(const v1::SyncSecretResponse& response, const std::string& node, bool dry_run) {
  std::vector<std::string> actions;
  std::vector<std::string> reasons;
  for (const v1::SecretAction& action : response.actions()) {
    actions.push_back(v1::SecretAction::Kind_Name(action.kind()));
    reasons.push_back(action.reason());
  }
  std::string result = absl::StrJoin(actions, ", ");
  if (actions.empty()) {
    result = "in sync";
  } else if (dry_run) {
    result = absl::StrCat("would ", result);
  }
  Row row;
  row.name = absl::StrCat("secret/", response.secret().uuid());
  row.cells = {{row.name},
               {response.secret().entity()},
               {result, dry_run ? Tone::kPlain : Tone::kGood},
               {absl::StrJoin(reasons, "; ")}};
  row.message = std::make_shared<v1::SyncSecretResponse>(response);
  row.node = node;
  return row;
}

}  // namespace hvagent::agentctl
