// An object store of which one call can be made to fail, as MemoryBlockStore's can.
#ifndef HVAGENT_TESTS_SUPPORT_FAULTY_OBJECT_STORE_H_
#define HVAGENT_TESTS_SUPPORT_FAULTY_OBJECT_STORE_H_

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "agent/block/memory_block_store.h"
#include "agent/block/object_store.h"

namespace hvagent::testing {

// Not thread-safe.
class FaultyObjectStore : public block::ObjectStore {
 public:
  using Effect = block::MemoryBlockStore::Effect;

  // `store` does the work, and outlives this.
  explicit FaultyObjectStore(block::ObjectStore& store) : store_(store) {}

  // As MemoryBlockStore's.
  void FailNth(int n, absl::Status status, Effect effect) {
    calls_until_failure_ = n;
    failure_ = std::move(status);
    effect_ = effect;
  }
  bool FailurePending() const { return calls_until_failure_ > 0; }

  absl::StatusOr<std::string> Read(const block::ObjectName& object) override {
    return Call([&] { return store_.Read(object); });
  }
  absl::Status Write(const block::ObjectName& object, absl::string_view data) override {
    return Call([&] { return store_.Write(object, data); });
  }
  absl::Status Remove(const block::ObjectName& object) override {
    return Call([&] { return store_.Remove(object); });
  }
  absl::Status SetEntries(const block::ObjectName& object, const Entries& entries) override {
    return Call([&] { return store_.SetEntries(object, entries); });
  }
  absl::Status RemoveEntries(const block::ObjectName& object,
                             const std::vector<std::string>& keys) override {
    return Call([&] { return store_.RemoveEntries(object, keys); });
  }
  absl::StatusOr<Entries> ListEntries(const block::ObjectName& object, const std::string& prefix,
                                      const std::string& after, size_t limit) override {
    return Call([&] { return store_.ListEntries(object, prefix, after, limit); });
  }

 private:
  template <typename Body>
  std::invoke_result_t<Body> Call(Body body) {
    if (calls_until_failure_ == 0 || --calls_until_failure_ > 0) return body();
    if (effect_ == Effect::kDone) (void)body();
    return failure_;
  }

  block::ObjectStore& store_;
  int calls_until_failure_ = 0;
  absl::Status failure_;
  Effect effect_ = Effect::kNone;
};

}  // namespace hvagent::testing

#endif  // HVAGENT_TESTS_SUPPORT_FAULTY_OBJECT_STORE_H_
