#include "agent/hypervisor/libvirt_secret_store.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/hypervisor/libvirt_error.h"
#include "agent/hypervisor/libvirt_handles.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "pugixml.hpp"

namespace hvagent::hypervisor {
namespace {

using secrets::SecretBytes;
using secrets::SecretRecord;

// The functions below work on a thread of the connection's.

Uuid UuidOf(virSecretPtr secret) {
  Uuid::Bytes uuid{};
  virSecretGetUUID(secret, uuid.data());  // fails for an invalid pointer only
  return Uuid(uuid);
}

bool IsCeph(virSecretPtr secret) {
  return virSecretGetUsageType(secret) == VIR_SECRET_USAGE_TYPE_CEPH;
}

absl::Status NotFound(const Uuid& uuid) {
  return Error(absl::StatusCode::kNotFound, "SECRET_NOT_FOUND",
               absl::StrCat("libvirt has no ceph secret ", uuid.ToString()));
}

// The secret of any type, or null. Errors: all but "there is none".
absl::StatusOr<VirSecret> Look(virConnectPtr connection, const Uuid& uuid) {
  VirSecret secret(virSecretLookupByUUID(connection, uuid.bytes().data()));
  if (secret != nullptr) return secret;
  absl::Status status = LibvirtError(absl::StrCat("cannot look up secret ", uuid.ToString()));
  if (RawCode(status, "libvirt") == VIR_ERR_NO_SECRET) return VirSecret();
  return status;
}

absl::StatusOr<VirSecret> FindCeph(virConnectPtr connection, const Uuid& uuid) {
  ASSIGN_OR_RETURN(VirSecret secret, Look(connection, uuid));
  if (secret == nullptr || !IsCeph(secret.get())) return NotFound(uuid);
  return secret;
}

// The ceph secrets that pass `filter`, a VIR_CONNECT_LIST_SECRETS_ flag or 0 for all.
absl::StatusOr<std::vector<VirSecret>> ListCeph(virConnectPtr connection, unsigned int filter) {
  virSecretPtr* list = nullptr;
  const int count = virConnectListAllSecrets(connection, &list, filter);
  if (count < 0) return LibvirtError("cannot list secrets");
  std::vector<VirSecret> secrets;
  for (int i = 0; i < count; ++i) {
    VirSecret secret(list[i]);
    if (IsCeph(secret.get())) secrets.push_back(std::move(secret));
  }
  std::free(list);
  return secrets;
}

absl::StatusOr<std::set<Uuid>> ListUuids(virConnectPtr connection, unsigned int filter) {
  ASSIGN_OR_RETURN(const std::vector<VirSecret> secrets, ListCeph(connection, filter));
  std::set<Uuid> uuids;
  for (const VirSecret& secret : secrets) uuids.insert(UuidOf(secret.get()));
  return uuids;
}

// Three calls for any number of secrets: the flags are in no reply, but can be asked for.
absl::StatusOr<std::vector<SecretRecord>> ListRecords(virConnectPtr connection) {
  ASSIGN_OR_RETURN(const std::vector<VirSecret> secrets, ListCeph(connection, 0));
  ASSIGN_OR_RETURN(const std::set<Uuid> ephemeral,
                   ListUuids(connection, VIR_CONNECT_LIST_SECRETS_EPHEMERAL));
  ASSIGN_OR_RETURN(const std::set<Uuid> is_private,
                   ListUuids(connection, VIR_CONNECT_LIST_SECRETS_PRIVATE));
  std::vector<SecretRecord> records;
  for (const VirSecret& secret : secrets) {
    const Uuid uuid = UuidOf(secret.get());
    records.push_back({.uuid = uuid,
                       .usage = virSecretGetUsageID(secret.get()),
                       .ephemeral = ephemeral.contains(uuid),
                       .is_private = is_private.contains(uuid)});
  }
  return records;
}

// What libvirt knows of a secret but its key.
absl::StatusOr<SecretRecord> Describe(virSecretPtr secret) {
  const VirString xml(virSecretGetXMLDesc(secret, 0));
  if (xml == nullptr) return LibvirtError("cannot describe a secret");
  pugi::xml_document document;
  document.load_string(xml.get());
  const pugi::xml_node root = document.child("secret");
  return SecretRecord{.uuid = UuidOf(secret),
                      .usage = virSecretGetUsageID(secret),
                      .ephemeral = root.attribute("ephemeral").as_bool(),
                      .is_private = root.attribute("private").as_bool()};
}

std::string ToXml(const SecretRecord& record) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("secret");
  root.append_attribute("ephemeral") = record.ephemeral ? "yes" : "no";
  root.append_attribute("private") = record.is_private ? "yes" : "no";
  root.append_child("uuid").text() = record.uuid.ToString().c_str();
  pugi::xml_node usage = root.append_child("usage");
  usage.append_attribute("type") = "ceph";
  usage.append_child("name").text() = record.usage.c_str();
  std::ostringstream text;
  document.save(text, "", pugi::format_raw | pugi::format_no_declaration);
  return text.str();
}

// A define that libvirt refuses, since `owner` is there.
absl::Status Conflict(virSecretPtr owner, absl::string_view why) {
  const char* usage = virSecretGetUsageID(owner);
  return Error(absl::StatusCode::kAlreadyExists, "SECRET_CONFLICT",
               absl::StrCat("libvirt's secret ", UuidOf(owner).ToString(), " with usage \"",
                            usage != nullptr ? usage : "", "\" ", why,
                            ", which libvirt cannot change: undefine that secret first"));
}

absl::Status DefineRecord(virConnectPtr connection, const SecretRecord& record) {
  ASSIGN_OR_RETURN(const VirSecret by_uuid, Look(connection, record.uuid));
  if (by_uuid != nullptr) {
    if (!IsCeph(by_uuid.get()) || record.usage != virSecretGetUsageID(by_uuid.get())) {
      return Conflict(by_uuid.get(), "has that UUID with another usage");
    }
    ASSIGN_OR_RETURN(const SecretRecord found, Describe(by_uuid.get()));
    if (found == record) return absl::OkStatus();
    if (found.is_private && !record.is_private) return Conflict(by_uuid.get(), "is private");
  } else {
    const VirSecret by_usage(
        virSecretLookupByUsage(connection, VIR_SECRET_USAGE_TYPE_CEPH, record.usage.c_str()));
    if (by_usage != nullptr) return Conflict(by_usage.get(), "has that usage with another UUID");
    absl::Status absent = LibvirtError("cannot look for the usage of a secret");
    if (RawCode(absent, "libvirt") != VIR_ERR_NO_SECRET) return absent;
  }
  const VirSecret defined(virSecretDefineXML(connection, ToXml(record).c_str(), 0));
  if (defined != nullptr) return absl::OkStatus();
  return LibvirtError(absl::StrCat("cannot define secret ", record.uuid.ToString()));
}

absl::StatusOr<SecretBytes> ReadValue(virConnectPtr connection, const Uuid& uuid) {
  ASSIGN_OR_RETURN(const VirSecret secret, FindCeph(connection, uuid));
  size_t size = 0;
  unsigned char* raw = virSecretGetValue(secret.get(), &size, 0);
  if (raw != nullptr) {
    SecretBytes value(absl::string_view(reinterpret_cast<const char*>(raw), size));
    explicit_bzero(raw, size);
    std::free(raw);
    return value;
  }
  absl::Status error =
      LibvirtError(absl::StrCat("cannot read the value of secret ", uuid.ToString()));
  // Look why: libvirt says "not found" of a value as of a secret.
  ASSIGN_OR_RETURN(const VirSecret still, FindCeph(connection, uuid));
  ASSIGN_OR_RETURN(const SecretRecord record, Describe(still.get()));
  if (record.is_private) {
    return Error(absl::StatusCode::kPermissionDenied, "SECRET_IS_PRIVATE",
                 absl::StrCat("secret ", uuid.ToString(),
                              " is private: libvirt does not give its value back"));
  }
  if (RawCode(error, "libvirt") != VIR_ERR_NO_SECRET) return error;
  return Error(absl::StatusCode::kNotFound, "SECRET_HAS_NO_VALUE",
               absl::StrCat("secret ", uuid.ToString(), " has no value; set it"));
}

}  // namespace

absl::StatusOr<std::vector<SecretRecord>> LibvirtSecretStore::List() {
  return connection_->Call("cannot list secrets", ListRecords);
}

absl::Status LibvirtSecretStore::Define(const SecretRecord& record) {
  return connection_->Call(
      absl::StrCat("cannot define secret ", record.uuid.ToString()),
      [record](virConnectPtr connection) { return DefineRecord(connection, record); });
}

absl::Status LibvirtSecretStore::SetValue(const Uuid& uuid, const SecretBytes& value) {
  const std::string what = absl::StrCat("cannot set the value of secret ", uuid.ToString());
  auto copy = std::make_shared<const SecretBytes>(value.Clone());
  return connection_->Call(
      what, [uuid, what, copy = std::move(copy)](virConnectPtr connection) -> absl::Status {
        ASSIGN_OR_RETURN(const VirSecret secret, FindCeph(connection, uuid));
        const absl::string_view bytes = copy->Reveal();
        if (virSecretSetValue(secret.get(), reinterpret_cast<const unsigned char*>(bytes.data()),
                              bytes.size(), 0) == 0) {
          return absl::OkStatus();
        }
        return LibvirtError(what);
      });
}

absl::StatusOr<SecretBytes> LibvirtSecretStore::GetValue(const Uuid& uuid) {
  return connection_->Call(
      absl::StrCat("cannot read the value of secret ", uuid.ToString()),
      [uuid](virConnectPtr connection) { return ReadValue(connection, uuid); });
}

absl::Status LibvirtSecretStore::Undefine(const Uuid& uuid) {
  const std::string what = absl::StrCat("cannot undefine secret ", uuid.ToString());
  return connection_->Call(what, [uuid, what](virConnectPtr connection) -> absl::Status {
    ASSIGN_OR_RETURN(const VirSecret secret, FindCeph(connection, uuid));
    if (virSecretUndefine(secret.get()) == 0) return absl::OkStatus();
    return LibvirtError(what);
  });
}

void LibvirtSecretStore::SetListener(secrets::SecretListener listener) {
  connection_->SetSecretListener(std::move(listener));
}

}  // namespace hvagent::hypervisor
