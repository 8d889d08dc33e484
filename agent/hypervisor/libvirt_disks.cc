#include "agent/hypervisor/libvirt_disks.h"

#include <libvirt/virterror.h>

#include <sstream>

#include "absl/strings/str_cat.h"
#include "agent/hypervisor/libvirt_error.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "pugixml.hpp"

namespace hvagent::hypervisor {
namespace {

// The <disk> over the rbd image `source`; a null node when there is none.
pugi::xml_node FindDisk(const pugi::xml_document& domain, const std::string& source) {
  for (const pugi::xml_node& disk : domain.child("domain").child("devices").children("disk")) {
    const pugi::xml_node from = disk.child("source");
    if (absl::string_view(from.attribute("protocol").value()) == "rbd" &&
        from.attribute("name").value() == source) {
      return disk;
    }
  }
  return {};
}

absl::Status ReadLive(virDomainPtr domain, absl::string_view what, pugi::xml_document& document) {
  const VirString xml(virDomainGetXMLDesc(domain, 0));
  if (xml == nullptr) return LibvirtError(what);
  if (!document.load_string(xml.get())) {
    return absl::InternalError(absl::StrCat(what, ": libvirt's XML of it cannot be read"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<VirDomain> FindDomain(virConnectPtr connection, const Uuid& uuid,
                                     absl::string_view what) {
  VirDomain domain(virDomainLookupByUUID(connection, uuid.bytes().data()));
  if (domain == nullptr) return LibvirtError(absl::StrCat(what, " ", uuid.ToString()));
  return domain;
}

absl::StatusOr<bool> IsActive(virDomainPtr domain, absl::string_view what) {
  const int active = virDomainIsActive(domain);
  if (active < 0) return LibvirtError(what);
  return active == 1;
}

absl::Status ResizeLiveDisk(virConnectPtr connection, const Uuid& uuid, const std::string& source,
                            uint64_t size_bytes) {
  ASSIGN_OR_RETURN(const VirDomain domain, FindDomain(connection, uuid, "cannot resize a disk of"));
  ASSIGN_OR_RETURN(const bool active, IsActive(domain.get(), "cannot resize a disk of the domain"));
  if (!active) return absl::OkStatus();
  const std::string what =
      absl::StrCat("cannot resize disk ", source, " of domain ", virDomainGetName(domain.get()));
  pugi::xml_document live;
  RETURN_IF_ERROR(ReadLive(domain.get(), what, live));
  const pugi::xml_node disk = FindDisk(live, source);
  if (!disk || virDomainBlockResize(domain.get(), disk.child("target").attribute("dev").value(),
                                    size_bytes, VIR_DOMAIN_BLOCK_RESIZE_BYTES) == 0) {
    return absl::OkStatus();
  }
  const absl::Status error = LibvirtError(what);
  return virDomainIsActive(domain.get()) == 0 ? absl::OkStatus() : error;
}

absl::Status AttachLiveDisk(virConnectPtr connection, const Uuid& uuid, const std::string& xml) {
  pugi::xml_document disk;
  if (!disk.load_string(xml.c_str()) || !disk.child("disk")) {
    return absl::InvalidArgumentError("the device to attach is not a <disk>");
  }
  const std::string source = disk.child("disk").child("source").attribute("name").value();
  ASSIGN_OR_RETURN(const VirDomain domain,
                   FindDomain(connection, uuid, "cannot attach a disk to domain"));
  ASSIGN_OR_RETURN(const bool active, IsActive(domain.get(), "cannot attach a disk"));
  const std::string what =
      absl::StrCat("cannot attach disk ", source, " to domain ", virDomainGetName(domain.get()));
  if (!active) {
    return Error(absl::StatusCode::kFailedPrecondition, "DOMAIN_NOT_RUNNING",
                 absl::StrCat(what, ": it does not run"));
  }
  pugi::xml_document live;
  RETURN_IF_ERROR(ReadLive(domain.get(), what, live));
  if (FindDisk(live, source)) return absl::OkStatus();
  if (virDomainAttachDeviceFlags(domain.get(), xml.c_str(), VIR_DOMAIN_AFFECT_LIVE) == 0) {
    return absl::OkStatus();
  }
  absl::Status error = LibvirtError(what);
  if (IsRetryable(error)) return error;
  return Error(absl::StatusCode::kFailedPrecondition, "ATTACH_FAILED", error.message());
}

absl::Status DetachLiveDisk(virConnectPtr connection, const Uuid& uuid, const std::string& source) {
  ASSIGN_OR_RETURN(const VirDomain domain,
                   FindDomain(connection, uuid, "cannot detach a disk from domain"));
  ASSIGN_OR_RETURN(const bool active, IsActive(domain.get(), "cannot detach a disk"));
  if (!active) return absl::OkStatus();
  const std::string what =
      absl::StrCat("cannot detach disk ", source, " from domain ", virDomainGetName(domain.get()));
  pugi::xml_document live;
  RETURN_IF_ERROR(ReadLive(domain.get(), what, live));
  const pugi::xml_node disk = FindDisk(live, source);
  if (!disk) return absl::OkStatus();
  std::ostringstream text;
  disk.print(text);
  // The guest is asked and may take its time; with this call libvirt waits for some seconds only.
  if (virDomainDetachDeviceFlags(domain.get(), text.str().c_str(), VIR_DOMAIN_AFFECT_LIVE) == 0) {
    return absl::OkStatus();
  }
  const virErrorPtr last = virGetLastError();
  const int code = last == nullptr ? 0 : last->code;
  const absl::Status error = LibvirtError(what);
  // Gone meanwhile, or being asked already.
  const bool under_way = code == VIR_ERR_DEVICE_MISSING || code == VIR_ERR_OPERATION_INVALID;
  return under_way || virDomainIsActive(domain.get()) == 0 ? absl::OkStatus() : error;
}

}  // namespace hvagent::hypervisor
