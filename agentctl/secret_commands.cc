#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agentctl/command.h"
#include "agentctl/listing.h"
#include "agentctl/secret_rotate.h"
#include "agentctl/secret_status.h"
#include "agentctl/secret_sync.h"
#include "agentctl/views.h"
#include "base/error.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "hvagent/v1/secret_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

// Those that `id` names by UUID or entity; all, when it is empty.
ExitCode ListSecrets(Cli& cli, const std::string& id) {
  const auto uuid = Uuid::Parse(id);
  const std::string wanted = uuid.ok() ? uuid->ToString() : id;
  bool found = false;
  Mutex mutex;
  const ExitCode listed = ListFromNodes(
      cli, "list secrets", SecretColumns(), [&](Node& node) -> absl::StatusOr<std::vector<Row>> {
        ASSIGN_OR_RETURN(const v1::ListSecretsResponse answer,
                         node.Read(cli.call_options(), &v1::SecretService::Stub::List,
                                   v1::ListSecretsRequest()));
        std::vector<Row> rows;
        for (const v1::Secret& secret : answer.secrets()) {
          if (!id.empty() && secret.uuid() != wanted && secret.entity() != wanted) continue;
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
  v1::SyncSecretRequest request;
  std::string from;
};

ExitCode Sync(Cli& cli, const SyncFlags& flags) {
  const std::string what = absl::StrCat("sync the secret of ", flags.request.entity());
  const bool dry_run = cli.options.dry_run;
  auto targets = cli.Targets();
  if (!targets.ok()) return cli.Fail({what, "", targets.status()});
  SecretWish wish{flags.request, {}};
  const std::string source =
      flags.from.empty() ? DefaultKeySource(flags.request.entity()) : flags.from;
  if (absl::Status status = SetKeySource(source, wish); !status.ok()) {
    return cli.Fail({what, "", status});
  }

  Interrupts interrupts;
  const auto answers = SyncSecret(cli, interrupts, *targets, wish, dry_run);
  if (!answers.ok()) return cli.Fail({what, "", answers.status()});
  Outcome outcome(cli, ChangeColumns(dry_run));
  for (size_t i = 0; i < targets->size(); ++i) {
    const std::string& name = (*targets)[i]->name();
    const auto& answer = (*answers)[i];
    if (answer.ok()) {
      outcome.AddRow(RowOf(*answer, name, dry_run));
      outcome.Count(ExitCode::kDone);
    } else {
      outcome.Fail(what, name, answer.status());
    }
  }
  return outcome.Show();
}

std::string CheckEntity(const std::string& entity) {
  return std::string(CheckClientEntity(entity).message());
}

CLI::Option* AddEntity(CLI::App* command, const std::string& name, std::string& entity,
                       const std::string& help) {
  return command->add_option(name, entity, help)
      ->type_name("ENTITY")
      ->check(CLI::Validator(CheckEntity, ""));
}

CLI::Option* AddFrom(CLI::App* command, std::string& from, const std::string& left_out) {
  return command
      ->add_option("--from", from,
                   absl::StrCat("Where the key is: ", kKeySources, " (", left_out, ")"))
      ->type_name("SOURCE")
      ->check(CLI::Validator(CheckKeySource, ""));
}

void AddSync(CommandTree& tree, CLI::App& secret) {
  Cli& cli = tree.cli;
  const auto flags = std::make_shared<SyncFlags>();
  v1::SyncSecretRequest& request = flags->request;
  request.set_entity("client.cinder");
  CLI::App* const sync = AddCommand(
      tree, secret,
      {"sync", "Make libvirt on every node hold a cephx key under one UUID",
       "secret sync --entity client.cinder --from keyring:/etc/ceph/ceph.client.cinder.keyring",
       /*has_dry_run=*/true},
      [&cli, flags] { return Sync(cli, *flags); });
  AddEntity(sync, "--entity", *request.mutable_entity(), "The cephx user (client.cinder)");
  sync->add_option("--uuid", *request.mutable_uuid(),
                   "The secret's UUID, 8-4-4-4-12 digits in either case and without braces; "
                   "replaces the one that the cluster agreed on (that one, else derived from "
                   "cluster and entity)")
      ->type_name("UUID")
      ->check(CLI::Validator(
          [](const std::string& text) { return std::string(Uuid::Parse(text).status().message()); },
          ""));
  sync->add_option("--usage", *request.mutable_usage(),
                   "The secret's usage name; replaces the one that the cluster agreed on")
      ->type_name("TEXT");
  AddFrom(sync, flags->from, "keyring:/etc/ceph/ceph.ENTITY.keyring");
  const auto add_flag = [&](const char* name, void (v1::SyncSecretRequest::*set)(bool),
                            const char* help) {
    sync->add_flag_callback(
        name, [flags, set] { (flags->request.*set)(true); }, help);
  };
  add_flag("--ephemeral", &v1::SyncSecretRequest::set_ephemeral,
           "libvirt keeps it in memory only; the agent sets it again after a restart");
  add_flag("--private", &v1::SyncSecretRequest::set_private_,
           "libvirt gives the value back to nobody");
  add_flag("--adopt", &v1::SyncSecretRequest::set_adopt,
           "Replace secrets in the way, and move domains, that the agent did not make");
  add_flag("--force", &v1::SyncSecretRequest::set_force,
           "Replace the key although guests run with the one before");
}

void AddStatus(CommandTree& tree, CLI::App& secret) {
  Cli& cli = tree.cli;
  const auto entity = std::make_shared<std::string>();
  const auto no_prove = std::make_shared<bool>(false);
  CLI::App* const status = AddCommand(
      tree, secret,
      {"status", "Compare the secrets of all nodes, and exit with 4 when something is wrong",
       "secret status -o wide"},
      [&cli, entity, no_prove] { return ShowSecretStatus(cli, *entity, !*no_prove); });
  AddEntity(status, "--entity", *entity, "Only this cephx user's (all)");
  status->add_flag("--no-prove", *no_prove, "Do not connect to Ceph with each key");
}

constexpr char kRotateDetails[] = R"(
First the new user's secret is made right on all nodes; a node that cannot be asked stops the
rollout before anything is changed. Then guests start as the new user. Those that run stay with the
user before until their next restart, which --restart makes now, or live migration. When none is
left, `secret retire` removes the secret of the user before.

The same command again goes on where one stopped; with --entity and --to exchanged it leads back.
To give one user another key in place, see `secret sync --force`.
)";

void AddRotate(CommandTree& tree, CLI::App& secret) {
  Cli& cli = tree.cli;
  const auto flags = std::make_shared<RotateFlags>();
  const auto patience = std::make_shared<std::optional<absl::Duration>>();
  CLI::App* const rotate = AddCommand(
      tree, secret,
      {"rotate", "Make guests start as another cephx user on every node",
       "secret rotate --entity client.vm.g1 --to client.vm.g2 --from mon", /*has_dry_run=*/true,
       kRotateDetails},
      [&cli, flags, patience] {
        flags->restart_options.patience = patience->value_or(flags->restart_options.patience);
        return RotateSecret(cli, *flags);
      });
  AddEntity(rotate, "--entity", flags->entity, "The cephx user that guests start as now")
      ->required();
  AddEntity(rotate, "--to", flags->to, "The one that they shall start as")
      ->required()
      ->check(CLI::Validator(
          [flags](const std::string& to) -> std::string {
            if (to != flags->entity) return "";
            return absl::StrCat("is --entity itself: to give ", to,
                                " another key, run `agentctl secret sync --entity ", to,
                                " --from SOURCE --force`");
          },
          ""));
  AddFrom(rotate, flags->from, "its secret was synced before");
  CLI::Option* const restart = rotate->add_flag(
      "--restart", flags->restart,
      "Then restart the guests that run as the user before, one node after another");
  rotate
      ->add_option("--restart-timeout",
                   "How long a guest may take to shut down before its power is cut (1m)")
      ->type_name("DURATION")
      ->check(DurationInto(*patience))
      ->needs(restart);
  rotate
      ->add_option("--restart-parallel", flags->restart_options.parallel,
                   "How many guests to restart at a time (1)")
      ->type_name("N")
      ->check(CLI::Range(1, 64))
      ->needs(restart);
}

void AddRetire(CommandTree& tree, CLI::App& secret) {
  Cli& cli = tree.cli;
  const auto entity = std::make_shared<std::string>();
  CLI::App* const retire =
      AddCommand(tree, secret,
                 {"retire", "Remove a secret that no guest on any node uses any more",
                  "secret retire client.vm.g1", /*has_dry_run=*/true},
                 [&cli, entity] { return RetireSecret(cli, *entity); });
  AddEntity(retire, "ENTITY", *entity, "The cephx user")->required();
}

}  // namespace

void AddSecretCommands(CommandTree& tree) {
  Cli& cli = tree.cli;
  CLI::App* const secret = AddNoun(tree.root, "secret", "libvirt's records of cephx keys");
  AddSync(tree, *secret);
  AddStatus(tree, *secret);
  AddRotate(tree, *secret);
  AddRetire(tree, *secret);

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
