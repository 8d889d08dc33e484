#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agentctl/command.h"
#include "agentctl/fan_out.h"
#include "agentctl/follow.h"
#include "agentctl/listing.h"
#include "agentctl/views.h"
#include "base/clock.h"
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

// How long the watch of a client that died lasts, and some more.
constexpr absl::Duration kDeadWatch = absl::Seconds(40);
constexpr absl::Duration kRetryPause = absl::Seconds(1);

// Asks again while the image is in use, until the watch of a client that died must be over.
absl::Status WhileInUse(const std::function<absl::Status()>& ask) {
  const absl::Duration end = SystemClock().Monotonic() + kDeadWatch;
  while (true) {
    absl::Status status = ask();
    if (ErrorReason(status) != "IMAGE_IN_USE" || SystemClock().Monotonic() > end) return status;
    std::this_thread::sleep_for(absl::ToChronoMilliseconds(kRetryPause));
  }
}

// Asks the user, then destroys one thing; `thing` as "volume 1234". With --dry-run only asks the
// agent what it would say. `waits`: asks again while a client has it open.
template <typename Request, typename Response>
ExitCode Destroy(Cli& cli, const std::string& thing,
                 grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                 Request request, bool waits = false) {
  const std::string what = absl::StrCat("delete ", thing);
  request.set_dry_run(cli.options.dry_run);
  const absl::Status agreed = request.dry_run()
                                  ? absl::OkStatus()
                                  : cli.Confirm(absl::StrCat("Delete ", thing, " for ever?"));
  if (!agreed.ok()) return cli.Fail({what, "", agreed});
  request.set_request_id(Uuid::Random().ToString());
  Interrupts interrupts;
  return OnOneNode(
      cli, what,
      [&](Node& node) {
        const auto ask = [&] {
          return node.Change(cli.change_options(interrupts), method, request).status();
        };
        return waits && !request.dry_run() ? WhileInUse(ask) : ask();
      },
      [&] {
        cli.Note(absl::StrCat(thing, request.dry_run() ? " can be deleted" : " deleted"));
        return ExitCode::kDone;
      });
}

constexpr char kFlattenDetails[] =
    R"(Guests may use the volume meanwhile. Ctrl-C asks whether to cancel; what was copied by then
stays, and the same command goes on from there.
)";

ExitCode Flatten(Cli& cli, const std::string& id) {
  const std::string what = absl::StrCat("flatten volume ", id);
  auto node = cli.HealthyNode();
  if (!node.ok()) return cli.Fail({what, "", node.status()});
  v1::FlattenVolumeRequest request;
  request.set_id(id);
  request.set_request_id(Uuid::Random().ToString());
  absl::StatusOr<v1::Operation> operation = [&] {
    Interrupts interrupts;
    return (*node)->Change(cli.change_options(interrupts), &Stub::Flatten, request);
  }();
  if (operation.ok()) operation = FollowOperation(cli, **node, *std::move(operation));
  const absl::Status outcome = operation.ok() ? OutcomeOf(*operation) : operation.status();
  if (!outcome.ok()) return cli.Fail({what, (*node)->name(), outcome});
  return cli.ShowObject(VolumeColumns(), RowOf(operation->volume()));
}

// One node grows the volume; then each that may run a guest with it tells that guest.
ExitCode Resize(Cli& cli, const v1::ResizeVolumeRequest& request) {
  const std::string what = absl::StrCat("resize volume ", request.id());
  auto first = cli.HealthyNode();
  if (!first.ok()) return cli.Fail({what, "", first.status()});
  Interrupts interrupts;
  auto volume = (*first)->Change(cli.change_options(interrupts), &Stub::Resize, request);
  if (!volume.ok()) return cli.Fail({what, (*first)->name(), volume.status()});
  auto others = cli.Targets();
  if (!others.ok()) return cli.Fail({what, "", others.status()});
  std::erase(*others, *first);
  if (request.dry_run()) others->clear();
  const auto answers = FanOut(*others, [&](Node* node) {
    return node->Change(cli.change_options(interrupts), &Stub::Resize, request).status();
  });
  std::vector<ExitCode> codes = {cli.ShowObject(VolumeColumns(), RowOf(*volume))};
  for (size_t i = 0; i < others->size(); ++i) {
    codes.push_back(ExitCode::kDone);
    if (answers[i].ok()) continue;
    codes.back() =
        cli.Fail({"tell the guests of the volume's new size", (*others)[i]->name(),
                  WithHint(answers[i],
                           "a guest there sees it at its next start, or after this command "
                           "once more")});
  }
  return Combine(codes);
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
  CLI::App* const resize = AddCommand(tree, volume,
                                      {"resize", "Grow a volume, also under a running guest",
                                       "volume resize VOLUME --size-gib 40", /*has_dry_run=*/true},
                                      [&cli, request, size_gib] {
                                        request->set_size_gib(*size_gib);
                                        request->set_dry_run(cli.options.dry_run);
                                        return Resize(cli, *request);
                                      });
  AddVolume(resize, *request->mutable_id());
  AddSizeGib(resize, *size_gib);
}

ExitCode ListSnapshots(Cli& cli, const v1::ListVolumeSnapshotsRequest& request) {
  Listing listing{VolumeSnapshotColumns(), {}, /*with_node=*/false};
  return OnOneNode(
      cli, absl::StrCat("list the snapshots of volume ", request.volume_id()),
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

  const auto which = std::make_shared<v1::ListVolumeSnapshotsRequest>();
  CLI::App* const list =
      AddCommand(tree, *snapshot,
                 {"list", "List the snapshots of a volume", "volume snapshot list VOLUME --usage"},
                 [&cli, which] { return ListSnapshots(cli, *which); });
  AddVolume(list, *which->mutable_volume_id());
  list->add_flag_function(
      "--usage", [which](int64_t) { which->set_with_usage(true); },
      "Measure what each holds since the one before, which may take long");
  const auto id = std::make_shared<std::string>();
  AddCommand(
      tree, *snapshot,
      {"delete", "Delete a snapshot that has no clones", "volume snapshot delete VOLUME@SNAP",
       /*has_dry_run=*/true},
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
                       {"flatten", "Copy into a volume what it still reads from its source",
                        "volume flatten VOLUME", /*has_dry_run=*/false, kFlattenDetails},
                       [&cli, id] { return Flatten(cli, *id); }),
            *id);
  const auto waits = std::make_shared<bool>(false);
  CLI::App* const remove = AddCommand(
      tree, *volume,
      {"delete", "Delete a volume that has no snapshots", "volume delete VOLUME",
       /*has_dry_run=*/true},
      [&cli, id, waits] {
        v1::DeleteVolumeRequest request;
        request.set_id(*id);
        return Destroy(cli, absl::StrCat("volume ", *id), &Stub::Delete, request, *waits);
      });
  AddVolume(remove, *id);
  remove->add_flag("--wait-for-clients", *waits,
                   "Try again while a client has it open, for as long as one that died counts");
  AddCommand(tree, *tree.get, {"volume", "List the volumes, or show one", "get volume"},
             [&cli, id] { return id->empty() ? ListVolumes(cli) : GetVolume(cli, *id); })
      ->add_option("ID", *id, "The volume's UUID");
}

}  // namespace hvagent::agentctl
