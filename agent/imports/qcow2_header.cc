#include "agent/imports/qcow2_header.h"

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::imports {
namespace {

constexpr absl::string_view kMagic("QFI\xfb", 4);

// Where the fields are, and how long each version's header is.
constexpr size_t kVersion = 4;
constexpr size_t kBackingFileOffset = 8;
constexpr size_t kBackingFileSize = 16;
constexpr size_t kClusterBits = 20;
constexpr size_t kSize = 24;
constexpr size_t kCryptMethod = 32;
constexpr size_t kL1Size = 36;
constexpr size_t kL1TableOffset = 40;
constexpr size_t kRefcountTableOffset = 48;
constexpr size_t kRefcountTableClusters = 56;
constexpr size_t kSnapshotCount = 60;
constexpr size_t kIncompatibleFeatures = 72;
constexpr size_t kRefcountOrder = 96;
constexpr size_t kHeaderLength = 100;
constexpr size_t kCompressionType = 104;
constexpr size_t kV2HeaderBytes = 72;
constexpr size_t kV3HeaderBytes = 104;

// Incompatible features, by bit.
constexpr uint64_t kDirty = 1 << 0;
constexpr uint64_t kCorrupt = 1 << 1;
constexpr uint64_t kExternalDataFile = 1 << 2;
constexpr uint64_t kCompressionTypeFeature = 1 << 3;
constexpr uint64_t kExtendedL2 = 1 << 4;
constexpr uint64_t kReadable = kCompressionTypeFeature | kExtendedL2;

// Header extensions.
constexpr uint32_t kEndOfExtensions = 0;
constexpr uint32_t kDataFileExtension = 0x44415441;
constexpr uint32_t kEncryptionExtension = 0x0537be77;

// QEMU's own limits.
constexpr uint32_t kMinClusterBits = 9;
constexpr uint32_t kMaxClusterBits = 21;
constexpr uint64_t kMaxL1Bytes = 32 << 20;
constexpr uint64_t kMaxRefcountTableBytes = 8 << 20;
constexpr uint32_t kMaxRefcountOrder = 6;
constexpr uint8_t kMaxCompressionType = 1;

constexpr uint64_t kSectorBytes = 512;

struct OtherFormat {
  absl::string_view name;
  size_t offset;
  absl::string_view magic;
};

constexpr OtherFormat kOtherFormats[] = {
    {"VMDK", 0, "KDMV"},
    {"VMDK", 0, "COWD"},
    {"VMDK", 0, "# Disk DescriptorFile"},
    {"QED", 0, absl::string_view("QED\0", 4)},
    {"VDI", 64, "\x7f\x10\xda\xbe"},
    {"VHD", 0, "conectix"},
    {"VHDX", 0, "vhdxfile"},
    {"Parallels", 0, "WithoutFreeSpace"},
    {"Parallels", 0, "WithouFreSpacExt"},
    {"LUKS", 0, "LUKS\xba\xbe"},
    {"gzip", 0, "\x1f\x8b"},
    {"xz", 0,
     absl::string_view("\xfd"
                       "7zXZ\0",
                       6)},
    {"zstd", 0, "\x28\xb5\x2f\xfd"},
};

// Big-endian, as everything in the format.
uint64_t ReadNumber(absl::string_view bytes) {
  uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

uint32_t Read32(absl::string_view bytes, size_t at) {
  return static_cast<uint32_t>(ReadNumber(bytes.substr(at, 4)));
}

uint64_t Read64(absl::string_view bytes, size_t at) { return ReadNumber(bytes.substr(at, 8)); }

absl::Status NotQcow2(absl::string_view what) {
  return Error(absl::StatusCode::kInvalidArgument, "NOT_QCOW2",
               absl::StrCat("the file is not of the format qcow2: ", what));
}

absl::Status Refused(absl::string_view why) {
  return Error(absl::StatusCode::kInvalidArgument, "QCOW2_REFUSED",
               absl::StrCat("the qcow2 file is refused: ", why));
}

absl::Status CheckIsQcow2(absl::string_view head) {
  for (const OtherFormat& other : kOtherFormats) {
    if (head.size() > other.offset && absl::StartsWith(head.substr(other.offset), other.magic)) {
      return NotQcow2(absl::StrCat("it is ", other.name,
                                   "; make it qcow2 or raw where you trust it, and import that"));
    }
  }
  if (!absl::StartsWith(head, kMagic)) return NotQcow2("it does not begin as one");
  if (head.size() < kV2HeaderBytes) return NotQcow2("it ends within its header");
  const uint32_t version = Read32(head, kVersion);
  if (version == 2) return absl::OkStatus();
  if (version != 3) return NotQcow2(absl::StrCat("it is QCOW version ", version, ", not 2 or 3"));
  if (head.size() < kV3HeaderBytes) return NotQcow2("it ends within its header");
  return absl::OkStatus();
}

absl::Status CheckFeatures(uint64_t features) {
  if ((features & kExternalDataFile) != 0) {
    return Refused("its data is in another file (external data file)");
  }
  if ((features & kCorrupt) != 0) return Refused("it is marked as corrupt");
  if ((features & kDirty) != 0) {
    return Refused(
        "it was not closed properly (marked as dirty): repair it with `qemu-img check -r all` "
        "where it was made");
  }
  if (const uint64_t unknown = features & ~kReadable; unknown != 0) {
    return Refused(absl::StrCat("it has incompatible features that are not known here (bits 0x",
                                absl::Hex(unknown), ")"));
  }
  return absl::OkStatus();
}

absl::Status CheckVersion3(absl::string_view head, uint64_t cluster_bytes) {
  const uint64_t features = Read64(head, kIncompatibleFeatures);
  RETURN_IF_ERROR(CheckFeatures(features));
  if (const uint32_t order = Read32(head, kRefcountOrder); order > kMaxRefcountOrder) {
    return Refused(absl::StrCat("its refcount order is ", order, ", not 0 to 6"));
  }
  const uint32_t length = Read32(head, kHeaderLength);
  if (length < kV3HeaderBytes || length % 8 != 0 || length > cluster_bytes ||
      length > head.size()) {
    return Refused(absl::StrCat("its header cannot be ", length, " bytes long"));
  }
  if ((features & kCompressionTypeFeature) != 0) {
    if (length <= kCompressionType) {
      return Refused("its header ends before the compression type that it has");
    }
    if (const auto type = static_cast<uint8_t>(head[kCompressionType]);
        type > kMaxCompressionType) {
      return Refused(absl::StrCat("its compression type ", type, " is not known here"));
    }
  }
  return absl::OkStatus();
}

// From the header's end on, in the first cluster.
absl::Status CheckExtensions(absl::string_view extensions) {
  while (extensions.size() >= 8) {
    const uint32_t type = Read32(extensions, 0);
    const uint64_t length = Read32(extensions, 4);
    if (type == kEndOfExtensions) return absl::OkStatus();
    if (type == kDataFileExtension) return Refused("it names another file for its data");
    if (type == kEncryptionExtension) return Refused("it is encrypted");
    const uint64_t padded = 8 + (length + 7) / 8 * 8;
    if (padded > extensions.size()) {
      return Refused("a header extension does not fit into its first cluster");
    }
    extensions.remove_prefix(padded);
  }
  return absl::OkStatus();
}

absl::Status CheckTable(absl::string_view what, uint64_t offset, uint64_t bytes, uint64_t max_bytes,
                        uint64_t cluster_bytes, uint64_t file_size) {
  if (bytes > max_bytes) {
    return Refused(absl::StrCat("its ", what, " has ", bytes, " bytes, more than the ", max_bytes,
                                " that are sensible"));
  }
  if (offset == 0 || offset % cluster_bytes != 0) {
    return Refused(absl::StrCat("its ", what, " cannot be at ", offset));
  }
  if (offset > file_size || bytes > file_size - offset) {
    return Refused(absl::StrCat("its ", what, " is past the end of the file, which was cut off"));
  }
  return absl::OkStatus();
}

absl::Status CheckVirtualSize(uint64_t size, Bytes max_virtual_size) {
  if (size == 0 || size % kSectorBytes != 0) {
    return Refused(absl::StrCat("a disk cannot have ", size, " bytes"));
  }
  if (Bytes(size) > max_virtual_size) {
    return Refused(absl::StrCat("its disk has ", size, " bytes, more than the ",
                                max_virtual_size.count(), " that are allowed here"));
  }
  return absl::OkStatus();
}

// The tables, without which no cluster can be found.
absl::Status CheckTables(absl::string_view head, uint64_t cluster_bytes, bool extended_l2,
                         uint64_t file_size) {
  const uint64_t l1_entries = Read32(head, kL1Size);
  const uint64_t l2_entries = cluster_bytes / (extended_l2 ? 16 : 8);
  const uint64_t of_one_entry = cluster_bytes * l2_entries;
  const uint64_t size = Read64(head, kSize);
  if (l1_entries < size / of_one_entry + (size % of_one_entry != 0 ? 1 : 0)) {
    return Refused(
        absl::StrCat("its L1 table of ", l1_entries, " entries is too short for ", size, " bytes"));
  }
  RETURN_IF_ERROR(CheckTable("L1 table", Read64(head, kL1TableOffset), l1_entries * 8, kMaxL1Bytes,
                             cluster_bytes, file_size));
  const uint64_t refcount_clusters = Read32(head, kRefcountTableClusters);
  if (refcount_clusters == 0) return Refused("it has no refcount table");
  return CheckTable("refcount table", Read64(head, kRefcountTableOffset),
                    refcount_clusters * cluster_bytes, kMaxRefcountTableBytes, cluster_bytes,
                    file_size);
}

}  // namespace

absl::StatusOr<Qcow2Header> InspectQcow2(absl::string_view head, uint64_t file_size,
                                         Bytes max_virtual_size) {
  RETURN_IF_ERROR(CheckIsQcow2(head));
  const uint32_t version = Read32(head, kVersion);
  if (Read64(head, kBackingFileOffset) != 0 || Read32(head, kBackingFileSize) != 0) {
    return Refused(
        "it has a backing file, without which it is no whole disk: `qemu-img convert` makes one");
  }
  if (Read32(head, kCryptMethod) != 0) return Refused("it is encrypted");
  const uint32_t cluster_bits = Read32(head, kClusterBits);
  if (cluster_bits < kMinClusterBits || cluster_bits > kMaxClusterBits) {
    return Refused(absl::StrCat("its cluster_bits are ", cluster_bits, ", not 9 to 21"));
  }
  const uint64_t cluster_bytes = uint64_t{1} << cluster_bits;
  size_t header_bytes = kV2HeaderBytes;
  bool extended_l2 = false;
  if (version == 3) {
    RETURN_IF_ERROR(CheckVersion3(head, cluster_bytes));
    header_bytes = Read32(head, kHeaderLength);
    extended_l2 = (Read64(head, kIncompatibleFeatures) & kExtendedL2) != 0;
  }
  RETURN_IF_ERROR(CheckExtensions(head.substr(0, cluster_bytes).substr(header_bytes)));
  RETURN_IF_ERROR(CheckVirtualSize(Read64(head, kSize), max_virtual_size));
  if (Read32(head, kSnapshotCount) != 0) {
    return Refused(
        "it has internal snapshots, which would be lost: `qemu-img convert` makes a file without");
  }
  RETURN_IF_ERROR(CheckTables(head, cluster_bytes, extended_l2, file_size));
  return Qcow2Header{.version = version,
                     .virtual_size = Bytes(Read64(head, kSize)),
                     .cluster_size = Bytes(cluster_bytes),
                     .l1_table_offset = Read64(head, kL1TableOffset),
                     .extended_l2 = extended_l2};
}

}  // namespace hvagent::imports
