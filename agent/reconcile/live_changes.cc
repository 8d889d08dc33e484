#include "agent/reconcile/live_changes.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace hvagent::reconcile {
namespace {

using domain_xml::ChangeConsequence;
using domain_xml::LiveDisk;
using domain_xml::SpecChange;

constexpr absl::string_view kVolumePrefix = "/volume-";

bool Names(const v1::VmSpec& spec, absl::string_view volume_id) {
  return std::any_of(spec.volumes().begin(), spec.volumes().end(),
                     [&](const v1::VolumeAttachment& volume) { return volume.id() == volume_id; });
}

// The id of the volume that a disk is over; empty when it is over none.
absl::string_view VolumeOf(const LiveDisk& disk) {
  const absl::string_view source = disk.source;
  const size_t prefix = source.rfind(kVolumePrefix);
  if (prefix == absl::string_view::npos) return "";
  return source.substr(prefix + kVolumePrefix.size());
}

// Whether `source` ("pool/image") is the volume of that id.
bool IsVolume(absl::string_view source, absl::string_view volume_id) {
  return absl::EndsWith(source, absl::StrCat(kVolumePrefix, volume_id));
}

bool Has(const std::vector<LiveDisk>& disks, absl::string_view volume_id) {
  return std::any_of(disks.begin(), disks.end(),
                     [&](const LiveDisk& disk) { return IsVolume(disk.source, volume_id); });
}

// The volume that a change of "volumes[1]" is about; nullptr for every other change.
const v1::VolumeAttachment* VolumeIn(const v1::VmSpec& spec, absl::string_view path) {
  int index = 0;
  if (!absl::ConsumePrefix(&path, "volumes[") || !absl::ConsumeSuffix(&path, "]") ||
      !absl::SimpleAtoi(path, &index) || index >= spec.volumes_size()) {
    return nullptr;
  }
  return &spec.volumes(index);
}

// What a HOT change asks of the guest, unless that was done.
void AddHot(const SpecChange& change, const OlderDomain& older, const v1::VmSpec& desired,
            LiveChanges& changes) {
  if (change.path == "root_disk.size_gib") changes.grow_root_disk = true;
  const bool removed = change.kind == SpecChange::Kind::kRemoved;
  const auto* volume = VolumeIn(removed ? older.spec : desired, change.path);
  if (volume == nullptr || Has(older.disks, volume->id()) != removed) return;
  (removed ? changes.detach : changes.attach).push_back(volume->id());
}

}  // namespace

LiveChanges CompareWithGuest(const OlderDomain& older, const v1::VmSpec& desired) {
  LiveChanges changes;
  for (const SpecChange& change : domain_xml::CompareSpecs(older.spec, desired)) {
    if (change.consequence == ChangeConsequence::kHot) {
      AddHot(change, older, desired, changes);
    } else if (change.consequence == ChangeConsequence::kPendingRestart) {
      changes.pending_restart.push_back(change.path);
    }
  }
  // What it was given since, and shall not have any more: the older spec does not know of it.
  for (const LiveDisk& disk : older.disks) {
    const absl::string_view volume = VolumeOf(disk);
    if (!disk.was_attached || volume.empty() || Names(desired, volume)) continue;
    if (!Names(older.spec, volume)) changes.detach.emplace_back(volume);
  }
  return changes;
}

}  // namespace hvagent::reconcile
