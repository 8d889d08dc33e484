// The contract on libvirt's own secret driver, run in this process with files of its own.
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/contract/hypervisor/libvirt_secrets_under_test.h"

namespace hvagent::hypervisor {
namespace {

// libvirt opens an embedded driver once in the life of a process, so the tests share it.
class EmbeddedRoot {
 public:
  EmbeddedRoot() : path_(absl::StrCat(::testing::TempDir(), "hvagent-secrets-XXXXXX")) {
    EXPECT_NE(mkdtemp(path_.data()), nullptr);
  }
  ~EmbeddedRoot() { std::filesystem::remove_all(path_); }

  std::string Uri() const { return absl::StrCat("secret:///embed?root=", path_); }

 private:
  std::string path_;
};

std::unique_ptr<SecretStoreUnderTest> MakeEmbedded() {
  static const EmbeddedRoot root;
  static const auto connection =
      std::make_shared<LibvirtConnection>(LibvirtOptions{.uri = root.Uri()});
  return std::make_unique<LibvirtSecretsUnderTest>(connection, /*is_daemon=*/false);
}

INSTANTIATE_TEST_SUITE_P(EmbeddedDriver, SecretStoreContract, ::testing::Values(MakeEmbedded));

}  // namespace
}  // namespace hvagent::hypervisor
