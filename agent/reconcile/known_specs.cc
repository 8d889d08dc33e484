#include "agent/reconcile/known_specs.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace hvagent::reconcile {
namespace {

// Appends to `bytes`. A map has no order of its own, so that equal specs could have other bytes.
void Serialize(const v1::VmSpec& spec, std::string& bytes) {
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  spec.SerializeToCodedStream(&coded);
}

}  // namespace

std::string KnownSpecs::BytesOf(const v1::VmSpec& spec) {
  std::string bytes;
  Serialize(spec, bytes);
  return bytes;
}

const state::VmHead* KnownSpecs::Find(const v1::VmSpec& spec,
                                      const std::vector<state::VmHead>& heads) {
  const auto uuid = Uuid::Parse(spec.uuid());
  if (!uuid.ok()) return nullptr;
  const auto it = known_.find(*uuid);
  if (it == known_.end()) return nullptr;
  const Known& known = it->second;
  const state::VmHead* head = FindHead(heads, *uuid);
  if (head == nullptr || head->generation != known.generation ||
      head->create_time != known.create_time) {
    return nullptr;
  }
  bytes_.clear();
  Serialize(spec, bytes_);
  return bytes_ == known.bytes ? head : nullptr;
}

void KnownSpecs::Remember(const Uuid& uuid, std::string bytes, int64_t generation,
                          absl::Time create_time) {
  if (known_.size() >= kMost && !known_.contains(uuid)) known_.clear();
  known_[uuid] = {std::move(bytes), generation, create_time};
}

void KnownSpecs::ForgetOthers(const v1::PushStateRequest& push) {
  if (known_.size() <= static_cast<size_t>(push.vms_size())) return;
  absl::flat_hash_set<Uuid> named;
  for (const v1::PushedVm& vm : push.vms()) {
    if (const auto uuid = Uuid::Parse(vm.spec().uuid()); uuid.ok()) named.insert(*uuid);
  }
  absl::erase_if(known_, [&](const auto& entry) { return !named.contains(entry.first); });
}

const state::VmHead* FindHead(const std::vector<state::VmHead>& heads, const Uuid& uuid) {
  const auto it = std::lower_bound(
      heads.begin(), heads.end(), uuid,
      [](const state::VmHead& head, const Uuid& wanted) { return head.uuid < wanted; });
  return it != heads.end() && it->uuid == uuid ? &*it : nullptr;
}

}  // namespace hvagent::reconcile
