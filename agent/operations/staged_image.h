// An image that is being imported: written under its operation's name, and given its own only when
// it is whole, snapshotted and protected. So an image with a proper name is always complete, and
// what a crash leaves is found by the operation's id (SettleImport).
#ifndef HVAGENT_AGENT_OPERATIONS_STAGED_IMAGE_H_
#define HVAGENT_AGENT_OPERATIONS_STAGED_IMAGE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/block/block_store.h"
#include "agent/operations/disk_digest.h"
#include "agent/operations/image_catalog.h"
#include "hvagent/v1/image.pb.h"

namespace hvagent::operations {

// What an image is made from.
struct ImageSource {
  v1::Image::Format format = v1::Image::RAW;
  std::string sha256;       // of the file as it comes; empty when it is not known
  std::string disk_digest;  // DiskDigest of what it holds; empty when it is not known
};

// Whether `existing` was made from `source`, or may have been as far as both are known: by the
// sha256 when both have one, else by the disk's digest.
// Errors: ALREADY_EXISTS (IMAGE_EXISTS).
absl::Status CheckMadeFrom(const v1::Image& existing, const ImageSource& source);

// Errors: INVALID_ARGUMENT (`field`: not the size of a raw disk).
absl::Status CheckDiskSize(absl::string_view field, uint64_t size_bytes, Bytes max_size);
// Errors: INVALID_ARGUMENT (`field`: neither empty nor 64 lower-case hexadecimal digits).
absl::Status CheckDigest(absl::string_view field, absl::string_view digest);
// Errors: INVALID_ARGUMENT (DIGEST_MISMATCH).
absl::Status CheckDigestIs(absl::string_view image_id, absl::string_view digest,
                           absl::string_view expected);

// What an import that ended somewhere came to: its image, if the renaming, its last step, had its
// effect; else nothing, and what it had staged is removed. Idempotent. Blocks on Ceph.
absl::StatusOr<std::optional<v1::Image>> SettleImport(ImageCatalog& catalog,
                                                      const std::string& operation_id,
                                                      const std::string& image_id);

// Not thread-safe. Blocks on Ceph.
class StagedImage {
 public:
  // kDigest: the image is there already, and what comes is only to be compared with it.
  enum class Purpose { kImage, kDigest };

  // `catalog` outlives this. Nothing is made yet. Whoever gives it up calls SettleImport.
  StagedImage(ImageCatalog& catalog, std::string operation_id, std::string image_id,
              Purpose purpose);

  // What an earlier attempt of the same operation left is removed.
  absl::Status Create(Bytes size);
  Bytes size() const { return size_; }

  // Queues what is not zeros of `data`, whole blocks (DiskDigest) but for the disk's last; waits
  // while too much is in flight. A place is written once.
  absl::Status Write(uint64_t offset_bytes, absl::string_view data);
  absl::Status Resize(Bytes size);

  // Of all that was written.
  std::string Digest() const { return digest_.Get(size_); }

  // Makes the image of what was written: the last step. When another import of the same source was
  // faster, its image. Errors: ALREADY_EXISTS (IMAGE_EXISTS, from another source).
  absl::StatusOr<v1::Image> Publish(const ImageSource& source);

  // Waits for what is in flight and writes no more.
  void Close() { writer_.reset(); }

 private:
  ImageCatalog& catalog_;
  const std::string operation_id_;
  const std::string image_id_;
  const Purpose purpose_;
  const block::ImageName name_;
  std::unique_ptr<block::ImageWriter> writer_;  // none where nothing is made
  Bytes size_;
  DiskDigest digest_;
};

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_STAGED_IMAGE_H_
