#include <memory>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agentctl/command.h"
#include "agentctl/follow.h"
#include "agentctl/image_import.h"
#include "agentctl/listing.h"
#include "agentctl/views.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "hvagent/v1/image_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

ExitCode ListImages(Cli& cli) {
  const auto fetch = [&](Node& node) {
    return AllPages(node, cli.call_options(), &v1::ImageService::Stub::List,
                    v1::ListImagesRequest(), &v1::ListImagesResponse::images);
  };
  if (cli.options.all) return ListFromNodes(cli, "list images", ImageColumns(), fetch);
  auto node = cli.HealthyNode();
  if (!node.ok()) return cli.Fail({"list images", "", node.status()});
  auto rows = fetch(**node);
  if (!rows.ok()) return cli.Fail({"list images", (*node)->name(), rows.status()});
  return cli.Show({ImageColumns(), *std::move(rows), /*with_node=*/false});
}

ExitCode GetImage(Cli& cli, const std::string& id) {
  const std::string what = absl::StrCat("get image ", id);
  auto node = cli.HealthyNode();
  if (!node.ok()) return cli.Fail({what, "", node.status()});
  v1::GetImageRequest request;
  request.set_id(id);
  auto image = (*node)->Read(cli.call_options(), &v1::ImageService::Stub::Get, request);
  if (!image.ok()) return cli.Fail({what, (*node)->name(), image.status()});
  return cli.ShowObject(ImageColumns(), RowOf(*image));
}

// --all makes no sense for what one node does for the whole cluster.
absl::Status CheckOneNode(const Cli& cli) {
  if (!cli.options.all) return absl::OkStatus();
  return WithExit(absl::InvalidArgumentError("images belong to the cluster: leave --all out"),
                  ExitCode::kUsage);
}

absl::StatusOr<v1::Operation> Upload(Cli& cli, Node& node, const ImportWish& wish) {
  Interrupts interrupts;
  return ImportImage(cli, interrupts, node, wish);
}

ExitCode Import(Cli& cli, ImportWish wish, bool on_node) {
  if (wish.id.empty()) wish.id = Uuid::Random().ToString();
  const std::string what = absl::StrCat("import image ", wish.id);
  if (absl::Status status = CheckOneNode(cli); !status.ok()) return cli.Fail({what, "", status});
  auto node = cli.HealthyNode();
  if (!node.ok()) return cli.Fail({what, "", node.status()});
  const auto operation = on_node ? ImportNodeFile(cli, **node, wish) : Upload(cli, **node, wish);
  if (!operation.ok()) return cli.Fail({what, (*node)->name(), operation.status()});
  return cli.ShowObject(ImageColumns(), RowOf(operation->image()));
}

struct DeleteWish {
  std::string id;
  bool flatten = false;
  bool trash = false;
  std::optional<absl::Duration> trash_delay;
};

constexpr char kDeleteDetails[] =
    R"(An image that disks were cloned from is not deleted; the error names them. Two ways out:
--flatten copies into each clone what it still reads from the image, which takes its time and
space. --trash leaves the clones as they are (where the cluster makes clones of format 2): the image
loses its name now, and its space when the last clone and the delay are over.
)";

// Follows the operation that flattens the clones and deletes the image.
absl::Status DeleteFlattened(Cli& cli, Node& node, const std::string& id) {
  v1::DeleteFlattenedImageRequest request;
  request.set_id(id);
  request.set_request_id(Uuid::Random().ToString());
  absl::StatusOr<v1::Operation> operation = [&] {
    Interrupts interrupts;
    return node.Change(cli.change_options(interrupts), &v1::ImageService::Stub::DeleteFlattened,
                       request);
  }();
  RETURN_IF_ERROR(operation.status());
  ASSIGN_OR_RETURN(operation, FollowOperation(cli, node, *std::move(operation)));
  return OutcomeOf(*operation);
}

ExitCode DeleteImage(Cli& cli, const DeleteWish& wish) {
  const std::string& id = wish.id;
  const std::string what = absl::StrCat("delete image ", id);
  absl::Status status = CheckOneNode(cli);
  if (status.ok() && !cli.options.dry_run) {
    status =
        cli.Confirm(wish.trash ? absl::StrCat("Put image ", id, " into the trash?")
                               : absl::StrCat("Delete image ", id, " and its snapshot for ever?"));
  }
  if (!status.ok()) return cli.Fail({what, "", status});
  auto node = cli.HealthyNode();
  if (!node.ok()) return cli.Fail({what, "", node.status()});
  v1::DeleteImageRequest request;
  request.set_id(id);
  request.set_dry_run(cli.options.dry_run);
  // Clones are no hindrance to either, and a dry run asks for all else.
  request.set_to_trash(wish.trash || (wish.flatten && cli.options.dry_run));
  if (wish.trash_delay.has_value()) {
    request.set_trash_delay_s(static_cast<uint32_t>(absl::ToInt64Seconds(*wish.trash_delay)));
  }
  request.set_request_id(Uuid::Random().ToString());
  if (wish.flatten && !cli.options.dry_run) {
    status = DeleteFlattened(cli, **node, id);
  } else {
    Interrupts interrupts;
    status = (*node)
                 ->Change(cli.change_options(interrupts), &v1::ImageService::Stub::Delete, request)
                 .status();
    if (ErrorReason(status) == "IMAGE_HAS_CHILDREN" && !wish.trash) {
      status = WithHint(status, "--flatten or --trash delete it all the same: see --help");
    }
  }
  if (!status.ok()) return cli.Fail({what, (*node)->name(), status});
  cli.Note(absl::StrCat("image ", id,
                        cli.options.dry_run ? " can be deleted"
                        : wish.trash        ? " is in the trash"
                                            : " deleted"));
  return ExitCode::kDone;
}

std::string CheckSha256(const std::string& text) {
  const bool good = text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
                      return absl::ascii_isxdigit(static_cast<unsigned char>(c));
                    });
  return good ? "" : "must be 64 hexadecimal digits";
}

void AddDelete(CommandTree& tree, CLI::App& image) {
  Cli& cli = tree.cli;
  const auto wish = std::make_shared<DeleteWish>();
  CLI::App* const remove =
      AddCommand(tree, image,
                 {"delete", "Delete an image, or say which disks were cloned from it",
                  "image delete jammy", /*has_dry_run=*/true, kDeleteDetails},
                 [&cli, wish] { return DeleteImage(cli, *wish); });
  remove->add_option("ID", wish->id, "The image's id")->required();
  CLI::Option* const flatten =
      remove->add_flag("--flatten", wish->flatten, "Flatten its clones first, then delete it");
  CLI::Option* const trash =
      remove->add_flag("--trash", wish->trash, "Put it into the trash, and leave its clones alive");
  trash->excludes(flatten);
  remove
      ->add_option("--trash-delay",
                   "How long the trash keeps it at least (the node's trash_delay_s, 24h)")
      ->type_name("DURATION")
      ->check(DurationInto(wish->trash_delay))
      ->needs(trash);
}

}  // namespace

void AddImageCommands(CommandTree& tree) {
  Cli& cli = tree.cli;
  CLI::App* const image = AddNoun(tree.root, "image", "Golden disks that VMs are cloned from");

  const auto wish = std::make_shared<ImportWish>();
  const auto format = std::make_shared<std::string>();
  const auto on_node = std::make_shared<bool>(false);
  CLI::App* const import =
      AddCommand(tree, *image,
                 {"import", "Make an image of a raw or qcow2 file, ready to be cloned",
                  "image import --id jammy --format qcow2 jammy.qcow2"},
                 [&cli, wish, format, on_node] {
                   absl::AsciiStrToLower(&wish->sha256);
                   if (!format->empty()) {
                     wish->format = *format == "qcow2" ? v1::Image::QCOW2 : v1::Image::RAW;
                   }
                   return Import(cli, *wish, *on_node);
                 });
  import->add_option("FILE", wish->file, "The file; - is standard input")->required();
  import->add_option("--id", wish->id, "The image's id (a random UUID)")->type_name("ID");
  import->add_option("--sha256", wish->sha256, "What the bytes must hash to")
      ->type_name("HEX")
      ->check(CLI::Validator(CheckSha256, ""));
  import->add_option("--format", *format, "The file's format: raw (the default) or qcow2")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"raw", "qcow2"}));
  import->add_flag("--on-node", *on_node,
                   "FILE is one of the node's, below its import folder; nothing is uploaded");

  const auto id = std::make_shared<std::string>();
  AddCommand(tree, *image, {"list", "List the images", "image list -o wide"},
             [&cli] { return ListImages(cli); });
  AddCommand(tree, *image, {"get", "Show one image", "image get jammy -o yaml"},
             [&cli, id] { return GetImage(cli, *id); })
      ->add_option("ID", *id, "The image's id")
      ->required();
  AddDelete(tree, *image);
  AddCommand(tree, *tree.get, {"image", "List the images, or show one", "get image"}, [&cli, id] {
    return id->empty() ? ListImages(cli) : GetImage(cli, *id);
  })->add_option("ID", *id, "The image's id");
}

}  // namespace hvagent::agentctl
