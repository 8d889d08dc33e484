#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "domain_xml/io_tune_names.h"
#include "domain_xml/spec_checks.h"
#include "domain_xml/spec_parts.h"

namespace hvagent::domain_xml {
namespace {

using ::google::protobuf::FieldDescriptor;

constexpr uint64_t kMaxLimit = 1'000'000'000'000'000;  // QEMU's THROTTLE_VALUE_MAX
constexpr size_t kMaxGroupName = 63;

// The message has its fields under libvirt's names, so that one table serves both.
uint64_t Number(const v1::IoLimits& limits, const std::string& name) {
  const FieldDescriptor* field = v1::IoLimits::descriptor()->FindFieldByName(name);
  return limits.GetReflection()->GetUInt64(limits, field);
}

IoLimit ReadLimit(const v1::IoLimits& limits, const char* name) {
  return {.rate = Number(limits, name),
          .burst = Number(limits, BurstName(name)),
          .burst_s = Number(limits, BurstLengthName(name))};
}

absl::Status CheckLimit(const IoLimit& limit, const char* name) {
  RETURN_IF_ERROR(CheckRange(name, limit.rate, 0, kMaxLimit));
  RETURN_IF_ERROR(CheckRange(BurstName(name), limit.burst, 0, kMaxLimit));
  if (limit.burst != 0 && limit.rate == 0) {
    return InvalidField(BurstName(name), absl::StrCat("wants ", name, " to be given too"));
  }
  if (limit.burst != 0 && limit.burst < limit.rate) {
    return InvalidField(BurstName(name), absl::StrCat("must not be less than ", name));
  }
  if (limit.burst_s != 0 && limit.burst == 0) {
    return InvalidField(BurstLengthName(name),
                        absl::StrCat("wants ", BurstName(name), " to be given too"));
  }
  if (limit.burst_s != 0 && limit.burst_s > kMaxLimit / limit.burst) {
    return InvalidField(BurstLengthName(name),
                        absl::StrCat("times ", BurstName(name), " must be at most ", kMaxLimit));
  }
  return absl::OkStatus();
}

absl::Status CheckApart(const IoLimit& total, const IoLimit& read, const IoLimit& write,
                        absl::string_view field) {
  if (total == IoLimit() || (read == IoLimit() && write == IoLimit())) return absl::OkStatus();
  return InvalidField(field, "cannot be given beside the limits of reads and writes");
}

}  // namespace

absl::Status ValidateIoLimits(const v1::IoLimits& limits) {
  const IoTune tune = ResolveIoLimits(limits);
  for (const IoLimitName& entry : kIoLimitNames) {
    RETURN_IF_ERROR(CheckLimit(tune.*entry.limit, entry.name));
  }
  RETURN_IF_ERROR(
      CheckApart(tune.total_bytes, tune.read_bytes, tune.write_bytes, "total_bytes_sec"));
  RETURN_IF_ERROR(CheckApart(tune.total_iops, tune.read_iops, tune.write_iops, "total_iops_sec"));
  RETURN_IF_ERROR(CheckRange(kSizeIopsName, tune.size_iops, 0, kMaxLimit));
  if (tune.size_iops != 0 && tune.total_iops == IoLimit() && tune.read_iops == IoLimit() &&
      tune.write_iops == IoLimit()) {
    return InvalidField(kSizeIopsName, "wants a limit of operations that it counts for");
  }
  if (tune.group.empty()) return absl::OkStatus();
  IoTune without_group = tune;
  without_group.group.clear();
  if (without_group == IoTune()) return InvalidField(kGroupName, "wants limits that it shares");
  return CheckSystemName(kGroupName, tune.group, kMaxGroupName);
}

IoTune ResolveIoLimits(const v1::IoLimits& limits) {
  IoTune tune;
  for (const IoLimitName& entry : kIoLimitNames) {
    tune.*entry.limit = ReadLimit(limits, entry.name);
  }
  tune.size_iops = limits.size_iops_sec();
  tune.group = limits.group_name();
  return tune;
}

}  // namespace hvagent::domain_xml
