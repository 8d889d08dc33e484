#include "agent/block/rbd_directory.h"

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "agent/block/rbd_error.h"
#include "base/status_macros.h"

namespace hvagent::block {
namespace {

// librbd's rbd_list2 reads a pool's whole directory each time. The directory is the omap of one
// object, with an entry "name_<image>" for each image, in order: src/cls/rbd/cls_rbd.cc of Ceph
// (dir_add_image, dir_list), the same since format 2 came.
constexpr char kDirectory[] = "rbd_directory";
constexpr char kNamePrefix[] = "name_";

}  // namespace

absl::StatusOr<std::vector<std::string>> ListImageNames(const RadosSession& session,
                                                        const std::string& pool,
                                                        const std::string& after, size_t limit) {
  ASSIGN_OR_RETURN(const PoolHandle handle, session.OpenPool(pool));
  std::vector<std::string> names;
  std::string last = absl::StrCat(kNamePrefix, after);
  bool more = true;
  // One answer has no more entries than the OSD likes. Asks once even for none: may we look?
  do {
    const ReadOpHandle op(rados_create_read_op());
    rados_omap_iter_t entries = nullptr;
    unsigned char has_more = 0;
    int ignored = 0;
    rados_read_op_omap_get_vals2(op.get(), last.c_str(), kNamePrefix,
                                 std::max<size_t>(1, limit - names.size()), &entries, &has_more,
                                 &ignored);
    const OmapIteratorHandle iterator(entries);
    const int result = rados_read_op_operate(op.get(), handle.get(), kDirectory, 0);
    if (result == -ENOENT) return names;  // No image was ever made in the pool.
    RETURN_IF_ERROR(
        CephStatus(result, absl::StrCat("list the images of pool ", pool), session.entity()));
    char *key = nullptr, *value = nullptr;
    size_t key_size = 0, value_size = 0;
    while (rados_omap_get_next2(iterator.get(), &key, &value, &key_size, &value_size) == 0 &&
           key != nullptr) {
      last.assign(key, key_size);
      names.push_back(last.substr(sizeof(kNamePrefix) - 1));
    }
    more = has_more != 0;
  } while (more && names.size() < limit);
  if (names.size() > limit) names.resize(limit);
  return names;
}

}  // namespace hvagent::block
