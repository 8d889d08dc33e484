// What every ObjectStore must do: one test for each sentence of agent/block/object_store.h. An
// implementation registers itself with INSTANTIATE_TEST_SUITE_P(Name, ObjectStoreContract, ...).
#ifndef HVAGENT_TESTS_CONTRACT_BLOCK_OBJECT_STORE_CONTRACT_H_
#define HVAGENT_TESTS_CONTRACT_BLOCK_OBJECT_STORE_CONTRACT_H_

#include <functional>
#include <memory>
#include <string>

#include "agent/block/object_store.h"
#include "gtest/gtest.h"

namespace hvagent::block {

// A store that is connected, with the pool "backups".
class ObjectStoreUnderTest {
 public:
  virtual ~ObjectStoreUnderTest() = default;
  virtual ObjectStore& store() = 0;
};

using ObjectStoreFactory = std::function<std::unique_ptr<ObjectStoreUnderTest>()>;

class ObjectStoreContract : public ::testing::TestWithParam<ObjectStoreFactory> {
 protected:
  ObjectStoreContract();
  ~ObjectStoreContract() override;

  ObjectStore& store() { return subject_->store(); }

  std::unique_ptr<ObjectStoreUnderTest> subject_;
  ObjectName object_;  // gone when the test ends
};

}  // namespace hvagent::block

#endif  // HVAGENT_TESTS_CONTRACT_BLOCK_OBJECT_STORE_CONTRACT_H_
