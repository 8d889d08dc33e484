// Certificates for tests: authorities and what they sign, as PEM.
#ifndef HVAGENT_TESTS_UNIT_AGENTCTL_TEST_PKI_H_
#define HVAGENT_TESTS_UNIT_AGENTCTL_TEST_PKI_H_

#include <string>

#include "absl/time/time.h"
#include "agentctl/openssl_ptr.h"
#include "hvagent/v1/config.pb.h"
#include "tests/unit/agentctl/fake_agent.h"

namespace hvagent::agentctl {

struct TestCertificate {
  std::string certificate_pem;
  std::string key_pem;
};

class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name);

  // For `name` and the address 127.0.0.1.
  TestCertificate Issue(const std::string& name, absl::Time until) const;
  const std::string& certificate_pem() const { return certificate_pem_; }

 private:
  OpenSslPtr<EVP_PKEY> key_;
  OpenSslPtr<X509> certificate_;
  std::string certificate_pem_;
};

// Writes op.crt, op.key and ca.crt into `dir`.
v1::TlsFiles WriteTlsFiles(const TempDir& dir, const TestCertificate& own,
                           const std::string& ca_pem);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_TESTS_UNIT_AGENTCTL_TEST_PKI_H_
