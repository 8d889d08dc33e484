// What every Hypervisor must do: the sentences of agent/hypervisor/hypervisor.h as tests. An
// implementation registers itself with INSTANTIATE_TEST_SUITE_P(Name, HypervisorContract, ...).
//
// It may run on a node that others use: domains have names of their own and are removed again.
#ifndef HVAGENT_TESTS_CONTRACT_HYPERVISOR_HYPERVISOR_CONTRACT_H_
#define HVAGENT_TESTS_CONTRACT_HYPERVISOR_HYPERVISOR_CONTRACT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/hypervisor/hypervisor.h"
#include "base/mutex.h"
#include "gtest/gtest.h"

namespace hvagent::hypervisor {

// A hypervisor that is connected.
class HypervisorUnderTest {
 public:
  virtual ~HypervisorUnderTest() = default;
  virtual Hypervisor& hypervisor() = 0;
  // A domain that can be started here.
  virtual std::string DomainXml(const Uuid& uuid, const std::string& name, uint64_t memory_mib) = 0;
  // Whether its guest stops when the power button is pressed.
  virtual bool guests_obey_power_button() const = 0;
};

using HypervisorFactory = std::function<std::unique_ptr<HypervisorUnderTest>()>;

// Keeps what a listener was told, until it is awaited.
class Notices {
 public:
  DomainListener Listener();
  // Waits for a notice of `domain`, or of all for nullopt, and forgets it. Returns false when
  // none came within a generous time.
  bool Await(std::optional<Uuid> domain);
  size_t count();

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::optional<Uuid>> notices_ ABSL_GUARDED_BY(mutex_);
};

class HypervisorContract : public ::testing::TestWithParam<HypervisorFactory> {
 protected:
  // A domain that is gone when the test ends.
  struct TestDomain {
    Uuid uuid;
    std::string name;
  };

  HypervisorContract();
  ~HypervisorContract() override;

  Hypervisor& hypervisor() { return subject_->hypervisor(); }
  HypervisorUnderTest& subject() { return *subject_; }

  // Not defined yet.
  TestDomain NewDomain();
  std::string Xml(const TestDomain& domain, uint64_t memory_mib = 64);
  TestDomain DefinedDomain();
  TestDomain RunningDomain();

  DomainState StateOf(const TestDomain& domain);
  std::vector<DomainInfo> List();

 private:
  std::unique_ptr<HypervisorUnderTest> subject_;
  std::vector<TestDomain> domains_;
};

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_TESTS_CONTRACT_HYPERVISOR_HYPERVISOR_CONTRACT_H_
