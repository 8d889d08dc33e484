#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/spec_checks.h"
#include "domain_xml/spec_parts.h"

namespace hvagent::domain_xml {
namespace {

constexpr uint32_t kMaxBootOrder = 64;

// The numbers that were given out so far.
class Orders {
 public:
  absl::Status Add(absl::string_view device, uint32_t order) {
    if (order == 0) return absl::OkStatus();
    const std::string field = absl::StrCat(device, ".boot_order");
    RETURN_IF_ERROR(CheckRange(field, order, 1, kMaxBootOrder));
    if (taken_.insert(order).second) return absl::OkStatus();
    return InvalidField(field, absl::StrCat(order, " is another device's"));
  }

 private:
  std::set<uint32_t> taken_;
};

}  // namespace

absl::Status ValidateBootOrder(const v1::VmSpec& spec) {
  Orders orders;
  RETURN_IF_ERROR(orders.Add("root_disk", spec.root_disk().boot_order()));
  for (int i = 0; i < spec.volumes_size(); ++i) {
    RETURN_IF_ERROR(orders.Add(absl::StrCat("volumes[", i, "]"), spec.volumes(i).boot_order()));
  }
  for (int i = 0; i < spec.nics_size(); ++i) {
    RETURN_IF_ERROR(orders.Add(absl::StrCat("nics[", i, "]"), spec.nics(i).boot_order()));
  }
  return absl::OkStatus();
}

void NormalizeBootOrder(v1::VmSpec& spec) {
  if (spec.root_disk().boot_order() != 0) return;
  for (const v1::VolumeAttachment& volume : spec.volumes()) {
    if (volume.boot_order() != 0) return;
  }
  for (const v1::Nic& nic : spec.nics()) {
    if (nic.boot_order() != 0) return;
  }
  spec.mutable_root_disk()->set_boot_order(1);
}

}  // namespace hvagent::domain_xml
