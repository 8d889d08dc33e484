// The manifest's VM, which becomes the guide's domain, and changes of it.
#ifndef HVAGENT_TESTS_UNIT_DOMAIN_XML_GUIDE_VM_H_
#define HVAGENT_TESTS_UNIT_DOMAIN_XML_GUIDE_VM_H_

#include <functional>

#include "domain_xml/vm_spec.h"
#include "hvagent/v1/vm.pb.h"

namespace hvagent::domain_xml {

inline v1::VmSpec GuideVm() {
  v1::VmSpec spec;
  spec.set_uuid("65bd684f-0414-4b58-9924-af681091be09");
  spec.set_name("instance-00000028");
  spec.set_node("compute-1");
  spec.set_power_state(v1::RUNNING);
  spec.set_vcpus(1);
  spec.set_memory_mib(256);
  spec.mutable_root_disk()->set_image("d18923bd-86fc-4f77-b5e8-976d3b1c367c");
  spec.mutable_root_disk()->set_size_gib(1);
  spec.mutable_root_disk()->set_cache(v1::WRITEBACK);
  v1::VolumeAttachment& volume = *spec.add_volumes();
  volume.set_id("af7ce6b7-12c2-4bdf-933c-884a4f514617");
  volume.set_cache(v1::WRITEBACK);
  volume.set_discard(v1::UNMAP);
  v1::Nic& nic = *spec.add_nics();
  nic.set_bridge("br0");
  nic.set_mac("52:54:00:12:34:56");
  nic.set_model("virtio");
  return spec;
}

using Change = std::function<void(v1::VmSpec&)>;

inline v1::VmSpec With(const Change& change) {
  v1::VmSpec spec = GuideVm();
  change(spec);
  return spec;
}

// Where the guide's VM becomes the guide's domain.
inline Placement GuidePlacement() {
  Placement placement;
  placement.node = "compute-1";
  placement.type = DomainType::kKvm;
  placement.vms_pool = "vms";
  placement.volumes_pool = "volumes";
  placement.monitors = {{"172.18.22.234", 6789}, {"172.18.22.235", 6789}, {"172.18.22.236", 6789}};
  placement.auth = CephAuth{.username = "cinder",
                            .secret_uuid = *Uuid::Parse("4810c760-dc42-4e5f-9d41-7346db7d7da2")};
  placement.secret = SecretStamp{.entity = "client.cinder",
                                 .fingerprint = "9c8f3d2a41b07e65",
                                 .generation_unix_s = 1700000000};
  placement.serial_log_dir = "/var/log/libvirt/qemu";
  placement.generation = 7;
  return placement;
}

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_TESTS_UNIT_DOMAIN_XML_GUIDE_VM_H_
