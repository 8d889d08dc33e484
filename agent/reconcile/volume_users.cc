#include "agent/reconcile/volume_users.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/block/block_error.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::reconcile {
namespace {

constexpr size_t kPage = 500;

bool Has(const v1::VmSpec& spec, const Uuid& volume) {
  if (spec.root_disk().volume() == volume.ToString()) return true;
  return std::any_of(spec.volumes().begin(), spec.volumes().end(),
                     [&](const v1::VolumeAttachment& attachment) {
                       const auto id = Uuid::Parse(attachment.id());
                       return id.ok() && *id == volume;
                     });
}

}  // namespace

absl::StatusOr<std::vector<state::VmRecord>> VolumeUsers::Find(const Uuid& volume) {
  std::vector<state::VmRecord> users;
  Uuid after;
  while (true) {
    ASSIGN_OR_RETURN(std::vector<state::VmRecord> vms, state_.ListVms(after, kPage));
    const bool last = vms.size() < kPage;
    if (!vms.empty()) after = vms.back().uuid;
    for (state::VmRecord& vm : vms) {
      if (Has(vm.spec, volume)) users.push_back(std::move(vm));
    }
    if (last) return users;
  }
}

absl::Status VolumeUsers::CheckNone(const Uuid& volume) {
  ASSIGN_OR_RETURN(const std::vector<state::VmRecord> users, Find(volume));
  if (users.empty()) return absl::OkStatus();
  std::vector<std::string> names;
  for (const state::VmRecord& vm : users) {
    names.push_back(absl::StrCat(vm.uuid.ToString(), " (", vm.spec.name(), ")"));
  }
  return Error(absl::StatusCode::kFailedPrecondition, "VOLUME_OF_VM",
               absl::StrCat("volume ", volume.ToString(), " belongs to VM ", block::FirstOf(names),
                            " of this node, which would not start without it: delete the VM "
                            "first"));
}

absl::Status VolumeUsers::TellSize(const Uuid& volume, const block::ImageName& image, Bytes size) {
  ASSIGN_OR_RETURN(const std::vector<state::VmRecord> users, Find(volume));
  for (const state::VmRecord& vm : users) {
    const absl::Status told = hypervisor_.ResizeDisk(vm.uuid, image.pool, image.name, size.count());
    // A VM without a domain yet sees the size at its first start.
    if (!told.ok() && ErrorReason(told) != "DOMAIN_NOT_FOUND") {
      return Annotate(told, absl::StrCat("the volume has its new size, but VM ", vm.uuid.ToString(),
                                         " was not told"));
    }
  }
  return absl::OkStatus();
}

}  // namespace hvagent::reconcile
