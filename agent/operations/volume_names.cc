#include "agent/operations/volume_names.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"

namespace hvagent::operations {
namespace {

constexpr char kVolume[] = "volume-";
constexpr char kSnapshot[] = "snapshot-";
constexpr char kCloneSnapshot[] = ".clone_snap";
constexpr char kDeleted[] = ".deleted";

std::optional<Uuid> IdAfter(absl::string_view prefix, absl::string_view name) {
  if (!absl::ConsumePrefix(&name, prefix)) return std::nullopt;
  const auto id = Uuid::Parse(name);
  if (!id.ok() || id->ToString() != name) return std::nullopt;
  return *id;
}

}  // namespace

std::string VolumeName(const Uuid& id) { return absl::StrCat(kVolume, id.ToString()); }

std::string VolumeSnapshotName(const Uuid& id) { return absl::StrCat(kSnapshot, id.ToString()); }

std::string CloneSnapshotName(const Uuid& id) { return VolumeName(id) + kCloneSnapshot; }

std::optional<Uuid> VolumeIdOf(absl::string_view name) { return IdAfter(kVolume, name); }

std::optional<Uuid> VolumeSnapshotIdOf(absl::string_view name) { return IdAfter(kSnapshot, name); }

std::optional<Uuid> DeletedVolumeIdOf(absl::string_view name) {
  if (!absl::ConsumeSuffix(&name, kDeleted)) return std::nullopt;
  return VolumeIdOf(name);
}

bool IsCloneSnapshot(absl::string_view name) {
  return absl::ConsumeSuffix(&name, kCloneSnapshot) && VolumeIdOf(name).has_value();
}

absl::StatusOr<Uuid> ParseId(absl::string_view field, absl::string_view text) {
  auto id = Uuid::Parse(text);
  if (!id.ok()) return InvalidField(field, id.status().message());
  return id;
}

}  // namespace hvagent::operations
