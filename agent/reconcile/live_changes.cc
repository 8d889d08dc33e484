#include "agent/reconcile/live_changes.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace hvagent::reconcile {
namespace {

using domain_xml::ChangeConsequence;
using domain_xml::LiveDisk;

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

}  // namespace

bool IsVolume(absl::string_view source, absl::string_view volume_id) {
  return absl::EndsWith(source, absl::StrCat(kVolumePrefix, volume_id));
}

LiveChanges CompareWithGuest(const OlderDomain& older, const v1::VmSpec& desired) {
  LiveChanges changes;
  for (const v1::VolumeAttachment& volume : desired.volumes()) {
    const bool has = std::any_of(older.disks.begin(), older.disks.end(), [&](const LiveDisk& disk) {
      return IsVolume(disk.source, volume.id());
    });
    if (!has) changes.attach.push_back(volume.id());
  }
  for (const LiveDisk& disk : older.disks) {
    const absl::string_view volume = VolumeOf(disk);
    if (volume.empty() || Names(desired, volume)) continue;
    if (disk.was_attached || Names(older.spec, volume)) changes.detach.emplace_back(volume);
  }
  changes.grow_root_disk = desired.root_disk().size_gib() > older.spec.root_disk().size_gib();
  for (const domain_xml::SpecChange& change : domain_xml::CompareSpecs(older.spec, desired)) {
    if (change.consequence == ChangeConsequence::kPendingRestart) {
      changes.pending_restart.push_back(change.path);
    }
  }
  return changes;
}

}  // namespace hvagent::reconcile
