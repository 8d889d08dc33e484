#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agentctl/command.h"
#include "agentctl/listing.h"
#include "agentctl/views.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "hvagent/v1/volume_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

using Stub = v1::VolumeService::Stub;

// Runs `ask` with one healthy node: what it does, it does for the whole cluster.
ExitCode OnOneNode(Cli& cli, const std::string& what, const std::function<absl::Status(Node&)>& ask,
                   const std::function<ExitCode()>& show) {
  if (cli.options.all) {
    return cli.Fail(
        {what, "",
         WithExit(absl::InvalidArgumentError("volumes belong to the cluster: leave --all out"),
                  ExitCode::kUsage)});
  }
  auto node = cli.HealthyNode();
  if (!node.ok()) return cli.Fail({what, "", node.status()});
  if (absl::Status status = ask(**node); !status.ok()) {
    return cli.Fail({what, (*node)->name(), status});
  }
  return show();
}

ExitCode ListVolumes(Cli& cli) {
  Listing listing{VolumeColumns(), {}, /*with_node=*/false};
  return OnOneNode(
      cli, "list volumes",
      [&](Node& node) -> absl::Status {
        ASSIGN_OR_RETURN(listing.rows,
                         AllPages(node, cli.call_options(), &Stub::List, v1::ListVolumesRequest(),
                                  &v1::ListVolumesResponse::volumes));
        return absl::OkStatus();
      },
      [&] { return cli.Show(listing); });
}

ExitCode GetVolume(Cli& cli, const std::string& id) {
  v1::GetVolumeRequest request;
  request.set_id(id);
  v1::Volume volume;
  return OnOneNode(
      cli, absl::StrCat("get volume ", id),
      [&](Node& node) -> absl::Status {
        ASSIGN_OR_RETURN(volume, node.Read(cli.call_options(), &Stub::Get, request));
        return absl::OkStatus();
      },
      [&] { return cli.ShowObject(VolumeColumns(), RowOf(volume)); });
}

// Changes one thing and shows what became of it.
template <typename Request, typename Response>
ExitCode ChangeAndShow(Cli& cli, const std::string& what,
                       grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                    Response*),
                       const Request& request, const std::vector<Column>& columns) {
  Interrupts interrupts;
  Response response;
  return OnOneNode(
      cli, what,
      [&](Node& node) -> absl::Status {
        ASSIGN_OR_RETURN(response, node.Change(cli.change_options(interrupts), method, request));
        return absl::OkStatus();
      },
      [&] { return cli.ShowObject(columns, RowOf(response)); });
}

// Asks the user, then destroys one thing; `thing` as "volume 1234".
template <typename Request, typename Response>
ExitCode Destroy(Cli& cli, const std::string& thing,
                 grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                 Request request) {
  const std::string what = absl::StrCat("delete ", thing);
  if (absl::Status agreed = cli.Confirm(absl::StrCat("Delete ", thing, " for ever?"));
      !agreed.ok()) {
    return cli.Fail({what, "", agreed});
  }
  request.set_request_id(Uuid::Random().ToString());
  Interrupts interrupts;
  return OnOneNode(
      cli, what,
      [&](Node& node) {
        return node.Change(cli.change_options(interrupts), method, request).status();
      },
      [&] {
        cli.Note(absl::StrCat(thing, " deleted"));
        return ExitCode::kDone;
      });
}

struct SnapshotPlace {
  std::string volume;
  std::string snapshot;
};

// "VOLUME@SNAP"; nullopt when it is not one of the form.
std::optional<SnapshotPlace> ParseSnapshotPlace(const std::string& text) {
  const size_t at = text.find('@');
  if (at == std::string::npos) return std::nullopt;
  SnapshotPlace place{text.substr(0, at), text.substr(at + 1)};
  if (!Uuid::Parse(place.volume).ok() || !Uuid::Parse(place.snapshot).ok()) return std::nullopt;
  return place;
}

std::string CheckUuid(const std::string& text) {
  return std::string(Uuid::Parse(text).status().message());
}

std::string CheckSnapshotPlace(const std::string& text) {
  if (ParseSnapshotPlace(text).has_value()) return "";
  return absl::StrCat("'", text, "' is not VOLUME@SNAP, two UUIDs");
}

CLI::Option* AddVolume(CLI::App* command, std::string& id) {
  return command->add_option("VOLUME", id, "The volume's UUID")
      ->check(CLI::Validator(CheckUuid, ""))
      ->required();
}

void AddSizeGib(CLI::App* command, uint32_t& size_gib) {
  command->add_option("--size-gib", size_gib, "The size")
      ->type_name("N")
      ->check(CLI::Range(1, 65536))
      ->required();
}

void AddId(CLI::App* command, std::string& id, const std::string& help) {
  command->add_option("--id", id, help)->type_name("ID")->check(CLI::Validator(CheckUuid, ""));
}

constexpr char kCreateDetails[] =
    R"(Without --image, --snapshot or --volume it is blank. The same command with the same --id
again does nothing, and finishes a volume whose making was cut off.
)";

void AddCreate(CommandTree& tree, CLI::App& volume) {
  Cli& cli = tree.cli;
  const auto request = std::make_shared<v1::CreateVolumeRequest>();
  const auto size_gib = std::make_shared<uint32_t>(0);
  CLI::App* const create = AddCommand(
      tree, volume,
      {"create", "Make a volume: blank, or from an image, a snapshot or another volume",
       "volume create --size-gib 20 --image jammy", /*has_dry_run=*/true, kCreateDetails},
      [&cli, request, size_gib] {
        if (request->id().empty()) request->set_id(Uuid::Random().ToString());
        request->set_size_gib(*size_gib);
        request->set_dry_run(cli.options.dry_run);
        return ChangeAndShow(cli, absl::StrCat("create volume ", request->id()), &Stub::Create,
                             *request, VolumeColumns());
      });
  AddId(create, *request->mutable_id(), "The volume's UUID (a random one)");
  AddSizeGib(create, *size_gib);
  v1::VolumeSource& source = *request->mutable_source();
  CLI::Option* const image =
      create
          ->add_option_function<std::string>(
              "--image", [&source](const std::string& id) { source.set_image_id(id); },
              "Clone this golden image")
          ->type_name("ID");
  CLI::Option* const snapshot =
      create
          ->add_option_function<std::string>(
              "--snapshot",
              [&source](const std::string& text) {
                const auto place = ParseSnapshotPlace(text);
                if (!place.has_value()) return;  // The check has refused it.
                source.mutable_snapshot()->set_volume_id(place->volume);
                source.mutable_snapshot()->set_snapshot_id(place->snapshot);
              },
              "Clone this snapshot of a volume")
          ->type_name("VOLUME@SNAP")
          ->check(CLI::Validator(CheckSnapshotPlace, ""));
  CLI::Option* const other =
      create
          ->add_option_function<std::string>(
              "--volume", [&source](const std::string& id) { source.set_volume_id(id); },
              "Clone this volume as it is now")
          ->type_name("ID")
          ->check(CLI::Validator(CheckUuid, ""));
  image->excludes(snapshot)->excludes(other);
  snapshot->excludes(other);
}

void AddResize(CommandTree& tree, CLI::App& volume) {
  Cli& cli = tree.cli;
  const auto request = std::make_shared<v1::ResizeVolumeRequest>();
  const auto size_gib = std::make_shared<uint32_t>(0);
  CLI::App* const resize =
      AddCommand(tree, volume,
                 {"resize", "Grow a volume", "volume resize VOLUME --size-gib 40",
                  /*has_dry_run=*/true},
                 [&cli, request, size_gib] {
                   request->set_size_gib(*size_gib);
                   request->set_dry_run(cli.options.dry_run);
                   return ChangeAndShow(cli, absl::StrCat("resize volume ", request->id()),
                                        &Stub::Resize, *request, VolumeColumns());
                 });
  AddVolume(resize, *request->mutable_id());
  AddSizeGib(resize, *size_gib);
}

ExitCode ListSnapshots(Cli& cli, const std::string& volume) {
  v1::ListVolumeSnapshotsRequest request;
  request.set_volume_id(volume);
  Listing listing{VolumeSnapshotColumns(), {}, /*with_node=*/false};
  return OnOneNode(
      cli, absl::StrCat("list the snapshots of volume ", volume),
      [&](Node& node) -> absl::Status {
        ASSIGN_OR_RETURN(const v1::ListVolumeSnapshotsResponse answer,
                         node.Read(cli.call_options(), &Stub::ListSnapshots, request));
        for (const auto& snapshot : answer.snapshots()) listing.rows.push_back(RowOf(snapshot));
        return absl::OkStatus();
      },
      [&] { return cli.Show(listing); });
}

ExitCode DeleteSnapshot(Cli& cli, const std::string& text) {
  const auto place = ParseSnapshotPlace(text);
  v1::DeleteVolumeSnapshotRequest request;
  request.set_volume_id(place.has_value() ? place->volume : "");
  request.set_snapshot_id(place.has_value() ? place->snapshot : "");
  return Destroy(cli, absl::StrCat("snapshot ", text), &Stub::DeleteSnapshot, std::move(request));
}

void AddSnapshotCommands(CommandTree& tree, CLI::App& volume) {
  Cli& cli = tree.cli;
  CLI::App* const snapshot = AddNoun(volume, "snapshot", "Snapshots of volumes");
  const auto request = std::make_shared<v1::CreateVolumeSnapshotRequest>();
  CLI::App* const create = AddCommand(
      tree, *snapshot,
      {"create", "Make a protected snapshot of a volume", "volume snapshot create VOLUME"},
      [&cli, request] {
        if (request->snapshot_id().empty()) {
          request->set_snapshot_id(Uuid::Random().ToString());
        }
        return ChangeAndShow(
            cli,
            absl::StrCat("create snapshot ", request->volume_id(), "@", request->snapshot_id()),
            &Stub::CreateSnapshot, *request, VolumeSnapshotColumns());
      });
  AddVolume(create, *request->mutable_volume_id());
  AddId(create, *request->mutable_snapshot_id(), "The snapshot's UUID (a random one)");

  const auto id = std::make_shared<std::string>();
  AddVolume(AddCommand(tree, *snapshot,
                       {"list", "List the snapshots of a volume", "volume snapshot list VOLUME"},
                       [&cli, id] { return ListSnapshots(cli, *id); }),
            *id);
  AddCommand(
      tree, *snapshot,
      {"delete", "Delete a snapshot that has no clones", "volume snapshot delete VOLUME@SNAP"},
      [&cli, id] { return DeleteSnapshot(cli, *id); })
      ->add_option("VOLUME@SNAP", *id, "The UUIDs of the volume and of its snapshot")
      ->check(CLI::Validator(CheckSnapshotPlace, ""))
      ->required();
}

}  // namespace

void AddVolumeCommands(CommandTree& tree) {
  Cli& cli = tree.cli;
  CLI::App* const volume = AddNoun(tree.root, "volume", "Disks that outlive VMs");
  AddCreate(tree, *volume);
  AddResize(tree, *volume);
  AddSnapshotCommands(tree, *volume);

  const auto id = std::make_shared<std::string>();
  AddCommand(tree, *volume, {"list", "List the volumes", "volume list -o wide"},
             [&cli] { return ListVolumes(cli); });
  AddVolume(AddCommand(tree, *volume, {"get", "Show one volume", "volume get VOLUME -o yaml"},
                       [&cli, id] { return GetVolume(cli, *id); }),
            *id);
  AddVolume(AddCommand(tree, *volume,
                       {"delete", "Delete a volume that has no snapshots", "volume delete VOLUME"},
                       [&cli, id] {
                         v1::DeleteVolumeRequest request;
                         request.set_id(*id);
                         return Destroy(cli, absl::StrCat("volume ", *id), &Stub::Delete, request);
                       }),
            *id);
  AddCommand(tree, *tree.get, {"volume", "List the volumes, or show one", "get volume"},
             [&cli, id] { return id->empty() ? ListVolumes(cli) : GetVolume(cli, *id); })
      ->add_option("ID", *id, "The volume's UUID");
}

}  // namespace hvagent::agentctl
