#include "tests/support/memory_node.h"

#include <utility>

#include "domain_xml/vm_spec.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace hvagent::testing {
namespace {

constexpr char kSecretUuid[] = "4810c760-dc42-4e5f-9d41-7346db7d7da2";

std::unique_ptr<state::StateStore> OpenState() {
  auto state = state::StateStore::Open(":memory:");
  EXPECT_OK(state);
  return *std::move(state);
}

}  // namespace

v1::VmSpec GuideVm() {
  v1::VmSpec spec;
  spec.set_uuid(kVmUuid);
  spec.set_name("instance-00000028");
  spec.set_vcpus(1);
  spec.set_memory_mib(256);
  spec.mutable_root_disk()->set_image(kImageId);
  spec.mutable_root_disk()->set_size_gib(1);
  return spec;
}

state::VmRecord RecordOf(const v1::VmSpec& spec) {
  return {.uuid = *Uuid::Parse(spec.uuid()),
          .spec = domain_xml::Normalize(spec),
          .generation = 1,
          .create_time = SystemClock().Now()};
}

MemoryNode::MemoryNode(const std::string& name,
                       std::shared_ptr<registry::MemoryRecords> cluster_records)
    : secrets(&faults),
      block("d82f0b96-6a69-4f7f-9d79-73d5bac7dd6c",
            {{.name = "a", .addresses = {{.host = "172.18.22.234", .port = 3300}}}}),
      hypervisor({.hostname = name, .cpus = 4, .memory_mib = 8192}, &faults, &secrets),
      records(std::move(cluster_records)),
      registry(records),
      state(OpenState()),
      worker({.node_name = name}, hypervisor, block, registry, *state) {
  for (const char* pool : {"images", "vms", "volumes"}) block.CreatePool(pool);
  AddImage(kImageId, MiB(40));
  const Uuid secret = *Uuid::Parse(kSecretUuid);
  EXPECT_OK(secrets.Define({.uuid = secret, .usage = "client.cinder secret"}));
  EXPECT_OK(secrets.SetValue(secret, secrets::SecretBytes("not a real key")));
  EXPECT_OK(state->PutSecret(
      {.entity = "client.cinder", .uuid = secret, .usage = "client.cinder secret"}));
  hypervisor.SetStorage(
      {.open = [this](const std::string& address, const domain_xml::RbdDisk& disk) -> absl::Status {
         const block::ImageName image = {disk.pool, disk.rados_namespace, disk.image};
         const absl::Status status = block.GetImage(image).status();
         // Faults are ordered for the agent's own calls; QEMU's are not among them.
         if (absl::IsNotFound(status)) return status;
         if (!disk.read_only) block.AddWatcher(image, address);
         return absl::OkStatus();
       },
       .close = [this](const std::string& address) { block.RemoveWatcher(address); }});
}

void MemoryNode::AddImage(const std::string& id, Bytes size) {
  EXPECT_OK(block.CreateImage({"images", "", id}, size, MiB(8)));
  EXPECT_OK(block.CreateProtectedSnapshot({{"images", "", id}, "snap"}));
}

block::ImageName MemoryNode::RootDisk(const std::string& uuid) const {
  return {"vms", "", uuid + "_disk"};
}

bool MemoryNode::HasDomain(const std::string& uuid) {
  return hypervisor.GetDomain(*Uuid::Parse(uuid)).ok();
}

}  // namespace hvagent::testing
