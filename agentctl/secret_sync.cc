#include "agentctl/secret_sync.h"

#include <map>
#include <memory>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "agentctl/fan_out.h"
#include "agentctl/files.h"
#include "agentctl/listing.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "hvagent/v1/secret_service.grpc.pb.h"
#include "secrets/ceph_key.h"

namespace hvagent::agentctl {
namespace {

using secrets::SecretBytes;
using secrets::WipeString;
using Answer = absl::StatusOr<v1::SyncSecretResponse>;

constexpr absl::string_view kKeyring = "keyring:";
constexpr absl::string_view kNodeKeyring = "node-keyring:";
constexpr absl::string_view kCredential = "credential:";

// From a keyring file, or from standard input for "-", which may also hold the bare key.
absl::StatusOr<SecretBytes> ReadKey(const std::string& path, const std::string& entity) {
  ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  const absl::Cleanup wipe_text = [&text] { WipeString(text); };
  const bool is_keyring = path != "-" || absl::StrContains(text, "[");
  auto key = is_keyring ? secrets::ParseKeyring(text, entity) : secrets::ParseCephKey(text);
  if (!key.ok()) return Annotate(key.status(), path == "-" ? "standard input" : path);
  std::string base64 = absl::Base64Escape(key->value().Reveal());
  SecretBytes bytes(base64);
  WipeString(base64);
  return bytes;
}

Answer AskNode(const Cli& cli, Interrupts& interrupts, Node& node, const SecretWish& wish,
               const std::string& replaces_uuid, bool dry_run) {
  v1::SyncSecretRequest request = wish.request;
  request.set_replaces_uuid(replaces_uuid);
  request.set_dry_run(dry_run);
  const absl::Cleanup wipe_key = [&request] { WipeString(*request.mutable_key()); };
  const absl::string_view key = wish.key.Reveal();
  request.mutable_key()->assign(key.data(), key.size());
  if (!dry_run) {
    return node.Change(cli.change_options(interrupts), &v1::SecretService::Stub::Sync, request);
  }
  CallOptions call = cli.call_options();
  call.cancel = &interrupts.calls();
  return node.Read(call, &v1::SecretService::Stub::Sync, request);
}

// Whether a node looked and does not want to; one that cannot be asked does not say.
bool Refuses(const Answer& answer) {
  return !answer.ok() && !absl::IsUnavailable(answer.status()) &&
         !absl::IsDeadlineExceeded(answer.status()) && !absl::IsCancelled(answer.status());
}

// When a node refuses: its answer, and for those that do not, that they are left alone.
std::vector<Answer> LeaveAlone(const std::vector<Node*>& nodes, std::vector<Answer> answers,
                               const std::string& refuser) {
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (answers[i].ok()) answers[i] = NotTried(absl::StrCat(refuser, " refuses it"));
  }
  return answers;
}

// The UUID that the cluster agreed on, empty when there is none.
absl::StatusOr<std::string> AgreedUuid(const std::vector<Node*>& nodes,
                                       const std::vector<Answer>& answers,
                                       const std::string& entity) {
  std::map<std::string, std::string> node_of;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (answers[i].ok()) node_of.emplace(answers[i]->claimed_uuid(), nodes[i]->name());
  }
  if (node_of.size() <= 1) return node_of.empty() ? "" : node_of.begin()->first;
  const auto said = absl::StrJoin(node_of, ", ", [](std::string* out, const auto& each) {
    absl::StrAppend(out, each.first.empty() ? "none" : each.first, " (", each.second, ")");
  });
  return Error(
      absl::StatusCode::kAborted, "SECRET_CLAIMED",
      absl::StrCat("the nodes do not agree on what UUID the secret of ", entity, " has: ", said,
                   ". Somebody else syncs it just now (then look with `agentctl secret status` "
                   "and try again), or they belong to several clusters (then name those of one "
                   "with --node)"));
}

std::string StepText(const v1::SecretAction& action) {
  std::string text =
      absl::StrCat(v1::SecretAction::Kind_Name(action.kind()), " ", action.uuid(), ": ");
  if (action.kind() == v1::SecretAction::MOVE_DOMAINS) {
    absl::StrAppend(&text, absl::StrJoin(action.domains(), ", "), " to ", action.to_uuid(),
                    ", as ");
  }
  return absl::StrCat(text, action.reason());
}

}  // namespace

std::string CheckKeySource(const std::string& source) {
  if (source == "stdin" || source == "mon") return "";
  for (const absl::string_view prefix : {kKeyring, kNodeKeyring, kCredential}) {
    if (absl::StartsWith(source, prefix) && source.size() > prefix.size()) return "";
  }
  return absl::StrCat("must be ", kKeySources);
}

std::string DefaultKeySource(const std::string& entity) {
  return absl::StrCat(kKeyring, "/etc/ceph/ceph.", entity, ".keyring");
}

absl::Status SetKeySource(const std::string& source, SecretWish& wish) {
  absl::string_view rest = source;
  if (source == "mon") {
    wish.request.set_from_monitors(true);
  } else if (absl::ConsumePrefix(&rest, kNodeKeyring)) {
    wish.request.set_keyring_file(std::string(rest));
  } else if (absl::ConsumePrefix(&rest, kCredential)) {
    wish.request.set_credential(std::string(rest));
  } else {
    const bool is_file = absl::ConsumePrefix(&rest, kKeyring);
    ASSIGN_OR_RETURN(wish.key, ReadKey(is_file ? std::string(rest) : "-", wish.request.entity()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Answer>> SyncSecret(const Cli& cli, Interrupts& interrupts,
                                               const std::vector<Node*>& nodes,
                                               const SecretWish& wish, bool dry_run) {
  const bool may_replace = !wish.request.uuid().empty() || !wish.request.usage().empty();
  if (dry_run || !may_replace) {
    return FanOut(nodes, [&](Node* node) {
      return AskNode(cli, interrupts, *node, wish, /*replaces_uuid=*/"", dry_run);
    });
  }
  std::vector<Answer> answers = FanOut(nodes, [&](Node* node) {
    return AskNode(cli, interrupts, *node, wish, /*replaces_uuid=*/"", /*dry_run=*/true);
  });
  std::vector<size_t> willing;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (Refuses(answers[i])) return LeaveAlone(nodes, std::move(answers), nodes[i]->name());
    if (answers[i].ok()) willing.push_back(i);
  }
  ASSIGN_OR_RETURN(const std::string agreed, AgreedUuid(nodes, answers, wish.request.entity()));
  std::vector<Answer> synced = FanOut(willing, [&](size_t i) {
    return AskNode(cli, interrupts, *nodes[i], wish, agreed, /*dry_run=*/false);
  });
  for (size_t i = 0; i < willing.size(); ++i) answers[willing[i]] = std::move(synced[i]);
  return answers;
}

std::string SyncText(const v1::SyncSecretResponse& response, bool dry_run) {
  if (response.actions().empty()) return "in sync";
  const auto actions =
      absl::StrJoin(response.actions(), ", ", [](std::string* out, const v1::SecretAction& action) {
        absl::StrAppend(out, v1::SecretAction::Kind_Name(action.kind()));
      });
  return dry_run ? absl::StrCat("would ", actions) : actions;
}

std::vector<Column> ChangeColumns(bool dry_run) {
  return {{"OBJECT"}, {"NAME"}, {"RESULT"}, {"WHY", /*wide=*/!dry_run}};
}

Row RowOf(const v1::SyncSecretResponse& response, const std::string& node, bool dry_run) {
  std::string result = SyncText(response, dry_run);
  if (!response.running_vms().empty()) {
    absl::StrAppend(&result, "; refreshed at next migration or restart: ",
                    absl::StrJoin(response.running_vms(), ", "));
  }
  const auto why =
      absl::StrJoin(response.actions(), "; ", [](std::string* out, const v1::SecretAction& action) {
        absl::StrAppend(out, StepText(action));
      });
  Row row;
  row.name = absl::StrCat("secret/", response.secret().uuid());
  row.cells = {{row.name},
               {response.secret().entity()},
               {std::move(result), dry_run ? Tone::kPlain : Tone::kGood},
               {why}};
  row.message = std::make_shared<v1::SyncSecretResponse>(response);
  row.node = node;
  return row;
}

}  // namespace hvagent::agentctl
