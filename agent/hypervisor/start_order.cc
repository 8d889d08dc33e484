#include "agent/hypervisor/start_order.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/unique_fd.h"

namespace hvagent::hypervisor {
namespace {

absl::Status Failed(absl::string_view what, absl::string_view path, int error) {
  return Error(absl::StatusCode::kInternal, "START_ORDER_FAILED",
               absl::ErrnoToStatus(error, absl::StrCat("cannot ", what, " ", path)).message());
}

}  // namespace

absl::StatusOr<StartOrder> StartOrder::Give(const std::string& dir, const Uuid& uuid) {
  if (dir.empty()) return StartOrder("");
  std::string path = absl::StrCat(dir, "/", uuid.ToString());
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!file) return Failed("make", path, errno);
  return StartOrder(std::move(path));
}

StartOrder::StartOrder(StartOrder&& other) noexcept : path_(std::exchange(other.path_, "")) {}

StartOrder::~StartOrder() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

absl::Status PrepareStartOrders(const std::string& dir) {
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) return Failed("make", dir, error.value());
  std::filesystem::directory_iterator entry(dir, error);
  for (const std::filesystem::directory_iterator end; !error && entry != end;
       entry.increment(error)) {
    // Whatever else somebody keeps there is not ours.
    if (!Uuid::Parse(entry->path().filename().string()).ok()) continue;
    if (::unlink(entry->path().c_str()) != 0 && errno != ENOENT) {
      return Failed("remove", entry->path().string(), errno);
    }
  }
  if (error) return Failed("look through", dir, error.value());
  return absl::OkStatus();
}

}  // namespace hvagent::hypervisor
