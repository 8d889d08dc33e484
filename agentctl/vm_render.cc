#include "agentctl/vm_render.h"

#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agentctl/manifest_file.h"
#include "base/error.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "domain_xml/domain_xml.h"
#include "domain_xml/vm_spec.h"
#include "hvagent/v1/vm_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

absl::StatusOr<domain_xml::MonitorHost> ParseMonitor(absl::string_view text) {
  const absl::Status malformed =
      InvalidField("--monitor", absl::StrCat("'", text, "' is no HOST[:PORT]"));
  domain_xml::MonitorHost monitor;
  absl::string_view host = text;
  absl::string_view port;
  if (absl::ConsumePrefix(&host, "[")) {
    const size_t end = host.find(']');
    if (end == absl::string_view::npos) return malformed;
    port = host.substr(end + 1);
    host = host.substr(0, end);
    if (!port.empty() && !absl::ConsumePrefix(&port, ":")) return malformed;
  } else if (const size_t colon = host.rfind(':'); colon != absl::string_view::npos) {
    port = host.substr(colon + 1);
    host = host.substr(0, colon);
    if (port.empty()) return malformed;
  }
  uint32_t number = 0;
  if (host.empty() || (!port.empty() && (!absl::SimpleAtoi(port, &number) || number > 65535))) {
    return malformed;
  }
  monitor.name = std::string(host);
  monitor.port = static_cast<uint16_t>(number);
  return monitor;
}

absl::StatusOr<domain_xml::Placement> PlacementOf(const RenderFlags& flags) {
  domain_xml::Placement placement;
  placement.type =
      flags.domain_type == "qemu" ? domain_xml::DomainType::kQemu : domain_xml::DomainType::kKvm;
  placement.vms_pool = flags.vms_pool;
  placement.volumes_pool = flags.volumes_pool;
  if (flags.monitors.empty()) {
    return InvalidField("--monitor", "is needed with --offline: no agent is asked for the map");
  }
  for (const std::string& text : flags.monitors) {
    ASSIGN_OR_RETURN(auto monitor, ParseMonitor(text));
    placement.monitors.push_back(std::move(monitor));
  }
  if (!flags.secret_uuid.empty()) {
    if (absl::Status status = CheckClientEntity(flags.entity); !status.ok()) {
      return InvalidField("--entity", status.message());
    }
    const auto uuid = Uuid::Parse(flags.secret_uuid);
    if (!uuid.ok()) return InvalidField("--secret-uuid", uuid.status().message());
    placement.auth = {std::string(absl::StripPrefix(flags.entity, "client.")), *uuid};
  }
  return placement;
}

absl::StatusOr<std::string> RenderOffline(const v1::VmSpec& vm, const RenderFlags& flags) {
  ASSIGN_OR_RETURN(domain_xml::Placement placement, PlacementOf(flags));
  placement.node = vm.node();
  placement.generation = 1;
  ASSIGN_OR_RETURN(const domain_xml::DomainSpec spec, domain_xml::ResolveVm(vm, placement));
  return domain_xml::Render(spec);
}

absl::StatusOr<std::string> RenderOnNode(Cli& cli, const v1::Manifest& manifest, int index) {
  ASSIGN_OR_RETURN(Node * node, ChooseNode(cli, manifest, index));
  v1::RenderXmlRequest request;
  *request.mutable_spec() = manifest.vms(index);
  auto answer = node->Read(cli.call_options(), &v1::VmService::Stub::RenderXml, request);
  if (!answer.ok()) return Annotate(answer.status(), node->name());
  return answer->xml();
}

}  // namespace

ExitCode RenderVms(Cli& cli, const RenderFlags& flags) {
  const auto manifest = ReadManifest(flags.file);
  if (!manifest.ok()) return cli.Fail({"render VMs", "", manifest.status()});
  Listing listing{{{"NAME"}}, {}, /*with_node=*/false};
  std::string text;
  for (int i = 0; i < manifest->vms_size(); ++i) {
    const v1::VmSpec& vm = manifest->vms(i);
    auto xml = flags.offline ? RenderOffline(vm, flags) : RenderOnNode(cli, *manifest, i);
    if (!xml.ok()) return cli.Fail({absl::StrCat("render VM ", vm.name()), "", xml.status()});
    absl::StrAppend(&text, absl::StripSuffix(*xml, "\n"), "\n");
    v1::RenderXmlResponse response;
    response.set_xml(*std::move(xml));
    Row row;
    row.name = absl::StrCat("vm/", vm.uuid());
    row.message = std::make_shared<v1::RenderXmlResponse>(std::move(response));
    listing.rows.push_back(std::move(row));
  }
  if (cli.options.format == Format::kTable || cli.options.format == Format::kWide) {
    cli.streams().out << text << std::flush;
    return ExitCode::kDone;
  }
  return cli.Show(listing);
}

}  // namespace hvagent::agentctl
