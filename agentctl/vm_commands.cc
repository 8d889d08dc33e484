#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agentctl/apply.h"
#include "agentctl/command.h"
#include "agentctl/follow.h"
#include "agentctl/interrupts.h"
#include "agentctl/listing.h"
#include "agentctl/views.h"
#include "agentctl/vm_lookup.h"
#include "agentctl/vm_render.h"
#include "agentctl/vm_wait.h"
#include "agentctl/vm_watch.h"
#include "base/uuid.h"
#include "hvagent/v1/vm_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

ExitCode ListVms(Cli& cli) {
  return ListFromNodes(cli, "list VMs", VmColumns(), [&](Node& node) {
    return AllPages(node, cli.call_options(), &v1::VmService::Stub::List, v1::ListVmsRequest(),
                    &v1::ListVmsResponse::vms);
  });
}

ExitCode ShowVm(Cli& cli, const Node& node, const v1::Vm& vm) {
  Row row = RowOf(vm);
  row.node = node.name();
  return cli.ShowObject(VmColumns(), row);
}

ExitCode GetVm(Cli& cli, const std::string& id) {
  const auto found = FindVm(cli, id, /*for_change=*/false);
  if (!found.ok()) return cli.Fail({absl::StrCat("get VM ", id), "", found.status()});
  return ShowVm(cli, *found->node, found->vm);
}

// Start, Stop and Reboot: sends `request` to the node that has the VM, and shows the VM after it.
template <typename Request>
ExitCode ChangePower(Cli& cli, const std::string& verb, const std::string& id, bool waits,
                     grpc::Status (v1::VmService::Stub::*method)(grpc::ClientContext*,
                                                                 const Request&, v1::Vm*),
                     Request request) {
  const std::string what = absl::StrCat(verb, " VM ", id);
  const auto found = FindVm(cli, id, /*for_change=*/true);
  if (!found.ok()) return cli.Fail({what, "", found.status()});
  const v1::VmSpec& spec = found->vm.spec();
  request.set_id(spec.uuid());
  request.set_request_id(Uuid::Random().ToString());
  Interrupts interrupts;
  const ChangeOptions options =
      waits ? WaitForVm(cli, interrupts, spec.uuid(), spec.name()) : cli.change_options(interrupts);
  const auto vm = found->node->Change(options, method, request);
  if (!vm.ok()) return cli.Fail({what, found->node->name(), vm.status()});
  return ShowVm(cli, *found->node, *vm);
}

ExitCode StartVm(Cli& cli, const std::string& id) {
  v1::StartVmRequest request;
  request.set_wait(true);
  return ChangePower(cli, "start", id, /*waits=*/true, &v1::VmService::Stub::Start, request);
}

ExitCode StopVm(Cli& cli, const std::string& id, bool force) {
  v1::StopVmRequest request;
  request.set_wait(true);
  request.set_force(force);
  return ChangePower(cli, "stop", id, /*waits=*/true, &v1::VmService::Stub::Stop, request);
}

ExitCode RestartVm(Cli& cli, const std::string& id, bool force) {
  v1::RestartVmRequest request;
  request.set_wait(true);
  request.set_force(force);
  return ChangePower(cli, "restart", id, /*waits=*/true, &v1::VmService::Stub::Restart, request);
}

ExitCode RebootVm(Cli& cli, const std::string& id, bool force) {
  v1::RebootVmRequest request;
  request.set_force(force);
  return ChangePower(cli, "reboot", id, /*waits=*/false, &v1::VmService::Stub::Reboot, request);
}

ExitCode DeleteVm(Cli& cli, const std::string& id) {
  const std::string what = absl::StrCat("delete VM ", id);
  absl::Status status = cli.Confirm(
      absl::StrCat("Cut the power of VM ", id, " and delete it with its root disk for ever?"));
  if (!status.ok()) return cli.Fail({what, "", status});
  const auto found = FindVm(cli, id, /*for_change=*/true);
  if (!found.ok()) return cli.Fail({what, "", found.status()});
  const v1::VmSpec& spec = found->vm.spec();
  v1::DeleteVmRequest request;
  request.set_id(spec.uuid());
  request.set_request_id(Uuid::Random().ToString());
  request.set_wait(true);
  Interrupts interrupts;
  status = found->node
               ->Change(WaitForVm(cli, interrupts, spec.uuid(), spec.name()),
                        &v1::VmService::Stub::Delete, request)
               .status();
  if (!status.ok()) return cli.Fail({what, found->node->name(), status});
  cli.Note(absl::StrCat("VM ", id, " deleted from ", found->node->name()));
  return ExitCode::kDone;
}

void AddRenderCommand(CommandTree& tree, CLI::App& vm) {
  Cli& cli = tree.cli;
  const auto flags = std::make_shared<RenderFlags>();
  CLI::App* const render =
      AddCommand(tree, vm,
                 {"render", "Print the domain XML that a manifest's VMs become",
                  "vm render -f vm.yaml --offline --monitor 10.0.0.1:3300"},
                 [&cli, flags] { return RenderVms(cli, *flags); });
  render->add_option("-f,--file", flags->file, "The manifest; - is standard input")
      ->type_name("FILE")
      ->required();
  render->add_flag("--offline", flags->offline, "Ask no agent; the options below say the rest");
  render->add_option("--monitor", flags->monitors, "A monitor's address; may be repeated")
      ->type_name("HOST:PORT")
      ->expected(1)
      ->take_all();
  render->add_option("--entity", flags->entity, "The guests' cephx user (client.cinder)")
      ->type_name("ENTITY");
  render->add_option("--secret-uuid", flags->secret_uuid, "The UUID of that user's secret")
      ->type_name("UUID");
  render->add_option("--vms-pool", flags->vms_pool, "The pool of root disks (vms)")
      ->type_name("POOL");
  render->add_option("--volumes-pool", flags->volumes_pool, "The pool of volumes (volumes)")
      ->type_name("POOL");
  render->add_option("--domain-type", flags->domain_type, "kvm or qemu (kvm)")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"kvm", "qemu"}));
}

struct SnapshotWish {
  std::string vm;
  std::string image_id;
  bool require_freeze = false;
};

ExitCode SnapshotVm(Cli& cli, const SnapshotWish& wish) {
  const std::string what = absl::StrCat("make an image of VM ", wish.vm);
  const auto found = FindVm(cli, wish.vm, /*for_change=*/true);
  if (!found.ok()) return cli.Fail({what, "", found.status()});
  v1::SnapshotVmRequest request;
  request.set_id(found->vm.spec().uuid());
  request.set_image_id(wish.image_id.empty() ? Uuid::Random().ToString() : wish.image_id);
  request.set_request_id(Uuid::Random().ToString());
  request.set_require_freeze(wish.require_freeze);
  Node& node = *found->node;
  absl::StatusOr<v1::Operation> operation = [&] {
    Interrupts interrupts;
    return node.Change(cli.change_options(interrupts), &v1::VmService::Stub::Snapshot, request);
  }();
  if (operation.ok()) operation = FollowOperation(cli, node, *std::move(operation));
  absl::Status status = operation.status();
  if (status.ok()) status = OutcomeOf(*operation);
  if (!status.ok()) return cli.Fail({what, node.name(), status});
  return cli.ShowObject(ImageColumns(), RowOf(operation->image()));
}

}  // namespace

void AddVmCommands(CommandTree& tree) {
  Cli& cli = tree.cli;
  CLI::App* const vm = AddNoun(tree.root, "vm", "Guests");
  const auto id = std::make_shared<std::string>();
  const auto file = std::make_shared<std::string>();
  const auto force = std::make_shared<bool>(false);
  const auto add = [&](const CommandText& text, std::function<ExitCode()> run) {
    CLI::App* const command = AddCommand(tree, *vm, text, std::move(run));
    command->add_option("VM", *id, "A VM's UUID, or its name where that is unique")->required();
    return command;
  };

  AddCommand(tree, *vm,
             {"apply", "Push a manifest's VMs, and wait until they are as wished",
              "vm apply -f vm.yaml", /*has_dry_run=*/true},
             [&cli, file] { return Apply(cli, *file, {.vms_only = true}); })
      ->add_option("-f,--file", *file, "The manifest; - is standard input")
      ->type_name("FILE")
      ->required();
  AddCommand(tree, *vm, {"list", "List the VMs of every node", "vm list -o wide"},
             [&cli] { return ListVms(cli); });
  add({"get", "Show one VM", "vm get web-1 -o yaml"}, [&cli, id] { return GetVm(cli, *id); });
  add({"delete", "Delete a VM with its root disk; volumes stay", "vm delete web-1"},
      [&cli, id] { return DeleteVm(cli, *id); });
  add({"start", "Start a VM and wait until it runs", "vm start web-1"},
      [&cli, id] { return StartVm(cli, *id); });
  add({"stop", "Ask a guest to shut down and wait until it has", "vm stop web-1 --force"}, [&cli,
                                                                                            id,
                                                                                            force] {
    return StopVm(cli, *id, *force);
  })->add_flag("--force", *force, "Cut its power");
  add({"restart", "Stop a guest and start it with today's definition", "vm restart web-1"},
      [&cli, id, force] { return RestartVm(cli, *id, *force); })
      ->add_flag("--force", *force, "Cut its power");
  add({"reboot", "Ask a guest to reboot", "vm reboot web-1"}, [&cli, id, force] {
    return RebootVm(cli, *id, *force);
  })->add_flag("--force", *force, "Reset it");
  const auto wish = std::make_shared<SnapshotWish>();
  CLI::App* const snapshot = add({"snapshot", "Make an image of a VM's root disk as it is now",
                                  "vm snapshot web-1 --image-id web-golden"},
                                 [&cli, id, wish] {
                                   wish->vm = *id;
                                   return SnapshotVm(cli, *wish);
                                 });
  snapshot->add_option("--image-id", wish->image_id, "The new image's id (a random UUID)")
      ->type_name("ID");
  snapshot->add_flag("--require-freeze", wish->require_freeze,
                     "Fail if the guest's agent cannot freeze its file systems");
  AddRenderCommand(tree, *vm);
  AddVmVolumeCommands(tree, *vm);
  AddVmConsoleCommands(tree, *vm);

  const auto watch = std::make_shared<bool>(false);
  CLI::App* const get =
      AddCommand(tree, *tree.get, {"vm", "List the VMs of every node, or show one", "get vm web-1"},
                 [&cli, id, watch] {
                   if (*watch) return WatchVms(cli, *id);
                   return id->empty() ? ListVms(cli) : GetVm(cli, *id);
                 });
  get->add_option("VM", *id, "A VM's UUID, or its name where that is unique");
  get->add_flag("-w,--watch", *watch, "Go on with each change, until --timeout or Ctrl-C");
}

}  // namespace hvagent::agentctl
