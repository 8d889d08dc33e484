// bench_push: what a push costs the agent between the message and the answer, against parsing the
// same message. In this process, on a state file and the memory backends; no VM is worked on.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/reconcile/pushes.h"
#include "agent/service/push_request.h"
#include "agent/service/request_key.h"
#include "agent/state/request_log.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "tests/bench/report.h"
#include "tests/support/memory_node.h"

namespace hvagent::bench {
namespace {

using Bound = Report::Bound;

template <typename Body>
double Milliseconds(Body body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

// A node with `count` VMs, by a controller's pushes.
class PushedNode {
 public:
  PushedNode(const std::string& file, int count) {
    auto opened = state::StateStore::Open(file);
    if (!opened.ok()) std::abort();
    state_ = *std::move(opened);
    worker_ = std::make_unique<reconcile::VmWorker>(node_.worker.options(), node_.hypervisor,
                                                    node_.block, node_.registry, *state_);
    reconciler_ = std::make_unique<reconcile::Reconciler>(
        reconcile::ReconcilerOptions(), *worker_, node_.hypervisor, *state_, board_, SystemClock());
    requests_ = std::make_unique<state::RequestLog>(*state_, SystemClock());
    vms_ = std::make_unique<reconcile::DesiredVms>(*state_, *requests_, *worker_, *reconciler_,
                                                   SystemClock());
    pushes_ = std::make_unique<reconcile::Pushes>(*state_, *requests_, *worker_, *vms_,
                                                  *reconciler_, SystemClock());
    push_.set_kind(v1::PushStateRequest::FULL);
    push_.set_controller("bench");
    push_.set_term(1);
    for (int i = 0; i < count; ++i) {
      v1::VmSpec& spec = *push_.add_vms()->mutable_spec();
      spec = testing::GuideVm();
      spec.set_uuid(Uuid::Random().ToString());
      spec.set_name(absl::StrCat("vm-", i));
      v1::VolumeAttachment& volume = *spec.add_volumes();
      volume.set_id(Uuid::Random().ToString());
      v1::Nic& nic = *spec.add_nics();
      nic.set_bridge("br0");
      nic.set_mac(absl::StrFormat("52:54:00:%02x:%02x:%02x", i >> 16, (i >> 8) & 255, i & 255));
    }
  }

  // What comes over the wire; each has a generation of its own.
  std::string NextMessage() {
    push_.set_generation(push_.generation() + 1);
    return push_.SerializeAsString();
  }
  // The VM that stands first is to have another size from now on.
  void ChangeOne() {
    v1::VmSpec& spec = *push_.mutable_vms(0)->mutable_spec();
    spec.set_memory_mib(spec.memory_mib() + 1);
  }

  // As NodeService.PushState does.
  absl::Status Push(v1::PushStateRequest& push) {
    RETURN_IF_ERROR(service::AdmitPush(push));
    ASSIGN_OR_RETURN(const state::RequestKey key, service::TakeKey("NodeService.PushState", push));
    const auto admit = [](const v1::VmSpec& spec, absl::string_view path) {
      return service::AdmitVm(spec, path, "compute-1");
    };
    return pushes_->Push(push, key.body_digest, key, admit, [] { return absl::OkStatus(); })
        .status();
  }
  uint64_t backend_calls() const { return node_.faults.calls(); }

 private:
  testing::MemoryNode node_;
  std::unique_ptr<state::StateStore> state_;
  std::unique_ptr<reconcile::VmWorker> worker_;
  reconcile::VmFeed feed_;
  reconcile::StatusBoard board_{SystemClock(), feed_};
  std::unique_ptr<reconcile::Reconciler> reconciler_;
  std::unique_ptr<state::RequestLog> requests_;
  std::unique_ptr<reconcile::DesiredVms> vms_;
  std::unique_ptr<reconcile::Pushes> pushes_;
  v1::PushStateRequest push_;
};

struct Times {
  std::vector<double> parse_ms, push_ms;
  std::vector<double>
      change_ms;  // what a push takes longer than the one before, that says the same
};

// One push, one VM of which is changed if `change`.
void MeasureOne(PushedNode& node, bool change, Times& times) {
  if (change) node.ChangeOne();
  const std::string bytes = node.NextMessage();
  v1::PushStateRequest push;
  times.parse_ms.push_back(Milliseconds([&] { push.ParseFromString(bytes); }));
  times.push_ms.push_back(Milliseconds([&] {
    if (const absl::Status status = node.Push(push); !status.ok()) {
      std::fprintf(stderr, "bench_push: %s\n", status.ToString().c_str());
      std::exit(1);
    }
  }));
}

Times MeasureSame(PushedNode& node, size_t count) {
  Times times;
  for (size_t i = 0; i < count; ++i) MeasureOne(node, false, times);
  return times;
}

// Of pairs of pushes; push_ms are those with a change.
Times MeasureChange(PushedNode& node, size_t count) {
  Times times;
  for (size_t i = 0; i < count; ++i) {
    Times same;
    MeasureOne(node, false, same);
    MeasureOne(node, true, times);
    times.change_ms.push_back(times.push_ms.back() - same.push_ms.back());
  }
  return times;
}

int Main(int argc, char** argv) {
  std::string output;
  size_t pairs = 31;
  CLI::App app("Measures pushes; exits 4 when a bound is missed");
  app.add_option("--output", output, "Where the results go, as JSON")->required();
  app.add_option("--pairs", pairs, "How many pairs of each")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  std::string folder = "/var/tmp/hvagent-bench-push.XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return 1;
  Report report;
  {
    PushedNode many(absl::StrCat(folder, "/many"), 1000);
    PushedNode few(absl::StrCat(folder, "/few"), 10);
    MeasureSame(many, 1);
    MeasureSame(few, 1);
    const uint64_t calls = many.backend_calls();
    const Times same = MeasureSame(many, pairs);
    report.Add({"push of 1,000 VMs that changes nothing, by parsing it", Median(same.push_ms),
                Median(same.parse_ms), "ms", Median(same.push_ms) / Median(same.parse_ms),
                Bound::kAtMost, 5, pairs});
    const auto made = static_cast<double>(many.backend_calls() - calls);
    report.Add({"push of 1,000 VMs that changes nothing: libvirt and Ceph calls", made, 0, "", made,
                Bound::kAtMost, 0, pairs});
    const Times one_of_many = MeasureChange(many, pairs);
    const Times one_of_few = MeasureChange(few, pairs);
    const double in_many = Median(one_of_many.change_ms), in_few = Median(one_of_few.change_ms);
    report.Add({"one changed VM more among 1,000, by one more among 10", in_many, in_few, "ms",
                in_many / in_few, Bound::kAtMost, 1.5, pairs});
    report.Note(
        absl::StrFormat("the whole push with one change: %.1f ms among 1,000, %.1f ms among 10",
                        Median(one_of_many.push_ms), Median(one_of_few.push_ms)));
  }
  std::printf("%s", report.Table().c_str());
  const bool written = report.WriteJson(output).ok();
  if (std::filesystem::remove_all(folder) == 0 || !written) return 1;
  return report.Passed() ? 0 : 4;
}

}  // namespace
}  // namespace hvagent::bench

int main(int argc, char** argv) { return hvagent::bench::Main(argc, argv); }
