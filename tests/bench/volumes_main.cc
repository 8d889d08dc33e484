// bench_volumes: how many operations of RADOS one call about volumes costs the agent among ten of
// them and among a thousand. Counted, not timed. Runs on a node of a lab.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "hvagent/v1/volume_service.grpc.pb.h"
#include "tests/bench/process_probe.h"
#include "tests/bench/report.h"

namespace hvagent::bench {
namespace {

constexpr char kSocket[] = "unix:/run/hypervisor-agent/agentd.sock";
// The lab writes a service's PID and start time there.
constexpr char kPidFile[] = "/run/lab/agentd";
constexpr auto kDeadline = std::chrono::minutes(1);
constexpr size_t kFew = 10;
constexpr size_t kMany = 1000;

// What each call costs; medians.
struct Cost {
  double get = 0;
  double list = 0;  // a page of ten
  double remove = 0;
};

class VolumesBench {
 public:
  VolumesBench(pid_t pid, size_t samples)
      : probe_(pid),
        samples_(samples),
        volumes_(v1::VolumeService::NewStub(
            grpc::CreateChannel(kSocket, grpc::InsecureChannelCredentials()))) {}

  absl::Status Run() {
    ASSIGN_OR_RETURN(const Cost few, CostAmong(kFew));
    ASSIGN_OR_RETURN(const Cost many, CostAmong(kMany));
    Judge("stat", many.get, few.get);
    Judge("list ten", many.list, few.list);
    Judge("delete one", many.remove, few.remove);
    return absl::OkStatus();
  }

  absl::Status RemoveAll() {
    absl::Status status;
    while (!ids_.empty()) {
      status.Update(RemoveOne());
      ids_.pop_back();
    }
    return status;
  }

  const Report& report() const { return report_; }

 private:
  using Call = std::function<grpc::Status(grpc::ClientContext&)>;

  static absl::Status Make(const Call& call) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    const grpc::Status status = call(context);
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  }

  absl::StatusOr<double> Count(const std::function<absl::Status()>& body) const {
    ASSIGN_OR_RETURN(const double before, probe_.RadosOps());
    RETURN_IF_ERROR(body());
    ASSIGN_OR_RETURN(const double after, probe_.RadosOps());
    return after - before;
  }

  absl::Status CreateOne() {
    v1::CreateVolumeRequest request;
    request.set_id(Uuid::Random().ToString());
    request.set_size_gib(1);
    v1::Volume volume;
    RETURN_IF_ERROR(
        Make([&](auto& context) { return volumes_->Create(&context, request, &volume); }));
    ids_.push_back(request.id());
    return absl::OkStatus();
  }

  absl::Status RemoveOne() {
    v1::DeleteVolumeRequest request;
    request.set_id(ids_.back());
    request.set_request_id(Uuid::Random().ToString());
    v1::DeleteVolumeResponse response;
    return Make([&](auto& context) { return volumes_->Delete(&context, request, &response); });
  }

  absl::Status GetOne() {
    v1::GetVolumeRequest request;
    request.set_id(ids_.front());
    v1::Volume volume;
    return Make([&](auto& context) { return volumes_->Get(&context, request, &volume); });
  }

  absl::Status ListTen() {
    v1::ListVolumesRequest request;
    request.set_page_size(kFew);
    v1::ListVolumesResponse page;
    return Make([&](auto& context) { return volumes_->List(&context, request, &page); });
  }

  absl::StatusOr<Cost> CostAmong(size_t count) {
    while (ids_.size() < count) {
      RETURN_IF_ERROR(CreateOne());
      if (ids_.size() % 100 == 0) std::fprintf(stderr, "\r%zu volumes   ", ids_.size());
    }
    std::vector<double> get, list, remove;
    for (size_t i = 0; i < samples_; ++i) {
      ASSIGN_OR_RETURN(get.emplace_back(), Count([this] { return GetOne(); }));
      ASSIGN_OR_RETURN(list.emplace_back(), Count([this] { return ListTen(); }));
      ASSIGN_OR_RETURN(remove.emplace_back(), Count([this] { return RemoveOne(); }));
      ids_.pop_back();
      RETURN_IF_ERROR(CreateOne());
    }
    return Cost{Median(get), Median(list), Median(remove)};
  }

  void Judge(const std::string& what, double many, double few) {
    report_.Add({absl::StrCat(what, " among ", kMany, " volumes against ", kFew), many, few, "ops",
                 many / few, Report::Bound::kAtMost, 1, samples_});
  }

  const ProcessProbe probe_;
  const size_t samples_;
  const std::unique_ptr<v1::VolumeService::Stub> volumes_;
  std::vector<std::string> ids_;
  Report report_;
};

int Main(int argc, char** argv) {
  size_t samples = 31;
  std::string output;
  CLI::App app("bench_volumes: what calls about volumes cost among few and among many");
  app.add_option("--output", output, "Where the results go, as JSON")->required();
  app.add_option("--pairs", samples, "How often each call is counted")->check(CLI::Range(1, 1000));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  pid_t pid = 0;
  if (!(std::ifstream(kPidFile) >> pid)) {
    std::fprintf(stderr, "bench_volumes: no agentd here: run this on a node of the lab\n");
    return 1;
  }
  VolumesBench bench(pid, samples);
  absl::Status status = bench.Run();
  status.Update(bench.RemoveAll());
  if (status.ok()) {
    std::fputs(bench.report().Table().c_str(), stdout);
    status = bench.report().WriteJson(output);
  }
  if (status.ok()) return bench.report().Passed() ? 0 : 4;
  std::fprintf(stderr, "bench_volumes: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace
}  // namespace hvagent::bench

int main(int argc, char** argv) { return hvagent::bench::Main(argc, argv); }
