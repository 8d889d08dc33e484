#include "tests/bench/pushed_node.h"

#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/service/push_request.h"
#include "agent/service/request_key.h"
#include "glog/logging.h"

namespace hvagent::bench {
namespace {

std::unique_ptr<state::StateStore> OpenState(const std::string& file) {
  auto opened = state::StateStore::Open(file);
  CHECK(opened.ok()) << opened.status();
  return *std::move(opened);
}

v1::VmSpec Vm(uint32_t number) {
  v1::VmSpec spec = testing::GuideVm();
  spec.set_uuid(Uuid::Random().ToString());
  spec.set_name(absl::StrCat("vm-", number));
  spec.clear_volumes();
  v1::Nic& nic = *spec.add_nics();
  nic.set_bridge("br0");
  nic.set_mac(absl::StrFormat("52:54:00:%02x:%02x:%02x", (number >> 16) & 255, (number >> 8) & 255,
                              number & 255));
  return spec;
}

}  // namespace

PushedNode::PushedNode(const std::string& file)
    : state_(OpenState(file)),
      worker_(node_.worker.options(), node_.hypervisor, node_.block, node_.registry, *state_),
      reconciler_(std::make_unique<reconcile::Reconciler>(
          reconcile::ReconcilerOptions{.resync_period = absl::Hours(1)}, worker_, node_.hypervisor,
          *state_, board_, SystemClock())),
      requests_(*state_, SystemClock()),
      vms_(std::make_unique<reconcile::DesiredVms>(*state_, requests_, worker_, *reconciler_,
                                                   SystemClock())),
      pushes_(std::make_unique<reconcile::Pushes>(*state_, requests_, worker_, *vms_, *reconciler_,
                                                  SystemClock())) {
  const auto secrets = node_.state->ListSecrets();
  for (const state::SecretBinding& secret : *secrets) {
    const absl::Status put = state_->PutSecret(secret);
    CHECK(put.ok()) << put;
  }
  push_.set_kind(v1::PushStateRequest::FULL);
  push_.set_controller("bench");
  push_.set_term(1);
}

void PushedNode::AddVms(size_t count) {
  for (size_t i = 0; i < count; ++i) *push_.add_vms()->mutable_spec() = Vm(made_++);
}

void PushedNode::ChangeOne() {
  v1::VmSpec& spec = *push_.mutable_vms(0)->mutable_spec();
  spec.set_memory_mib(spec.memory_mib() + 1);
}

std::string PushedNode::NextMessage() {
  push_.set_generation(push_.generation() + 1);
  return push_.SerializeAsString();
}

void PushedNode::Push(v1::PushStateRequest& push) {
  const absl::Status valid = service::AdmitPush(push);
  CHECK(valid.ok()) << valid;
  const auto key = service::TakeKey("NodeService.PushState", push);
  CHECK(key.ok()) << key.status();
  auto answer = pushes_->Push(
      push, key->body_digest, *key,
      [](const v1::VmSpec& spec, absl::string_view path) {
        return service::AdmitVm(spec, path, "compute-1");
      },
      [] { return absl::OkStatus(); });
  CHECK(answer.ok()) << answer.status();
  answer_ = *std::move(answer);
}

v1::PushStateRequest PushedNode::NextPartial() {
  push_.set_generation(push_.generation() + 1);
  v1::PushStateRequest push;
  push.set_kind(v1::PushStateRequest::PARTIAL);
  push.set_controller(push_.controller());
  push.set_term(push_.term());
  push.set_generation(push_.generation());
  return push;
}

std::vector<std::string> PushedNode::CreateAndWait(size_t count) {
  v1::PushStateRequest push = NextPartial();
  std::vector<std::string> uuids;
  for (size_t i = 0; i < count; ++i) {
    v1::VmSpec& spec = *push.add_vms()->mutable_spec();
    spec = Vm(made_++);
    uuids.push_back(spec.uuid());
  }
  PushAndWait(std::move(push));
  return uuids;
}

void PushedNode::DeleteAndWait(const std::vector<std::string>& uuids) {
  v1::PushStateRequest push = NextPartial();
  for (const std::string& uuid : uuids) push.add_deletions()->set_uuid(uuid);
  PushAndWait(std::move(push));
}

void PushedNode::PushAndWait(v1::PushStateRequest push) {
  Push(push);
  std::vector<std::promise<absl::Status>> settled(answer_.changes_size());
  for (int i = 0; i < answer_.changes_size(); ++i) {
    const v1::VmChange& change = answer_.changes(i);
    const Uuid uuid = Uuid::Parse(change.uuid()).value();
    board_.Wait(uuid, change.generation(),
                [&promise = settled[i]](const absl::Status& how) { promise.set_value(how); });
    reconciler_->Enqueue(uuid);
  }
  for (std::promise<absl::Status>& promise : settled) {
    const absl::Status how = promise.get_future().get();
    CHECK(how.ok()) << how;
  }
}

}  // namespace hvagent::bench
