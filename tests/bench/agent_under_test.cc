#include "tests/bench/agent_under_test.h"

#include <chrono>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"

namespace hvagent::bench {
namespace {

constexpr char kSocket[] = "unix:/run/hypervisor-agent/agentd.sock";
constexpr char kLog[] = "/var/log/agentd.log";
// The lab writes a service's PID and start time there.
constexpr char kPidFile[] = "/run/lab/agentd";
constexpr auto kDeadline = std::chrono::minutes(2);

absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

// "I20221122 15:04:17.123456 ...": the prefix of glog's lines.
absl::StatusOr<absl::Time> TimeOf(absl::string_view line) {
  absl::Time time;
  std::string error;
  constexpr size_t kSize = sizeof("20221122 15:04:17.123456") - 1;
  if (line.size() <= kSize || !absl::ParseTime("%E4Y%m%d %H:%M:%E*S", line.substr(1, kSize),
                                               absl::LocalTimeZone(), &time, &error)) {
    return absl::InternalError(absl::StrCat("no time in ", line));
  }
  return time;
}

// The UUID in "... vm UUID (NAME): ACTION: REASON".
std::string UuidIn(absl::string_view line) {
  const size_t at = line.find("] vm ");
  return at == absl::string_view::npos ? "" : std::string(line.substr(at + 5, 36));
}

}  // namespace

absl::StatusOr<std::unique_ptr<AgentUnderTest>> AgentUnderTest::Connect(GuestShape shape) {
  pid_t pid = 0;
  if (!(std::ifstream(kPidFile) >> pid)) {
    return absl::NotFoundError("no agentd here: run this on a node of the lab (tests/bench/run)");
  }
  auto agent = std::unique_ptr<AgentUnderTest>(new AgentUnderTest(std::move(shape), pid));
  const v1::VmSpec any = agent->Guest(Uuid::Random().ToString(), v1::STOPPED);
  RETURN_IF_ERROR(agent->RenderXml(any).status());  // connects
  return agent;
}

AgentUnderTest::AgentUnderTest(GuestShape shape, pid_t pid)
    : shape_(std::move(shape)),
      pid_(pid),
      vms_(
          v1::VmService::NewStub(grpc::CreateChannel(kSocket, grpc::InsecureChannelCredentials()))),
      log_(kLog) {
  log_.seekg(0, std::ios::end);
}

v1::VmSpec AgentUnderTest::Guest(const std::string& uuid, v1::PowerState power) const {
  v1::VmSpec spec;
  spec.set_uuid(uuid);
  spec.set_name(absl::StrCat("bench-", uuid));
  spec.set_power_state(power);
  spec.set_vcpus(1);
  spec.set_memory_mib(64);
  spec.mutable_root_disk()->set_image(shape_.image);
  spec.mutable_root_disk()->set_size_gib(shape_.disk_gib);
  return spec;
}

absl::Status AgentUnderTest::Apply(const v1::VmSpec& spec) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  v1::ApplyVmRequest request;
  v1::ApplyVmResponse response;
  *request.mutable_spec() = spec;
  request.set_wait(true);
  return FromGrpc(vms_->Apply(&context, request, &response));
}

absl::Status AgentUnderTest::Delete(const std::string& uuid) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  v1::DeleteVmRequest request;
  v1::DeleteVmResponse response;
  request.set_id(uuid);
  request.set_wait(true);
  request.set_disks(v1::DeleteVmRequest::REMOVE);
  return FromGrpc(vms_->Delete(&context, request, &response));
}

absl::StatusOr<std::string> AgentUnderTest::RenderXml(const v1::VmSpec& spec) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  v1::RenderXmlRequest request;
  v1::RenderXmlResponse response;
  *request.mutable_spec() = spec;
  RETURN_IF_ERROR(FromGrpc(vms_->RenderXml(&context, request, &response)));
  return absl::StrReplaceAll(response.xml(), {{"\n", " "}});
}

absl::StatusOr<std::vector<AgentUnderTest::Stage>> AgentUnderTest::NewStorageStages() {
  std::map<std::string, absl::Time> begun;
  std::vector<Stage> stages;
  std::string line;
  while (std::getline(log_, line)) {
    if (absl::StrContains(line, ": PREPARE_ROOT_DISK: ")) {
      ASSIGN_OR_RETURN(begun[UuidIn(line)], TimeOf(line));
    } else if (absl::StrContains(line, ": DEFINE_DOMAIN: ")) {
      const auto it = begun.find(UuidIn(line));
      if (it == begun.end()) continue;
      ASSIGN_OR_RETURN(const absl::Time end, TimeOf(line));
      stages.push_back({it->second, end});
      begun.erase(it);
    }
  }
  log_.clear();  // the end of the file is where it goes on next time
  return stages;
}

}  // namespace hvagent::bench
