#include "agentctl/vm_wait.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "agentctl/views.h"
#include "hvagent/v1/vm_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

constexpr absl::Duration kPollTimeout = absl::Seconds(5);

// "STOPPED, CLONING: ..."
std::string StateText(const v1::Vm& vm) {
  std::string text = PowerText(vm.status().power_state());
  const v1::Condition* const ready = FindCondition(vm.status().conditions(), "READY");
  if (ready == nullptr || ready->status() == v1::Condition::TRUE) return text;
  if (!ready->reason().empty()) absl::StrAppend(&text, ", ", ready->reason());
  if (!ready->message().empty()) absl::StrAppend(&text, ": ", ready->message());
  return text;
}

}  // namespace

ChangeOptions WaitForVm(Cli& cli, Interrupts& interrupts, const std::string& uuid,
                        const std::string& name) {
  ChangeOptions options = cli.wait_options(interrupts);
  const auto last = std::make_shared<std::string>();
  options.poll = [&cli, uuid, name, last](Node& node) {
    v1::GetVmRequest request;
    request.set_id(uuid);
    const auto vm =
        node.Read({kPollTimeout, nullptr, /*explain=*/false}, &v1::VmService::Stub::Get, request);
    if (!vm.ok()) return vm.status();
    if (std::string text = StateText(*vm); text != *last) {
      cli.Note(absl::StrCat(name, " on ", node.name(), ": ", text));
      *last = std::move(text);
    }
    return absl::OkStatus();
  };
  return options;
}

}  // namespace hvagent::agentctl
