#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agentctl/command.h"
#include "agentctl/fan_out.h"
#include "agentctl/listing.h"
#include "agentctl/secret_sync.h"
#include "agentctl/views.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "hvagent/v1/secret_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

// Those that `id` names by UUID or entity; all, when it is empty.
ExitCode ListSecrets(Cli& cli, const std::string& id) {
  bool found = false;
  Mutex mutex;
  const ExitCode listed = ListFromNodes(
      cli, "list secrets", SecretColumns(), [&](Node& node) -> absl::StatusOr<std::vector<Row>> {
        ASSIGN_OR_RETURN(const v1::ListSecretsResponse answer,
                         node.Read(cli.call_options(), &v1::SecretService::Stub::List,
                                   v1::ListSecretsRequest()));
        std::vector<Row> rows;
        for (const v1::Secret& secret : answer.secrets()) {
          if (!id.empty() && secret.uuid() != id && secret.entity() != id) continue;
          rows.push_back(RowOf(secret));
        }
        MutexLock lock(mutex);
        found = found || !rows.empty();
        return rows;
      });
  if (id.empty() || found || listed != ExitCode::kDone) return listed;
  return cli.Fail({absl::StrCat("get secret ", id), "",
                   Error(absl::StatusCode::kNotFound, "SECRET_NOT_FOUND",
                         "no node has a secret of that UUID or entity")});
}

struct SyncFlags {
  std::string entity = "client.cinder";
  std::string uuid;
  std::string usage;
  std::string from;
};

// Where ReadKey shall read: the argument of keyring:FILE, or "-".
std::string KeyPath(const SyncFlags& flags) {
  if (flags.from == "stdin") return "-";
  if (flags.from.empty()) return absl::StrCat("/etc/ceph/ceph.", flags.entity, ".keyring");
  return std::string(absl::StripPrefix(flags.from, "keyring:"));
}

ExitCode Sync(Cli& cli, const SyncFlags& flags) {
  const std::string what = absl::StrCat("sync the secret of ", flags.entity);
  auto targets = cli.Targets();
  if (!targets.ok()) return cli.Fail({what, "", targets.status()});
  auto key = ReadKey(KeyPath(flags), flags.entity);
  if (!key.ok()) return cli.Fail({what, "", key.status()});
  const SecretWish wish{flags.entity, flags.uuid, flags.usage, *std::move(key)};

  Interrupts interrupts;
  auto answers =
      FanOut(*targets, [&](Node* node) { return SyncSecret(cli, interrupts, *node, wish); });
  Listing listing{ChangeColumns(), {}, /*with_node=*/true};
  std::vector<ExitCode> outcomes;
  for (size_t i = 0; i < answers.size(); ++i) {
    const std::string& name = (*targets)[i]->name();
    if (answers[i].ok()) {
      listing.rows.push_back(RowOf(*answers[i], name, cli.options.dry_run));
    } else {
      Row row;
      row.node = name;
      row.error = answers[i].status();
      listing.rows.push_back(std::move(row));
      cli.Fail({what, name, answers[i].status()});
    }
    outcomes.push_back(ExitCodeOf(answers[i].status()));
  }
  const ExitCode shown = cli.Show(listing);
  return shown == ExitCode::kDone ? Combine(outcomes) : shown;
}

std::string CheckFrom(const std::string& from) {
  if (from == "stdin" || (absl::StartsWith(from, "keyring:") && from.size() > 8)) return "";
  return "must be keyring:FILE or stdin";
}

}  // namespace

void AddSecretCommands(CommandTree& tree) {
  Cli& cli = tree.cli;
  CLI::App* const secret = AddNoun(tree, "secret", "libvirt's records of cephx keys");

  const auto flags = std::make_shared<SyncFlags>();
  CLI::App* const sync = AddCommand(
      tree, *secret,
      {"sync", "Make libvirt on every node hold a cephx key under one UUID",
       "secret sync --entity client.cinder --from keyring:/etc/ceph/ceph.client.cinder.keyring",
       /*has_dry_run=*/true},
      [&cli, flags] { return Sync(cli, *flags); });
  sync->add_option("--entity", flags->entity, "The cephx user (client.cinder)")
      ->type_name("ENTITY");
  sync->add_option("--uuid", flags->uuid, "The secret's UUID (derived from cluster and entity)")
      ->type_name("UUID");
  sync->add_option("--usage", flags->usage, "The secret's usage name")->type_name("TEXT");
  sync->add_option("--from", flags->from,
                   "Where the key is: keyring:FILE or stdin (/etc/ceph/ceph.ENTITY.keyring)")
      ->type_name("SOURCE")
      ->check(CLI::Validator(CheckFrom, ""));

  const auto id = std::make_shared<std::string>();
  AddCommand(tree, *secret, {"list", "List the secrets of every node", "secret list"},
             [&cli] { return ListSecrets(cli, ""); });
  AddCommand(tree, *secret, {"get", "Show one secret on every node", "secret get client.cinder"},
             [&cli, id] { return ListSecrets(cli, *id); })
      ->add_option("ID", *id, "A secret's UUID or its entity")
      ->required();
  AddCommand(tree, *tree.get,
             {"secret", "List the secrets of every node, or show one", "get secret client.cinder"},
             [&cli, id] { return ListSecrets(cli, *id); })
      ->add_option("ID", *id, "A secret's UUID or its entity");
}

}  // namespace hvagent::agentctl
