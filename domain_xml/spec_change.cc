#include "domain_xml/spec_change.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "domain_xml/spec_differences.h"
#include "domain_xml/spec_parts.h"
#include "domain_xml/vm_spec.h"

namespace hvagent::domain_xml {
namespace {

using Kind = SpecChange::Kind;

struct Rule {
  const char* path;  // without indices; also of all that is below it
  ChangeConsequence consequence;
  const char* how;
};

constexpr char kAtNextStart[] =
    "the domain is defined anew, and the guest has it from its next start";

// The first that fits counts; what none fits waits for the next start.
constexpr Rule kRules[] = {
    {"uuid", ChangeConsequence::kRefused, "another UUID is another VM"},
    {"name", ChangeConsequence::kRefused, "libvirt does not redefine a domain under another name"},
    {"node", ChangeConsequence::kRecordOnly,
     "it is where a VM is first placed; it stays where it is"},
    {"root_disk.image", ChangeConsequence::kRefused,
     "a VM keeps the root disk that it was made with"},
    {"root_disk.volume", ChangeConsequence::kRefused,
     "a VM keeps the root disk that it was made with"},
    {"root_disk.existing", ChangeConsequence::kRefused,
     "it was adopted, or not, when the VM was made"},
    {"tags", ChangeConsequence::kRecordOnly, "they are only recorded"},
    {"restart_policy", ChangeConsequence::kRecordOnly, "it counts when the guest stops"},
    {"cloud_init", ChangeConsequence::kRefused, "cloud-init reads it once, at the first boot"},
};

// "volumes[1].cache" without its indices.
std::string WithoutIndices(absl::string_view path) {
  std::string plain;
  bool in_index = false;
  for (const char c : path) {
    if (c == '[') in_index = true;
    if (!in_index) plain.push_back(c);
    if (c == ']') in_index = false;
  }
  return plain;
}

bool IsWithin(absl::string_view path, absl::string_view rule) {
  return absl::StartsWith(path, rule) && (path.size() == rule.size() || path[rule.size()] == '.');
}

Kind KindOf(DifferenceKind kind) {
  switch (kind) {
    case DifferenceKind::kAdded:
      return Kind::kAdded;
    case DifferenceKind::kRemoved:
      return Kind::kRemoved;
    case DifferenceKind::kChanged:
      break;
  }
  return Kind::kChanged;
}

void JudgeRootDiskSize(const v1::VmSpec& from, const v1::VmSpec& to, SpecChange& change) {
  if (to.root_disk().size_gib() == 0) {
    change.consequence = ChangeConsequence::kRecordOnly;
    change.how = "the adopted disk stays as large as it is";
  } else if (to.root_disk().size_gib() < from.root_disk().size_gib()) {
    change.consequence = ChangeConsequence::kRefused;
    change.how = "a disk does not shrink: what stands at its end would be lost";
  } else {
    change.consequence = ChangeConsequence::kHot;
    change.how = "the disk is grown, and a running guest is told";
  }
}

bool HasScsiDisk(const v1::VmSpec& spec) {
  return spec.root_disk().bus() == v1::SCSI ||
         std::any_of(spec.volumes().begin(), spec.volumes().end(),
                     [](const v1::VolumeAttachment& volume) { return volume.bus() == v1::SCSI; });
}

uint32_t Iothreads(const v1::VmSpec& spec) {
  uint32_t highest = spec.root_disk().iothread();
  for (const v1::VolumeAttachment& volume : spec.volumes()) {
    highest = std::max(highest, volume.iothread());
  }
  return highest;
}

// Why a running guest with the spec `from` cannot be given the volume; nullptr if it can.
const char* WhyNotAttached(const v1::VmSpec& from, const v1::VolumeAttachment& volume) {
  if (volume.bus() == v1::SATA) return "QEMU plugs no SATA disk into a running guest";
  if (volume.bus() == v1::SCSI && !HasScsiDisk(from)) {
    return "the guest has a SCSI controller only from its next start";
  }
  if (volume.iothread() > Iothreads(from)) {
    return "the guest has that IO thread only from its next start";
  }
  if (volume.boot_order() != 0) return "the firmware looks at it at the guest's next start";
  return nullptr;
}

const v1::VolumeAttachment& VolumeAt(const v1::VmSpec& spec, absl::string_view path) {
  int index = 0;
  absl::ConsumePrefix(&path, "volumes[");
  absl::ConsumeSuffix(&path, "]");
  const bool is_number = absl::SimpleAtoi(path, &index);
  return spec.volumes(is_number ? index : 0);
}

// A volume as a whole.
void JudgeVolume(const v1::VmSpec& from, const v1::VmSpec& to, SpecChange& change) {
  const bool added = change.kind == Kind::kAdded;
  const v1::VolumeAttachment& volume = VolumeAt(added ? to : from, change.path);
  if (added) {
    if (const char* why_not = WhyNotAttached(from, volume); why_not != nullptr) {
      change.how = why_not;
      return;
    }
  } else if (volume.bus() == v1::SATA) {
    change.how = "QEMU unplugs no SATA disk from a running guest";
    return;
  }
  change.consequence = ChangeConsequence::kHot;
  change.how = added ? "it is attached to a running guest"
                     : "it is detached from a running guest once the guest lets go of it";
}

SpecChange Judge(const v1::VmSpec& from, const v1::VmSpec& to, Difference difference) {
  SpecChange change{.path = std::move(difference.path),
                    .kind = KindOf(difference.kind),
                    .consequence = ChangeConsequence::kPendingRestart,
                    .how = kAtNextStart};
  const std::string path = WithoutIndices(change.path);
  const auto* rule = std::find_if(std::begin(kRules), std::end(kRules),
                                  [&](const Rule& r) { return IsWithin(path, r.path); });
  if (rule != std::end(kRules)) {
    change.consequence = rule->consequence;
    change.how = rule->how;
  } else if (path == "root_disk.size_gib") {
    JudgeRootDiskSize(from, to, change);
  } else if (path == "volumes") {
    JudgeVolume(from, to, change);
  }
  return change;
}

// Whether the elements that both lists have come in another order.
template <typename List, typename Key>
bool OrderDiffers(const List& from, const List& to, Key key) {
  const auto in_both = [&key](const List& list, const List& other) {
    std::vector<std::string> keys;
    for (const auto& element : list) {
      const bool shared = std::any_of(other.begin(), other.end(), [&](const auto& candidate) {
        return key(candidate) == key(element);
      });
      if (shared) keys.push_back(key(element));
    }
    return keys;
  };
  return in_both(from, to) != in_both(to, from);
}

void AddOrder(const char* list, std::vector<SpecChange>& changes) {
  changes.push_back({.path = list,
                     .kind = Kind::kChanged,
                     .consequence = ChangeConsequence::kPendingRestart,
                     .how = "their order is another from the guest's next start"});
}

}  // namespace

const char* ConsequenceName(ChangeConsequence consequence) {
  switch (consequence) {
    case ChangeConsequence::kRecordOnly:
      return "RECORD_ONLY";
    case ChangeConsequence::kHot:
      return "HOT";
    case ChangeConsequence::kPendingRestart:
      return "PENDING_RESTART";
    case ChangeConsequence::kRefused:
      return "REFUSED";
  }
  return "UNKNOWN";
}

std::vector<SpecChange> CompareSpecs(const v1::VmSpec& from, const v1::VmSpec& to) {
  const v1::VmSpec before = Normalize(from);
  const v1::VmSpec after = Normalize(to);
  std::vector<SpecChange> changes;
  for (Difference& found : FindDifferences(before, after, MatchElements::kByKey)) {
    if (found.path == "power_state") continue;
    // Left out it is memory_mib, and stated as that it is the same.
    if (found.path == "balloon.max_memory_mib" && MaxMemoryMib(before) == MaxMemoryMib(after)) {
      continue;
    }
    changes.push_back(Judge(before, after, std::move(found)));
  }
  if (OrderDiffers(before.volumes(), after.volumes(), [](const auto& v) { return v.id(); })) {
    AddOrder("volumes", changes);
  }
  if (OrderDiffers(before.nics(), after.nics(), [](const auto& nic) { return nic.mac(); })) {
    AddOrder("nics", changes);
  }
  return changes;
}

}  // namespace hvagent::domain_xml
