#include "base/error.h"

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace hvagent {
namespace {

constexpr absl::string_view kReasonUrl = "hvagent/reason";
constexpr absl::string_view kFieldUrl = "hvagent/field";

std::optional<std::string> Payload(const absl::Status& status, absl::string_view url) {
  auto cord = status.GetPayload(url);
  if (!cord.has_value()) return std::nullopt;
  return std::string(*cord);
}

std::string RawCodeUrl(absl::string_view library) { return absl::StrCat("hvagent/code/", library); }

// The same payloads under another message.
absl::Status WithMessage(const absl::Status& status, absl::string_view message) {
  absl::Status result(status.code(), message);
  status.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { result.SetPayload(url, payload); });
  return result;
}

}  // namespace

absl::Status Error(absl::StatusCode code, absl::string_view reason, absl::string_view message) {
  absl::Status status(code, message);
  status.SetPayload(kReasonUrl, absl::Cord(reason));
  return status;
}

absl::Status InvalidField(absl::string_view field, absl::string_view problem) {
  absl::Status status = Error(absl::StatusCode::kInvalidArgument, "INVALID_FIELD",
                              absl::StrCat(field, ": ", problem));
  status.SetPayload(kFieldUrl, absl::Cord(field));
  return status;
}

std::optional<std::string> ErrorReason(const absl::Status& status) {
  return Payload(status, kReasonUrl);
}

std::optional<std::string> ErrorField(const absl::Status& status) {
  return Payload(status, kFieldUrl);
}

void SetRawCode(absl::Status& status, absl::string_view library, int code) {
  status.SetPayload(RawCodeUrl(library), absl::Cord(absl::StrCat(code)));
}

std::optional<int> RawCode(const absl::Status& status, absl::string_view library) {
  auto text = Payload(status, RawCodeUrl(library));
  int code = 0;
  if (!text.has_value() || !absl::SimpleAtoi(*text, &code)) return std::nullopt;
  return code;
}

absl::Status Annotate(const absl::Status& status, absl::string_view context) {
  if (status.ok()) return status;
  return WithMessage(status, absl::StrCat(context, ": ", status.message()));
}

absl::Status PrefixField(const absl::Status& status, absl::string_view prefix) {
  auto field = ErrorField(status);
  if (!field.has_value()) return status;
  absl::Status result = WithMessage(status, absl::StrCat(prefix, ".", status.message()));
  result.SetPayload(kFieldUrl, absl::Cord(absl::StrCat(prefix, ".", *field)));
  return result;
}

bool IsRetryable(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kResourceExhausted:
      return true;
    default:
      return false;
  }
}

}  // namespace hvagent
