// What every Hypervisor must do: the sentences of agent/hypervisor/hypervisor.h as tests. An
// implementation registers itself with INSTANTIATE_TEST_SUITE_P(Name, HypervisorContract, ...).
//
// It may run on a node that others use: domains have names of their own and are removed again.
#ifndef HVAGENT_TESTS_CONTRACT_HYPERVISOR_HYPERVISOR_CONTRACT_H_
#define HVAGENT_TESTS_CONTRACT_HYPERVISOR_HYPERVISOR_CONTRACT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/hypervisor/hypervisor.h"
#include "gtest/gtest.h"
#include "tests/support/notices.h"

namespace hvagent::hypervisor {

// A hypervisor that is connected.
class HypervisorUnderTest {
 public:
  virtual ~HypervisorUnderTest() = default;
  virtual Hypervisor& hypervisor() = 0;
  // A domain that can be started here.
  virtual std::string DomainXml(const Uuid& uuid, const std::string& name, uint64_t memory_mib) = 0;
  // What libvirt calls the domains that there can be here: "qemu".
  virtual std::string domain_type() const = 0;
  // Runs a guest of DomainXml's that nobody has defined; `info` describes it.
  virtual void RunTransient(const DomainInfo& info, const std::string& xml) = 0;
  // Whether a guest can be started paused; libvirt's test driver cannot.
  virtual bool guests_start_paused() const = 0;
  // Whether its guest stops when the power button is pressed.
  virtual bool guests_obey_power_button() const = 0;
  // Whether an agent runs in its guest.
  virtual bool guests_have_agent() const = 0;
  // Whether its guests have a serial console; libvirt's test driver cannot open one.
  virtual bool guests_have_console() const = 0;
};

using HypervisorFactory = std::function<std::unique_ptr<HypervisorUnderTest>()>;

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
  // With a disk that uses a secret, and a display with the password "sesame". Need not start.
  enum class Maker { kUs, kOthers };
  std::string XmlWithSecret(const TestDomain& domain, const Uuid& secret, Maker maker);
  TestDomain DefinedDomain();
  // Sets the listener, and returns when changes from here on are told by name: what came while
  // nobody listened is one notice of all, and so is a change that comes before that one is given.
  void Listen(hvagent::testing::Notices& notices);
  TestDomain RunningDomain();

  std::string Definition(const TestDomain& domain);
  DomainState StateOf(const TestDomain& domain);
  std::vector<DomainInfo> List();

 private:
  std::unique_ptr<HypervisorUnderTest> subject_;
  std::vector<TestDomain> domains_;
};

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_TESTS_CONTRACT_HYPERVISOR_HYPERVISOR_CONTRACT_H_
