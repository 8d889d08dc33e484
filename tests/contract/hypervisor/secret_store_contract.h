// What every SecretStore must do: the sentences of secrets/secret_store.h as tests. An
// implementation registers itself with INSTANTIATE_TEST_SUITE_P(Name, SecretStoreContract, ...).
//
// It may run on a node that others use: secrets have usages of their own and are removed again.
#ifndef HVAGENT_TESTS_CONTRACT_HYPERVISOR_SECRET_STORE_CONTRACT_H_
#define HVAGENT_TESTS_CONTRACT_HYPERVISOR_SECRET_STORE_CONTRACT_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "secrets/secret_store.h"
#include "tests/support/notices.h"

namespace hvagent::hypervisor {

// A store that is connected.
class SecretStoreUnderTest {
 public:
  virtual ~SecretStoreUnderTest() = default;
  virtual secrets::SecretStore& store() = 0;
  // Whether it survives an Undefine, or an ephemeral secret: libvirt 9.0's secret driver does not
  // when it runs in process (it calls a callback that only a daemon sets).
  virtual bool can_undefine() const { return true; }
  virtual bool can_be_ephemeral() const { return true; }
  // Whether nobody has listened to it before.
  virtual bool is_unheard() const { return true; }
};

using SecretStoreFactory = std::function<std::unique_ptr<SecretStoreUnderTest>()>;

class SecretStoreContract : public ::testing::TestWithParam<SecretStoreFactory> {
 protected:
  SecretStoreContract();
  ~SecretStoreContract() override;

  secrets::SecretStore& store() { return subject_->store(); }
  SecretStoreUnderTest& subject() { return *subject_; }

  // Not defined yet; gone when the test ends.
  secrets::SecretRecord NewRecord();
  // Defined, with a value if there is one.
  secrets::SecretRecord DefinedRecord(const std::string& value = "");
  // Its value, or the error as text.
  std::string ValueOf(const secrets::SecretRecord& record);
  std::vector<secrets::SecretRecord> List();
  // Sets the listener, and returns when changes from here on are told by name: what came while
  // nobody listened is one notice of all, and so is a change that comes before that one is given.
  void Listen(hvagent::testing::Notices& notices);

 private:
  std::unique_ptr<SecretStoreUnderTest> subject_;
  std::vector<Uuid> uuids_;
};

}  // namespace hvagent::hypervisor

#endif  // HVAGENT_TESTS_CONTRACT_HYPERVISOR_SECRET_STORE_CONTRACT_H_
