#include "agentctl/vm_delete.h"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "agentctl/command.h"
#include "agentctl/fan_out.h"
#include "agentctl/interrupts.h"
#include "agentctl/listing.h"
#include "agentctl/views.h"
#include "agentctl/vm_lookup.h"
#include "agentctl/vm_wait.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "hvagent/v1/vm_service.grpc.pb.h"

namespace hvagent::agentctl {

namespace {

using Stub = v1::VmService::Stub;

constexpr char kDeleteDetails[] =
    R"(The VM's root disk and config drive go to the trash, where the node's trash_delay_s (24h) keeps
them: until then `vm undelete` has the VM back as it was. Volumes are never deleted with a VM.
--keep-disks leaves the disks where they are, for a VM with the same UUID to adopt.
--now removes them at once, for ever, and asks twice.
)";

Row RowOfDeleted(const v1::DeletedVm& vm) {
  const absl::Time kept_until = absl::FromUnixSeconds(vm.kept_until().seconds());
  const absl::Time deleted = absl::FromUnixSeconds(vm.delete_time().seconds());
  const auto text = [](absl::Time time) {
    return absl::FormatTime(absl::RFC3339_sec, time, absl::LocalTimeZone());
  };
  Row row;
  row.name = absl::StrCat("vm/", vm.spec().uuid());
  row.cells = {{row.name}, {vm.spec().name()}, {text(deleted)}, {text(kept_until)}};
  row.message = std::make_shared<v1::DeletedVm>(vm);
  return row;
}

struct DeleteWish {
  std::string id;
  bool keep_disks = false;
  bool now = false;
};

v1::DeleteVmRequest::Disks DisksOf(const DeleteWish& wish) {
  if (wish.now) return v1::DeleteVmRequest::REMOVE;
  return wish.keep_disks ? v1::DeleteVmRequest::KEEP : v1::DeleteVmRequest::TRASH;
}

absl::Status Confirm(Cli& cli, const DeleteWish& wish) {
  const std::string what = absl::StrCat("Cut the power of VM ", wish.id, " and delete it");
  if (wish.keep_disks) return cli.Confirm(absl::StrCat(what, "? Its disks stay."));
  if (!wish.now) return cli.Confirm(absl::StrCat(what, "? The trash keeps its disks for a while."));
  RETURN_IF_ERROR(cli.Confirm(absl::StrCat(what, " with its root disk for ever?")));
  return cli.Confirm(absl::StrCat("Nothing brings the data of VM ", wish.id, " back. Really?"));
}

const char* FateOfDisks(const DeleteWish& wish) {
  if (wish.now) return ", with its disks";
  return wish.keep_disks ? "; its disks are where they were"
                         : "; its disks are in the trash, `agentctl vm undelete` has it back";
}

ExitCode DeleteVm(Cli& cli, const DeleteWish& wish) {
  const std::string what = absl::StrCat("delete VM ", wish.id);
  absl::Status status = Confirm(cli, wish);
  if (!status.ok()) return cli.Fail({what, "", status});
  const auto found = FindVm(cli, wish.id, /*for_change=*/true);
  if (!found.ok()) return cli.Fail({what, "", found.status()});
  const v1::VmSpec& spec = found->vm.spec();
  v1::DeleteVmRequest request;
  request.set_id(spec.uuid());
  request.set_request_id(Uuid::Random().ToString());
  request.set_wait(true);
  request.set_disks(DisksOf(wish));
  Interrupts interrupts;
  status =
      found->node
          ->Change(WaitForVm(cli, interrupts, spec.uuid(), spec.name()), &Stub::Delete, request)
          .status();
  if (!status.ok()) return cli.Fail({what, found->node->name(), status});
  cli.Note(absl::StrCat("VM ", wish.id, " deleted from ", found->node->name(), FateOfDisks(wish)));
  return ExitCode::kDone;
}

struct FoundDeleted {
  Node* node = nullptr;
  v1::DeletedVm vm;
};

absl::StatusOr<std::vector<v1::DeletedVm>> FetchDeleted(Cli& cli, Node& node) {
  std::vector<v1::DeletedVm> vms;
  v1::ListDeletedVmsRequest request;
  request.set_page_size(1000);
  do {
    ASSIGN_OR_RETURN(const v1::ListDeletedVmsResponse page,
                     node.Read(cli.call_options(), &Stub::ListDeleted, request));
    vms.insert(vms.end(), page.vms().begin(), page.vms().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return vms;
}

bool IsNewer(const v1::DeletedVm& a, const v1::DeletedVm& b) {
  return a.delete_time().seconds() > b.delete_time().seconds();
}

// The VM `id`, a UUID or a name, as it was deleted last. Every node must answer: the one that does
// not may have it. nullopt: no node has deleted such a VM.
absl::StatusOr<std::optional<FoundDeleted>> FindDeletedVm(Cli& cli, const std::string& id) {
  ASSIGN_OR_RETURN(const std::vector<Node*> targets, cli.Targets());
  const auto answers = FanOut(targets, [&](Node* node) { return FetchDeleted(cli, *node); });
  std::optional<FoundDeleted> found;
  std::set<std::string> uuids;
  for (size_t i = 0; i < targets.size(); ++i) {
    RETURN_IF_ERROR(Annotate(answers[i].status(), targets[i]->name()));
    for (const v1::DeletedVm& vm : *answers[i]) {
      if (vm.spec().uuid() != absl::AsciiStrToLower(id) && vm.spec().name() != id) continue;
      uuids.insert(vm.spec().uuid());
      if (!found.has_value() || IsNewer(vm, found->vm)) found = FoundDeleted{targets[i], vm};
    }
  }
  if (uuids.size() <= 1) return found;
  return Error(absl::StatusCode::kFailedPrecondition, "VM_AMBIGUOUS",
               absl::StrCat("several VMs named ", id, " were deleted: ", absl::StrJoin(uuids, ", "),
                            "; say which with its UUID"));
}

// Where the deletion is to be undone: where it was done, or where the VM is there again already.
absl::StatusOr<FoundDeleted> PlaceOfDeleted(Cli& cli, const std::string& id) {
  ASSIGN_OR_RETURN(std::optional<FoundDeleted> deleted, FindDeletedVm(cli, id));
  if (deleted.has_value()) return *std::move(deleted);
  const auto there = FindVm(cli, id, /*for_change=*/true);
  if (there.ok()) {
    FoundDeleted found{.node = there->node};
    *found.vm.mutable_spec() = there->vm.spec();
    return found;
  }
  if (!absl::IsNotFound(there.status())) return there.status();
  return Error(absl::StatusCode::kNotFound, "VM_NOT_FOUND",
               absl::StrCat("no node has deleted a VM ", id,
                            ", or so long ago that it is forgotten; `agentctl vm list --deleted` "
                            "shows which can be had back"));
}

ExitCode UndeleteVm(Cli& cli, const std::string& id) {
  const std::string what = absl::StrCat("undelete VM ", id);
  const auto found = PlaceOfDeleted(cli, id);
  if (!found.ok()) return cli.Fail({what, "", found.status()});
  const v1::VmSpec& spec = found->vm.spec();
  v1::UndeleteVmRequest request;
  request.set_id(spec.uuid());
  request.set_request_id(Uuid::Random().ToString());
  request.set_wait(true);
  Interrupts interrupts;
  const auto vm = found->node->Change(WaitForVm(cli, interrupts, spec.uuid(), spec.name()),
                                      &Stub::Undelete, request);
  if (!vm.ok()) return cli.Fail({what, found->node->name(), vm.status()});
  Row row = RowOf(*vm);
  row.node = found->node->name();
  return cli.ShowObject(VmColumns(), row);
}

}  // namespace

ExitCode ListDeletedVms(Cli& cli) {
  return ListFromNodes(cli, "list deleted VMs", {{"VM"}, {"NAME"}, {"DELETED"}, {"KEPT UNTIL"}},
                       [&](Node& node) -> absl::StatusOr<std::vector<Row>> {
                         ASSIGN_OR_RETURN(const std::vector<v1::DeletedVm> vms,
                                          FetchDeleted(cli, node));
                         std::vector<Row> rows;
                         for (const v1::DeletedVm& vm : vms) rows.push_back(RowOfDeleted(vm));
                         return rows;
                       });
}

void AddVmDeletionCommands(CommandTree& tree, CLI::App& vm) {
  Cli& cli = tree.cli;
  const auto wish = std::make_shared<DeleteWish>();
  constexpr char kVm[] = "A VM's UUID, or its name where that is unique";
  CLI::App* const remove =
      AddCommand(tree, vm,
                 {"delete", "Delete a VM, its disks by way of the trash; volumes stay",
                  "vm delete web-1", /*has_dry_run=*/false, kDeleteDetails},
                 [&cli, wish] { return DeleteVm(cli, *wish); });
  remove->add_option("VM", wish->id, kVm)->required();
  CLI::Option* const keep =
      remove->add_flag("--keep-disks", wish->keep_disks, "Leave its disks where they are");
  remove->add_flag("--now", wish->now, "Remove its disks at once, for ever")->excludes(keep);
  AddCommand(tree, vm,
             {"undelete", "Take back the deletion of a VM: it is there again, stopped",
              "vm undelete web-1"},
             [&cli, wish] { return UndeleteVm(cli, wish->id); })
      ->add_option("VM", wish->id, kVm)
      ->required();
}

}  // namespace hvagent::agentctl
