// Seam: small objects in the cluster's pools, beside RBD's own: what must outlive a node and
// belongs to what it describes. RadosObjectStore is librados; MemoryObjectStore is a shipped fake
// with the same semantics. Both pass tests/contract.
//
// Thread-safe. Every call blocks, and has the errors that block_store.h lists for every call.
#ifndef HVAGENT_AGENT_BLOCK_OBJECT_STORE_H_
#define HVAGENT_AGENT_BLOCK_OBJECT_STORE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hvagent::block {

struct ObjectName {
  std::string pool;
  std::string name;

  // "backups/hvagent.backups", for messages only.
  std::string ToString() const;
  friend auto operator<=>(const ObjectName&, const ObjectName&) = default;
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // Errors: NOT_FOUND (OBJECT_NOT_FOUND).
  virtual absl::StatusOr<std::string> Read(const ObjectName& object) = 0;
  // Replaces the whole object, or makes it: nobody reads a mixture. Idempotent.
  virtual absl::Status Write(const ObjectName& object, absl::string_view data) = 0;
  // Removes the object with its entries; one that is gone is no error.
  virtual absl::Status Remove(const ObjectName& object) = 0;

  // An object's entries, by key: an index that many clients change at once.
  using Entries = std::map<std::string, std::string>;
  // Sets these; others stay. Makes the object where it is not there. Idempotent.
  virtual absl::Status SetEntries(const ObjectName& object, const Entries& entries) = 0;
  // Those that are gone are no error, nor is an object that is.
  virtual absl::Status RemoveEntries(const ObjectName& object,
                                     const std::vector<std::string>& keys) = 0;
  // The first entries, at most `limit`, whose keys begin with `prefix` and sort after `after`. None
  // where the object is not there.
  virtual absl::StatusOr<Entries> ListEntries(const ObjectName& object, const std::string& prefix,
                                              const std::string& after, size_t limit) = 0;
};

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_OBJECT_STORE_H_
