#include "agent/reconcile/no_cloud_disk.h"

#include <archive.h>
#include <archive_entry.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::reconcile {
namespace {

struct FreeArchive {
  void operator()(archive* handle) const { archive_write_free(handle); }
};
struct FreeEntry {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};
using ArchiveHandle = std::unique_ptr<archive, FreeArchive>;
using EntryHandle = std::unique_ptr<archive_entry, FreeEntry>;

// The message of libarchive's is of the format, never of the files' content.
absl::Status ToStatus(const ArchiveHandle& disk, la_ssize_t result) {
  if (result >= ARCHIVE_OK) return absl::OkStatus();
  const char* const why = archive_error_string(disk.get());
  return Error(absl::StatusCode::kInternal, "CONFIG_DRIVE_FAILED",
               absl::StrCat("cannot make the config drive: ", why == nullptr ? "no memory" : why));
}

la_ssize_t Append(archive* /*disk*/, void* out, const void* data, size_t size) noexcept {
  static_cast<std::string*>(out)->append(static_cast<const char*>(data), size);
  return static_cast<la_ssize_t>(size);
}

absl::Status AddFile(const ArchiveHandle& disk, const char* name, const std::string& content) {
  const EntryHandle entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), name);
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0444);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
  RETURN_IF_ERROR(ToStatus(disk, archive_write_header(disk.get(), entry.get())));
  return ToStatus(disk, archive_write_data(disk.get(), content.data(), content.size()));
}

std::string MetaData(const v1::VmSpec& spec) {
  if (!spec.cloud_init().meta_data().empty()) return spec.cloud_init().meta_data();
  return absl::StrCat("instance-id: ", spec.uuid(), "\nlocal-hostname: ", spec.name(), "\n");
}

}  // namespace

absl::StatusOr<std::string> MakeNoCloudDisk(const v1::VmSpec& spec) {
  std::string content;
  const ArchiveHandle disk(archive_write_new());
  RETURN_IF_ERROR(ToStatus(disk, archive_write_set_format_iso9660(disk.get())));
  RETURN_IF_ERROR(ToStatus(
      disk, archive_write_set_format_option(disk.get(), "iso9660", "volume-id", "cidata")));
  RETURN_IF_ERROR(ToStatus(disk, archive_write_set_bytes_in_last_block(disk.get(), 2048)));
  RETURN_IF_ERROR(
      ToStatus(disk, archive_write_open(disk.get(), &content, nullptr, Append, nullptr)));
  RETURN_IF_ERROR(AddFile(disk, "user-data", spec.cloud_init().user_data()));
  RETURN_IF_ERROR(AddFile(disk, "meta-data", MetaData(spec)));
  if (!spec.cloud_init().network_config().empty()) {
    RETURN_IF_ERROR(AddFile(disk, "network-config", spec.cloud_init().network_config()));
  }
  RETURN_IF_ERROR(ToStatus(disk, archive_write_close(disk.get())));
  return content;
}

}  // namespace hvagent::reconcile
