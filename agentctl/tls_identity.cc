#include "agentctl/tls_identity.h"

#include <openssl/pem.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agentctl/files.h"
#include "agentctl/openssl_ptr.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace hvagent::agentctl {
namespace {

absl::Status TlsError(absl::string_view reason, absl::string_view message) {
  return Error(absl::StatusCode::kFailedPrecondition, reason, message);
}

absl::StatusOr<std::string> ReadNamed(absl::string_view field, const std::string& path) {
  if (path.empty()) {
    return TlsError("TLS_NOT_CONFIGURED",
                    absl::StrCat("no client certificate: the configuration does not set tls.",
                                 field, ", which a node with a TCP address needs"));
  }
  auto text = ReadFile(path);
  if (!text.ok()) return TlsError("TLS_FILE_UNREADABLE", text.status().message());
  return text;
}

absl::Status Malformed(absl::string_view path, absl::string_view what) {
  return TlsError("TLS_FILE_MALFORMED",
                  absl::StrCat(path, " holds no ", what, " in PEM: ", TakeOpenSslError()));
}

absl::Time TimeOf(const ASN1_TIME* time) {
  std::tm fields{};
  ASN1_TIME_to_tm(time, &fields);
  return absl::FromTimeT(timegm(&fields));
}

std::string Day(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M UTC", time, absl::UTCTimeZone());
}

std::string SubjectOf(X509& certificate) {
  char text[256];
  X509_NAME_oneline(X509_get_subject_name(&certificate), text, sizeof text);
  return text;
}

absl::Status CheckDates(X509& certificate, absl::string_view path, absl::Time now) {
  const absl::Time from = TimeOf(X509_get0_notBefore(&certificate));
  const absl::Time until = TimeOf(X509_get0_notAfter(&certificate));
  if (now > until) {
    return TlsError("TLS_CERTIFICATE_EXPIRED",
                    absl::StrCat("our own certificate ", path, " expired on ", Day(until),
                                 ": have a new one issued"));
  }
  if (now < from) {
    return TlsError("TLS_CERTIFICATE_NOT_YET_VALID",
                    absl::StrCat("our own certificate ", path, " is valid only from ", Day(from),
                                 ": look at this machine's clock, which says ", Day(now)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TlsIdentity> LoadTlsIdentity(const v1::TlsFiles& files, absl::Time now) {
  TlsIdentity identity;
  identity.certificate_file = files.certificate_file();
  identity.ca_file = files.ca_file();
  ASSIGN_OR_RETURN(identity.certificate_pem,
                   ReadNamed("certificate_file", files.certificate_file()));
  ASSIGN_OR_RETURN(std::string key_pem, ReadNamed("private_key_file", files.private_key_file()));
  identity.private_key_pem = secrets::SecretBytes(key_pem);
  secrets::WipeString(key_pem);
  ASSIGN_OR_RETURN(identity.ca_pem, ReadNamed("ca_file", files.ca_file()));

  const OpenSslPtr<X509> certificate(
      PEM_read_bio_X509(ReadingBio(identity.certificate_pem).get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) return Malformed(files.certificate_file(), "certificate");
  const OpenSslPtr<X509> ca(
      PEM_read_bio_X509(ReadingBio(identity.ca_pem).get(), nullptr, nullptr, nullptr));
  if (ca == nullptr) return Malformed(files.ca_file(), "certificate");
  // The empty pass phrase keeps OpenSSL from asking for one on the terminal.
  char no_pass_phrase[] = "";
  const OpenSslPtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(
      ReadingBio(identity.private_key_pem.Reveal()).get(), nullptr, nullptr, no_pass_phrase));
  if (key == nullptr) return Malformed(files.private_key_file(), "usable private key");

  RETURN_IF_ERROR(CheckDates(*certificate, files.certificate_file(), now));
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    ERR_clear_error();
    return TlsError("TLS_KEY_MISMATCH",
                    absl::StrCat(files.private_key_file(), " is not the private key of ",
                                 files.certificate_file()));
  }
  identity.subject = SubjectOf(*certificate);
  return identity;
}

}  // namespace hvagent::agentctl
