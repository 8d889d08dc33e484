// agentctl vm attach, vm detach.
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "agentctl/command.h"
#include "agentctl/interrupts.h"
#include "agentctl/views.h"
#include "agentctl/vm_lookup.h"
#include "agentctl/vm_wait.h"
#include "base/uuid.h"
#include "hvagent/v1/vm_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

struct AttachWish {
  std::string vm;
  std::string volume;
  std::string cache;
  std::string discard;
};

// Sends `request` to the node that has the VM, waits until it is so, and shows the VM after it.
template <typename Request>
ExitCode ChangeVolumes(Cli& cli, const std::string& what, const std::string& id,
                       grpc::Status (v1::VmService::Stub::*method)(grpc::ClientContext*,
                                                                   const Request&, v1::Vm*),
                       Request request) {
  const auto found = FindVm(cli, id, /*for_change=*/true);
  if (!found.ok()) return cli.Fail({what, "", found.status()});
  const v1::VmSpec& spec = found->vm.spec();
  request.set_id(spec.uuid());
  request.set_request_id(Uuid::Random().ToString());
  request.set_wait(true);
  Interrupts interrupts;
  const auto vm =
      found->node->Change(WaitForVm(cli, interrupts, spec.uuid(), spec.name()), method, request);
  if (!vm.ok()) return cli.Fail({what, found->node->name(), vm.status()});
  Row row = RowOf(*vm);
  row.node = found->node->name();
  return cli.ShowObject(VmColumns(), row);
}

ExitCode Attach(Cli& cli, const AttachWish& wish) {
  v1::AttachVolumeRequest request;
  v1::VolumeAttachment& volume = *request.mutable_volume();
  volume.set_id(wish.volume);
  v1::CacheMode cache = v1::CACHE_MODE_UNSPECIFIED;
  v1::DiscardMode discard = v1::DISCARD_MODE_UNSPECIFIED;
  if (!wish.cache.empty()) v1::CacheMode_Parse(wish.cache, &cache);
  if (!wish.discard.empty()) v1::DiscardMode_Parse(wish.discard, &discard);
  volume.set_cache(cache);
  volume.set_discard(discard);
  return ChangeVolumes(cli, absl::StrCat("attach volume ", wish.volume, " to VM ", wish.vm),
                       wish.vm, &v1::VmService::Stub::AttachVolume, request);
}

ExitCode Detach(Cli& cli, const AttachWish& wish) {
  v1::DetachVolumeRequest request;
  request.set_volume_id(wish.volume);
  return ChangeVolumes(cli, absl::StrCat("detach volume ", wish.volume, " from VM ", wish.vm),
                       wish.vm, &v1::VmService::Stub::DetachVolume, request);
}

CLI::App* AddVolumeOptions(CLI::App* command, AttachWish& wish) {
  command->add_option("VM", wish.vm, "A VM's UUID, or its name where that is unique")->required();
  command->add_option("--volume", wish.volume, "The volume's id")->type_name("ID")->required();
  return command;
}

}  // namespace

void AddVmVolumeCommands(CommandTree& tree, CLI::App& vm) {
  Cli& cli = tree.cli;
  const auto wish = std::make_shared<AttachWish>();
  CLI::App* const attach =
      AddVolumeOptions(AddCommand(tree, vm,
                                  {"attach", "Give a VM a volume, at once if it runs",
                                   "vm attach web-1 --volume af7ce6b7-12c2-4bdf-933c-884a4f514617"},
                                  [&cli, wish] { return Attach(cli, *wish); }),
                       *wish);
  attach->add_option("--cache", wish->cache, "writeback, none, writethrough, ... (writeback)")
      ->type_name("MODE")
      ->transform(CLI::IsMember({"NONE", "WRITEBACK", "WRITETHROUGH", "DIRECTSYNC", "UNSAFE"},
                                CLI::ignore_case));
  attach->add_option("--discard", wish->discard, "unmap or ignore (the hypervisor's default)")
      ->type_name("MODE")
      ->transform(CLI::IsMember({"UNMAP", "IGNORE"}, CLI::ignore_case));
  AddVolumeOptions(
      AddCommand(tree, vm,
                 {"detach", "Take a volume from a VM, and wait until its guest lets go",
                  "vm detach web-1 --volume af7ce6b7-12c2-4bdf-933c-884a4f514617"},
                 [&cli, wish] { return Detach(cli, *wish); }),
      *wish);
}

}  // namespace hvagent::agentctl
