// ObjectStore on librados, over the block store's connection.
#ifndef HVAGENT_AGENT_BLOCK_RADOS_OBJECT_STORE_H_
#define HVAGENT_AGENT_BLOCK_RADOS_OBJECT_STORE_H_

#include <string>
#include <vector>

#include "agent/block/object_store.h"
#include "agent/block/rbd_connection.h"

namespace hvagent::block {

class RadosObjectStore : public ObjectStore {
 public:
  // `connection` outlives this.
  explicit RadosObjectStore(RbdConnection& connection) : connection_(connection) {}

  absl::StatusOr<std::string> Read(const ObjectName& object) override;
  absl::Status Write(const ObjectName& object, absl::string_view data) override;
  absl::Status Remove(const ObjectName& object) override;
  absl::Status SetEntries(const ObjectName& object, const Entries& entries) override;
  absl::Status RemoveEntries(const ObjectName& object,
                             const std::vector<std::string>& keys) override;
  absl::StatusOr<Entries> ListEntries(const ObjectName& object, const std::string& prefix,
                                      const std::string& after, size_t limit) override;

 private:
  // Carries out what `fill` puts into a write operation.
  template <typename Fill>
  absl::Status Change(const ObjectName& object, absl::string_view verb, Fill fill);

  RbdConnection& connection_;
};

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_RADOS_OBJECT_STORE_H_
