// The errors that block_store.h promises, worded once for all its implementations.
#ifndef HVAGENT_AGENT_BLOCK_BLOCK_ERROR_H_
#define HVAGENT_AGENT_BLOCK_BLOCK_ERROR_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "agent/block/block_store.h"
#include "agent/block/object_store.h"

namespace hvagent::block {

absl::Status PoolNotFound(absl::string_view pool);
absl::Status ImageNotFound(const ImageName& image);
absl::Status SnapshotNotFound(const SnapshotName& snapshot);
absl::Status ObjectNotFound(const ObjectName& object);
absl::Status ImageExists(const ImageName& image);
absl::Status SnapshotNotProtected(const SnapshotName& snapshot);
absl::Status ImageTooLarge(const ImageName& image, Bytes size, Bytes wanted);

// These name the first of what stands in the way, and count the rest: an image may have thousands
// of children, and a message travels in an HTTP/2 trailer.
absl::Status ImageHasSnapshots(const ImageName& image, const std::vector<std::string>& names);
absl::Status ImageInUse(const ImageName& image, const std::vector<std::string>& addresses);
absl::Status ImageHasChildren(const SnapshotName& snapshot, const std::vector<Child>& children);
absl::Status TrashedImageNotFound(const std::string& pool, const std::string& id);
absl::Status TrashKept(const std::string& pool, const TrashedImage& image);
absl::Status FlattenStopped(const ImageName& image);

// The first ten of `names`, and how many more there are.
std::string FirstOf(const std::vector<std::string>& names);
std::string FirstOf(const std::vector<Child>& children);

// INVALID_ARGUMENT unless `object_size` is what an RBD image may have.
absl::Status CheckObjectSize(Bytes object_size);
// OUT_OF_RANGE (WRITE_PAST_END) unless the write ends within an image of `size`: librbd would cut
// it short and call that success.
absl::Status CheckWriteFits(const ImageName& image, Bytes size, uint64_t offset_bytes,
                            size_t length_bytes);

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_BLOCK_ERROR_H_
