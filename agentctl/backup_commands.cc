#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agentctl/backup_streams.h"
#include "agentctl/command.h"
#include "agentctl/follow.h"
#include "agentctl/listing.h"
#include "agentctl/views.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "hvagent/v1/backup_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

using Stub = v1::BackupService::Stub;

// The node that does for the cluster what any may do.
absl::StatusOr<Node*> AnyNode(Cli& cli) {
  if (cli.options.all) {
    return WithExit(absl::InvalidArgumentError("backups belong to the cluster: leave --all out"),
                    ExitCode::kUsage);
  }
  return cli.HealthyNode();
}

// Starts an operation and follows it to its end, which `show` shows if it is a good one.
template <typename Request>
ExitCode Do(Cli& cli, const std::string& what,
            grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, v1::Operation*),
            Request request, const std::function<ExitCode(const v1::Operation&)>& show) {
  auto node = AnyNode(cli);
  if (!node.ok()) return cli.Fail({what, "", node.status()});
  request.set_request_id(Uuid::Random().ToString());
  auto operation = [&] {
    Interrupts interrupts;
    return (*node)->Change(cli.change_options(interrupts), method, request);
  }();
  if (operation.ok()) operation = FollowOperation(cli, **node, *std::move(operation));
  absl::Status status = operation.status();
  if (status.ok()) status = OutcomeOf(*operation);
  if (!status.ok()) return cli.Fail({what, (*node)->name(), status});
  return show(*operation);
}

std::string DiskText(const v1::BackupDisk& disk) {
  return disk.has_vm_uuid() ? absl::StrCat("VM ", disk.vm_uuid())
                            : absl::StrCat("volume ", disk.volume_id());
}

ExitCode PlanBackup(Cli& cli, const v1::CreateBackupRequest& request) {
  const std::string what = absl::StrCat("plan a backup of ", DiskText(request.source()));
  auto node = AnyNode(cli);
  if (!node.ok()) return cli.Fail({what, "", node.status()});
  auto backup = (*node)->Read(cli.call_options(), &Stub::Plan, request);
  if (!backup.ok()) return cli.Fail({what, (*node)->name(), backup.status()});
  return cli.ShowObject(BackupColumns(), RowOf(*backup));
}

ExitCode CreateBackup(Cli& cli, const v1::CreateBackupRequest& request) {
  if (cli.options.dry_run) return PlanBackup(cli, request);
  return Do(cli, absl::StrCat("back up ", DiskText(request.source())), &Stub::Create, request,
            [&](const v1::Operation& operation) {
              return cli.ShowObject(BackupColumns(), RowOf(operation.backup()));
            });
}

absl::StatusOr<std::vector<Row>> FetchBackups(Cli& cli, Node& node, const v1::BackupDisk& source) {
  v1::ListBackupsRequest request;
  if (source.disk_case() != v1::BackupDisk::DISK_NOT_SET) *request.mutable_source() = source;
  return AllPages(node, cli.call_options(), &Stub::List, request,
                  &v1::ListBackupsResponse::backups);
}

ExitCode ListBackups(Cli& cli, const v1::BackupDisk& source) {
  auto node = AnyNode(cli);
  if (!node.ok()) return cli.Fail({"list backups", "", node.status()});
  auto rows = FetchBackups(cli, **node, source);
  if (!rows.ok()) return cli.Fail({"list backups", (*node)->name(), rows.status()});
  return cli.Show({BackupColumns(), *std::move(rows), /*with_node=*/false});
}

ExitCode GetBackup(Cli& cli, const std::string& id) {
  const std::string what = absl::StrCat("get backup ", id);
  auto node = AnyNode(cli);
  if (!node.ok()) return cli.Fail({what, "", node.status()});
  v1::GetBackupRequest request;
  request.set_id(id);
  auto backup = (*node)->Read(cli.call_options(), &Stub::Get, request);
  if (!backup.ok()) return cli.Fail({what, (*node)->name(), backup.status()});
  return cli.ShowObject(BackupColumns(), RowOf(*backup));
}

ExitCode VerifyBackup(Cli& cli, const v1::VerifyBackupRequest& request) {
  return Do(cli, absl::StrCat("verify backup ", request.id()), &Stub::Verify, request,
            [&](const v1::Operation& operation) {
              cli.Note(absl::StrCat("backup ", request.id(), " is what was backed up"));
              return cli.ShowObject(BackupColumns(), RowOf(operation.backup()));
            });
}

ExitCode RestoreBackup(Cli& cli, const v1::RestoreBackupRequest& request) {
  const std::string what =
      absl::StrCat("restore backup ", request.id(), " to ", DiskText(request.target()));
  if (request.in_place()) {
    const absl::Status agreed = cli.Confirm(
        absl::StrCat("Overwrite ", DiskText(request.target()), " with backup ", request.id(), "?"));
    if (!agreed.ok()) return cli.Fail({what, "", agreed});
  }
  return Do(cli, what, &Stub::Restore, request, [&](const v1::Operation& operation) {
    if (!operation.has_volume()) {
      cli.Note(absl::StrCat(DiskText(request.target()), " is restored"));
      return ExitCode::kDone;
    }
    return cli.ShowObject(VolumeColumns(), RowOf(operation.volume()));
  });
}

ExitCode DeleteBackup(Cli& cli, const std::string& id) {
  const std::string what = absl::StrCat("delete backup ", id);
  if (absl::Status agreed = cli.Confirm(absl::StrCat("Delete backup ", id, " for ever?"));
      !agreed.ok()) {
    return cli.Fail({what, "", agreed});
  }
  v1::DeleteBackupsRequest request;
  request.set_id(id);
  return Do(cli, what, &Stub::Delete, request, [&](const v1::Operation&) {
    cli.Note(absl::StrCat("backup ", id, " deleted"));
    return ExitCode::kDone;
  });
}

ExitCode PruneBackups(Cli& cli, const v1::DeleteBackupsRequest::Prune& prune) {
  const std::string what = absl::StrCat("prune the backups of ", DiskText(prune.source()));
  auto node = AnyNode(cli);
  if (!node.ok()) return cli.Fail({what, "", node.status()});
  auto rows = FetchBackups(cli, **node, prune.source());
  if (!rows.ok()) return cli.Fail({what, (*node)->name(), rows.status()});
  rows->resize(rows->size() - std::min<size_t>(rows->size(), prune.keep()));
  const Listing doomed{BackupColumns(), *std::move(rows), /*with_node=*/false};
  if (cli.options.dry_run) return cli.Show(doomed);
  if (doomed.rows.empty()) {
    cli.Note("there are no more of them than that");
    return ExitCode::kDone;
  }
  cli.NoteTable(doomed);
  if (absl::Status agreed =
          cli.Confirm(absl::StrCat("Delete these ", doomed.rows.size(), " backups for ever?"));
      !agreed.ok()) {
    return cli.Fail({what, "", agreed});
  }
  v1::DeleteBackupsRequest request;
  *request.mutable_prune() = prune;
  return Do(cli, what, &Stub::Delete, request, [&](const v1::Operation&) {
    cli.Note(absl::StrCat(doomed.rows.size(), " backups deleted"));
    return ExitCode::kDone;
  });
}

ExitCode Export(Cli& cli, const v1::ExportBackupRequest& request, const std::string& file) {
  const std::string what = absl::StrCat("export backup ", request.id());
  auto node = AnyNode(cli);
  if (!node.ok()) return cli.Fail({what, "", node.status()});
  Interrupts interrupts;
  const absl::Status status = ExportBackup(cli, interrupts, **node, request, file);
  if (!status.ok()) return cli.Fail({what, (*node)->name(), status});
  cli.Note(absl::StrCat("backup ", request.id(), " is exported"));
  return ExitCode::kDone;
}

ExitCode Import(Cli& cli, const v1::BackupDisk& source, const std::string& file) {
  if (source.disk_case() == v1::BackupDisk::DISK_NOT_SET) {
    return cli.Fail({"import a backup", "",
                     WithExit(absl::InvalidArgumentError(
                                  "say whose backup it becomes: --volume ID or --vm UUID"),
                              ExitCode::kUsage)});
  }
  const std::string what = absl::StrCat("import a backup of ", DiskText(source));
  auto node = AnyNode(cli);
  if (!node.ok()) return cli.Fail({what, "", node.status()});
  const auto operation = [&] {
    Interrupts interrupts;
    return ImportBackup(cli, interrupts, **node, source, file);
  }();
  if (!operation.ok()) return cli.Fail({what, (*node)->name(), operation.status()});
  return cli.ShowObject(BackupColumns(), RowOf(operation->backup()));
}

std::string CheckUuid(const std::string& text) {
  return std::string(Uuid::Parse(text).status().message());
}

void AddBackupId(CLI::App* command, std::string& id) {
  command->add_option("BACKUP", id, "The backup's UUID")
      ->check(CLI::Validator(CheckUuid, ""))
      ->required();
}

// --volume ID or --vm UUID.
void AddDisk(CLI::App* command, v1::BackupDisk& disk) {
  CLI::Option* const volume =
      command
          ->add_option_function<std::string>(
              "--volume", [&disk](const std::string& id) { disk.set_volume_id(id); },
              "A volume's UUID")
          ->type_name("ID")
          ->check(CLI::Validator(CheckUuid, ""));
  command
      ->add_option_function<std::string>(
          "--vm", [&disk](const std::string& uuid) { disk.set_vm_uuid(uuid); },
          "A VM's UUID, for its root disk")
      ->type_name("UUID")
      ->check(CLI::Validator(CheckUuid, ""))
      ->excludes(volume);
}

void AddRate(CLI::App* command, const std::function<void(uint64_t)>& set_bytes_per_s) {
  command
      ->add_option_function<uint64_t>(
          "--max-mib-per-s", [set_bytes_per_s](uint64_t mib) { set_bytes_per_s(mib << 20); },
          "Read no faster than this (as the agent is configured)")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 20));
}

void AddCreate(CommandTree& tree, CLI::App& backup) {
  Cli& cli = tree.cli;
  const auto request = std::make_shared<v1::CreateBackupRequest>();
  CLI::App* const create =
      AddCommand(tree, backup,
                 {"create", "Make a restore point of a volume or of a VM's root disk",
                  "backup create --volume VOLUME --incremental", /*has_dry_run=*/true,
                  "The disk may be in use: a restore point is what a power cut would leave.\n"},
                 [&cli, request] { return CreateBackup(cli, *request); });
  AddDisk(create, *request->mutable_source());
  create->add_flag_function(
      "--incremental", [request](int64_t) { request->set_incremental(true); },
      "Copy only what changed since the newest backup");
  AddRate(create, [request](uint64_t rate) { request->set_max_bytes_per_s(rate); });
}

void AddRestore(CommandTree& tree, CLI::App& backup) {
  Cli& cli = tree.cli;
  const auto request = std::make_shared<v1::RestoreBackupRequest>();
  CLI::App* const restore =
      AddCommand(tree, backup,
                 {"restore", "Write a backup to a new volume, or over a disk",
                  "backup restore BACKUP --to VOLUME", /*has_dry_run=*/false,
                  "In place only what differs is written. The disk must not be in use.\n"},
                 [&cli, request] { return RestoreBackup(cli, *request); });
  AddBackupId(restore, *request->mutable_id());
  v1::BackupDisk& target = *request->mutable_target();
  CLI::Option* const volume =
      restore
          ->add_option_function<std::string>(
              "--to", [&target](const std::string& id) { target.set_volume_id(id); },
              "The volume's UUID")
          ->type_name("VOLUME")
          ->check(CLI::Validator(CheckUuid, ""));
  restore
      ->add_option_function<std::string>(
          "--to-vm", [&target](const std::string& uuid) { target.set_vm_uuid(uuid); },
          "A VM's UUID: over its root disk, with --in-place")
      ->type_name("UUID")
      ->check(CLI::Validator(CheckUuid, ""))
      ->excludes(volume);
  restore->add_flag_function(
      "--in-place", [request](int64_t) { request->set_in_place(true); },
      "The disk exists, and what it holds is lost");
  AddRate(restore, [request](uint64_t rate) { request->set_max_bytes_per_s(rate); });
}

void AddPrune(CommandTree& tree, CLI::App& backup) {
  Cli& cli = tree.cli;
  const auto prune = std::make_shared<v1::DeleteBackupsRequest::Prune>();
  CLI::App* const command =
      AddCommand(tree, backup,
                 {"prune", "Delete a disk's oldest backups; those that stay are kept whole",
                  "backup prune --volume VOLUME --keep 7", /*has_dry_run=*/true},
                 [&cli, prune] { return PruneBackups(cli, *prune); });
  AddDisk(command, *prune->mutable_source());
  command
      ->add_option_function<uint32_t>(
          "--keep", [prune](uint32_t keep) { prune->set_keep(keep); }, "How many stay")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 20))
      ->required();
}

void AddExport(CommandTree& tree, CLI::App& backup) {
  Cli& cli = tree.cli;
  const auto request = std::make_shared<v1::ExportBackupRequest>();
  const auto file = std::make_shared<std::string>();
  CLI::App* const command = AddCommand(
      tree, backup,
      {"export", "Write a backup to a file or a pipe, for `rbd import-diff` or another cluster",
       "backup export BACKUP --from BASE increment.diff", /*has_dry_run=*/false,
       "The format is that of `rbd export-diff`. Each byte is proved by its checksum first.\n"},
      [&cli, request, file] { return Export(cli, *request, *file); });
  AddBackupId(command, *request->mutable_id());
  command->add_option("FILE", *file, "A file that does not exist yet; - is standard output")
      ->required();
  command
      ->add_option("--from", *request->mutable_from_id(),
                   "An earlier backup: only what changed since (all of it)")
      ->type_name("BASE")
      ->check(CLI::Validator(CheckUuid, ""));
  AddRate(command, [request](uint64_t rate) { request->set_max_bytes_per_s(rate); });
}

void AddImport(CommandTree& tree, CLI::App& backup) {
  Cli& cli = tree.cli;
  const auto source = std::make_shared<v1::BackupDisk>();
  const auto file = std::make_shared<std::string>();
  CLI::App* const command = AddCommand(
      tree, backup,
      {"import", "Make a backup of what `backup export` or `rbd export-diff` wrote",
       "backup import whole.diff --volume VOLUME", /*has_dry_run=*/false,
       "An increment must follow the newest backup of the disk, which need not exist itself.\n"},
      [&cli, source, file] { return Import(cli, *source, *file); });
  command->add_option("FILE", *file, "The stream; - is standard input")->required();
  AddDisk(command, *source);
}

}  // namespace

void AddBackupCommands(CommandTree& tree) {
  Cli& cli = tree.cli;
  CLI::App* const backup = AddNoun(tree.root, "backup", "Restore points of disks");
  AddCreate(tree, *backup);
  const auto source = std::make_shared<v1::BackupDisk>();
  AddDisk(AddCommand(tree, *backup, {"list", "List the backups", "backup list --volume VOLUME"},
                     [&cli, source] { return ListBackups(cli, *source); }),
          *source);
  const auto id = std::make_shared<std::string>();
  AddBackupId(AddCommand(tree, *backup, {"get", "Show one backup", "backup get BACKUP -o yaml"},
                         [&cli, id] { return GetBackup(cli, *id); }),
              *id);
  const auto verify = std::make_shared<v1::VerifyBackupRequest>();
  CLI::App* const verifies = AddCommand(
      tree, *backup, {"verify", "Read all of a backup and prove it", "backup verify BACKUP"},
      [&cli, verify] { return VerifyBackup(cli, *verify); });
  AddBackupId(verifies, *verify->mutable_id());
  AddRate(verifies, [verify](uint64_t rate) { verify->set_max_bytes_per_s(rate); });
  AddRestore(tree, *backup);
  AddBackupId(AddCommand(tree, *backup,
                         {"delete", "Delete a backup; those that follow it are kept whole",
                          "backup delete BACKUP"},
                         [&cli, id] { return DeleteBackup(cli, *id); }),
              *id);
  AddPrune(tree, *backup);
  AddExport(tree, *backup);
  AddImport(tree, *backup);
  AddCommand(tree, *tree.get, {"backup", "List the backups, or show one", "get backup"},
             [&cli, id] { return id->empty() ? ListBackups(cli, {}) : GetBackup(cli, *id); })
      ->add_option("ID", *id, "The backup's UUID");
}

}  // namespace hvagent::agentctl
