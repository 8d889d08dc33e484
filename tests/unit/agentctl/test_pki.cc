#include "tests/unit/agentctl/test_pki.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>

namespace hvagent::agentctl {
namespace {

std::string TextOf(BIO& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(&bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

std::string PemOf(X509& certificate) {
  const OpenSslPtr<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), &certificate);
  return TextOf(*bio);
}

std::string PemOf(EVP_PKEY& key) {
  const OpenSslPtr<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), &key, nullptr, nullptr, 0, nullptr, nullptr);
  return TextOf(*bio);
}

void AddExtension(X509& certificate, X509& issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  X509_add_ext(&certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

OpenSslPtr<X509> Unsigned(const std::string& name, EVP_PKEY& key, absl::Time until) {
  OpenSslPtr<X509> certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  int64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  ASN1_INTEGER_set_int64(X509_get_serialNumber(certificate.get()), serial & INT64_MAX);
  const absl::Time from = std::min(until - absl::Hours(1), absl::Now() - absl::Hours(1));
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), absl::ToTimeT(from));
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), absl::ToTimeT(until));
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_pubkey(certificate.get(), &key);
  return certificate;
}

}  // namespace

TestAuthority::TestAuthority(const std::string& name) : key_(EVP_EC_gen("P-256")) {
  certificate_ = Unsigned(name, *key_, absl::Now() + absl::Hours(24));
  X509_set_issuer_name(certificate_.get(), X509_get_subject_name(certificate_.get()));
  AddExtension(*certificate_, *certificate_, NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(certificate_.get(), key_.get(), EVP_sha256());
  certificate_pem_ = PemOf(*certificate_);
}

TestCertificate TestAuthority::Issue(const std::string& name, absl::Time until) const {
  const OpenSslPtr<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const OpenSslPtr<X509> certificate = Unsigned(name, *key, until);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate_.get()));
  AddExtension(*certificate, *certificate_, NID_subject_alt_name,
               ("DNS:" + name + ",IP:127.0.0.1").c_str());
  X509_sign(certificate.get(), key_.get(), EVP_sha256());
  return {PemOf(*certificate), PemOf(*key)};
}

v1::TlsFiles WriteTlsFiles(const TempDir& dir, const TestCertificate& own,
                           const std::string& ca_pem) {
  v1::TlsFiles files;
  files.set_certificate_file(dir.Write("op.crt", own.certificate_pem));
  files.set_private_key_file(dir.Write("op.key", own.key_pem));
  files.set_ca_file(dir.Write("ca.crt", ca_pem));
  return files;
}

}  // namespace hvagent::agentctl
