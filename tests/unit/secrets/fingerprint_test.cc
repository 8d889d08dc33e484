#include "secrets/fingerprint.h"

#include <string>

#include "gtest/gtest.h"

namespace hvagent::secrets {
namespace {

// RFC 4231, cut to the first 8 bytes.
TEST(FingerprintTest, IsHmacSha256) {
  EXPECT_EQ(Fingerprint(SecretBytes(std::string(20, 0x0b)), SecretBytes("Hi There")),
            "b0344c61d8db3853");
  EXPECT_EQ(Fingerprint(SecretBytes("Jefe"), SecretBytes("what do ya want for nothing?")),
            "5bdcc146bf60754e");
  EXPECT_EQ(Fingerprint(SecretBytes(std::string(131, '\xaa')),
                        SecretBytes("Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f");
}

TEST(FingerprintTest, OfNothingIsOneToo) {
  EXPECT_EQ(Fingerprint(SecretBytes(), SecretBytes()), "b613679a0814d9ec");
}

TEST(FingerprintTest, DiffersByTheSaltAndByTheValue) {
  const SecretBytes value("value");
  const std::string fingerprint = Fingerprint(SecretBytes("salt"), value);
  EXPECT_EQ(Fingerprint(SecretBytes("salt"), value), fingerprint);
  EXPECT_NE(Fingerprint(SecretBytes("tlas"), value), fingerprint);
  EXPECT_NE(Fingerprint(SecretBytes("salt"), SecretBytes("Value")), fingerprint);
}

}  // namespace
}  // namespace hvagent::secrets
