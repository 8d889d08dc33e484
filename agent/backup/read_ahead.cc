#include "agent/backup/read_ahead.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "base/status_macros.h"

namespace hvagent::backup {
namespace {

// Four jobs may run at once, and each has a writer's window too.
constexpr uint64_t kMaxInFlightBytes = uint64_t{24} << 20;
// A small read counts for more than it has, so that their number is bounded too.
constexpr uint64_t kLeastBytes = uint64_t{64} << 10;
// One look of the diff: enough objects to ask about at once, and little enough to be ahead.
constexpr uint64_t kLookBytes = uint64_t{256} << 20;

uint64_t CountsFor(const block::Extent& extent) {
  return std::max(extent.has_data ? extent.length_bytes : 0, kLeastBytes);
}

// What will not be made to wait for is ready, too.
template <typename T>
bool IsReady(const std::future<T>& answer) {
  return !answer.valid() || answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

}  // namespace

absl::StatusOr<std::string> ReadNow(block::ImageReader& reader, uint64_t offset_bytes,
                                    uint64_t length_bytes) {
  std::promise<absl::StatusOr<std::string>> answer;
  reader.Read(offset_bytes, length_bytes,
              [&](absl::StatusOr<std::string> data) { answer.set_value(std::move(data)); });
  return answer.get_future().get();
}

absl::Status ReadAhead::Add(const block::Extent& extent) {
  const uint64_t bytes = CountsFor(extent);
  while (!pending_.empty() && in_flight_bytes_ + bytes > kMaxInFlightBytes) {
    RETURN_IF_ERROR(HandOver());
  }
  RETURN_IF_ERROR(gate_.Pass(extent.has_data ? extent.length_bytes : 0));
  Pending pending{extent, {}};
  if (extent.has_data) {
    auto answer = std::make_shared<std::promise<absl::StatusOr<std::string>>>();
    pending.data = answer->get_future();
    reader_.Read(
        extent.offset_bytes, extent.length_bytes,
        [answer](absl::StatusOr<std::string> data) { answer->set_value(std::move(data)); });
  }
  in_flight_bytes_ += bytes;
  pending_.push_back(std::move(pending));
  while (!pending_.empty() && IsReady(pending_.front().data)) RETURN_IF_ERROR(HandOver());
  return absl::OkStatus();
}

absl::Status ReadAhead::HandOver() {
  Pending pending = std::move(pending_.front());
  pending_.pop_front();
  in_flight_bytes_ -= CountsFor(pending.extent);
  std::string data;
  if (pending.extent.has_data) {
    ASSIGN_OR_RETURN(data, pending.data.get());
  }
  return sink_(pending.extent, std::move(data));
}

absl::Status ReadAhead::Drain() {
  while (!pending_.empty()) RETURN_IF_ERROR(HandOver());
  return absl::OkStatus();
}

DiffAhead::DiffAhead(block::ImageReader& reader, std::string since, uint64_t begin_bytes,
                     uint64_t end_bytes)
    : reader_(reader),
      since_(std::move(since)),
      next_bytes_(begin_bytes),
      end_bytes_(std::min(end_bytes, reader.size().count())) {
  Look();
}

void DiffAhead::Look() {
  if (next_bytes_ >= end_bytes_) return;
  const uint64_t begin = next_bytes_;
  next_bytes_ = std::min(end_bytes_, begin + kLookBytes);
  ahead_ = std::async(std::launch::async, [this, begin, end = next_bytes_] {
    return reader_.Diff(since_, begin, end - begin);
  });
}

bool DiffAhead::IsReady() const { return backup::IsReady(ahead_); }

absl::StatusOr<std::optional<std::vector<block::Extent>>> DiffAhead::Next() {
  if (!ahead_.valid()) return std::nullopt;
  ASSIGN_OR_RETURN(const std::vector<block::Extent> extents, ahead_.get());
  Look();
  std::vector<block::Extent> cut;
  for (block::Extent rest : extents) {
    while (rest.length_bytes > 0) {
      const uint64_t part =
          std::min(rest.length_bytes, kReadBytes - rest.offset_bytes % kReadBytes);
      cut.push_back({rest.offset_bytes, part, rest.has_data});
      rest.offset_bytes += part;
      rest.length_bytes -= part;
    }
  }
  return cut;
}

}  // namespace hvagent::backup
