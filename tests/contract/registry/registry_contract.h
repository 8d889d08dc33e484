// What every Registry must do: one test for each sentence of agent/registry/registry.h. An
// implementation registers itself with INSTANTIATE_TEST_SUITE_P(Name, RegistryContract, ...).
#ifndef HVAGENT_TESTS_CONTRACT_REGISTRY_REGISTRY_CONTRACT_H_
#define HVAGENT_TESTS_CONTRACT_REGISTRY_REGISTRY_CONTRACT_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/registry/registry.h"
#include "gtest/gtest.h"

namespace hvagent::registry {

// The registry of a cluster, from two of its nodes.
class RegistryUnderTest {
 public:
  virtual ~RegistryUnderTest() = default;
  virtual Registry& registry() = 0;
  virtual Registry& other_node() = 0;
  // What stands in a VM's record; to be read, and written behind the registry's back.
  virtual std::string Bytes(const Uuid& vm) = 0;
  virtual void SetBytes(const Uuid& vm, const std::string& bytes) = 0;
  virtual void RemoveBytes(const Uuid& vm) = 0;
};

using RegistryFactory = std::function<std::unique_ptr<RegistryUnderTest>()>;

class RegistryContract : public ::testing::TestWithParam<RegistryFactory> {
 protected:
  RegistryContract();
  // Leaves no record and no index behind.
  ~RegistryContract() override;

  Registry& registry() { return subject_->registry(); }
  Registry& other_node() { return subject_->other_node(); }

  Uuid NewVm();
  // A whole record, of epoch 1 on `here_`.
  v1::RegistryRecord RecordOf(const Uuid& vm) const;
  // Of a VM that nobody has.
  Entry Created(const Uuid& vm);
  std::vector<Uuid> List(const std::string& node);

  const std::unique_ptr<RegistryUnderTest> subject_;
  std::string here_, there_;  // two nodes

 private:
  std::vector<Uuid> vms_;
};

}  // namespace hvagent::registry

#endif  // HVAGENT_TESTS_CONTRACT_REGISTRY_REGISTRY_CONTRACT_H_
