#include "secrets/key_source.h"

#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "secrets/secret_file.h"

namespace hvagent::secrets {

absl::StatusOr<CephKey> ReadKeyFile(const std::string& path, const std::string& entity) {
  if (!absl::StartsWith(path, "/")) {
    return Error(absl::StatusCode::kInvalidArgument, "KEY_FILE",
                 absl::StrCat("the key file \"", absl::CHexEscape(path),
                              "\" is not an absolute path on the node"));
  }
  ASSIGN_OR_RETURN(const SecretFile file, ReadSecretFile(path));
  const absl::string_view text = file.text.Reveal();
  // No base64 has a bracket, and no keyring is without a [section].
  const bool is_keyring = absl::StrContains(text, "[");
  absl::StatusOr<CephKey> key = is_keyring ? ParseKeyring(text, entity) : ParseCephKey(text);
  if (!key.ok()) return Annotate(key.status(), path);
  return key;
}

absl::StatusOr<CephKey> ReadKeyCredential(const std::string& name, const std::string& entity) {
  if (name.empty() || name == "." || name == ".." || absl::StrContains(name, "/")) {
    return Error(absl::StatusCode::kInvalidArgument, "CREDENTIAL_NAME",
                 absl::StrCat("\"", absl::CHexEscape(name), "\" is not a credential's name"));
  }
  const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (directory == nullptr || *directory == '\0') {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_CREDENTIALS",
                 absl::StrCat("this agent was given no credentials, so not ", name,
                              " either: add LoadCredential=", name, ":PATH to its systemd unit"));
  }
  return ReadKeyFile(absl::StrCat(directory, "/", name), entity);
}

}  // namespace hvagent::secrets
