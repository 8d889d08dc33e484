#include <memory>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agentctl/command.h"
#include "agentctl/image_import.h"
#include "agentctl/listing.h"
#include "agentctl/views.h"
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

ExitCode DeleteImage(Cli& cli, const std::string& id) {
  const std::string what = absl::StrCat("delete image ", id);
  absl::Status status = CheckOneNode(cli);
  if (status.ok()) {
    status = cli.Confirm(absl::StrCat("Delete image ", id, " and its snapshot for ever?"));
  }
  if (!status.ok()) return cli.Fail({what, "", status});
  auto node = cli.HealthyNode();
  if (!node.ok()) return cli.Fail({what, "", node.status()});
  v1::DeleteImageRequest request;
  request.set_id(id);
  request.set_request_id(Uuid::Random().ToString());
  Interrupts interrupts;
  status = (*node)
               ->Change(cli.change_options(interrupts), &v1::ImageService::Stub::Delete, request)
               .status();
  if (!status.ok()) return cli.Fail({what, (*node)->name(), status});
  cli.Note(absl::StrCat("image ", id, " deleted"));
  return ExitCode::kDone;
}

std::string CheckSha256(const std::string& text) {
  const bool good = text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
                      return absl::ascii_isxdigit(static_cast<unsigned char>(c));
                    });
  return good ? "" : "must be 64 hexadecimal digits";
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
  AddCommand(tree, *image, {"delete", "Delete an image that has no clones", "image delete jammy"},
             [&cli, id] { return DeleteImage(cli, *id); })
      ->add_option("ID", *id, "The image's id")
      ->required();
  AddCommand(tree, *tree.get, {"image", "List the images, or show one", "get image"}, [&cli, id] {
    return id->empty() ? ListImages(cli) : GetImage(cli, *id);
  })->add_option("ID", *id, "The image's id");
}

}  // namespace hvagent::agentctl
