#include "agentctl/errors.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "google/rpc/error_details.pb.h"

namespace hvagent::agentctl {
namespace {

constexpr absl::string_view kExitUrl = "hvagent/exit";
constexpr absl::string_view kHintUrl = "hvagent/hint";
constexpr absl::string_view kErrorDomain = "hvagent";

struct Details {
  std::string reason;
  std::string field;
};

Details ReadDetails(const google::rpc::Status& status) {
  Details details;
  for (const auto& any : status.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad_request;
    if (any.UnpackTo(&info) && info.domain() == kErrorDomain) {
      details.reason = info.reason();
    } else if (any.UnpackTo(&bad_request) && bad_request.field_violations_size() > 0) {
      details.field = bad_request.field_violations(0).field();
    }
  }
  return details;
}

std::optional<std::string> Payload(const absl::Status& status, absl::string_view url) {
  auto cord = status.GetPayload(url);
  if (!cord.has_value()) return std::nullopt;
  return std::string(*cord);
}

// What to do about an error that carries no hint of its own. The agent's messages say it
// themselves; this is for what only the client's side can know.
std::string HintFor(const absl::Status& status) {
  if (auto hint = Payload(status, kHintUrl)) return *hint;
  switch (status.code()) {
    case absl::StatusCode::kUnimplemented:
      return "the agent is older than this agentctl: compare `agentctl version` and "
             "`agentctl node list -o wide`";
    case absl::StatusCode::kDeadlineExceeded:
      return "give it more time with --timeout";
    default:
      return "";
  }
}

}  // namespace

absl::Status FromRpc(const google::rpc::Status& status) {
  const auto code = static_cast<absl::StatusCode>(status.code());
  const Details details = ReadDetails(status);
  const std::string& message = status.message();
  if (!details.field.empty() && code == absl::StatusCode::kInvalidArgument &&
      (details.reason.empty() || details.reason == "INVALID_FIELD")) {
    return InvalidField(details.field,
                        absl::StripPrefix(message, absl::StrCat(details.field, ": ")));
  }
  if (!details.reason.empty()) return Error(code, details.reason, message);
  return absl::Status(code, message);
}

absl::Status FromGrpc(const grpc::Status& status) {
  google::rpc::Status rpc;
  // Without details, or with what is none, only code and message are left.
  if (!rpc.ParseFromString(status.error_details())) rpc.Clear();
  rpc.set_code(status.error_code());
  rpc.set_message(status.error_message());
  return FromRpc(rpc);
}

bool IsFromAgent(const grpc::Status& status) {
  return status.ok() || !status.error_details().empty();
}

absl::Status WithExit(absl::Status status, ExitCode code) {
  status.SetPayload(kExitUrl, absl::Cord(absl::StrCat(static_cast<int>(code))));
  return status;
}

absl::Status WithHint(absl::Status status, absl::string_view hint) {
  status.SetPayload(kHintUrl, absl::Cord(hint));
  return status;
}

ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return ExitCode::kDone;
  auto text = Payload(status, kExitUrl);
  int code = 0;
  if (!text.has_value() || !absl::SimpleAtoi(*text, &code)) return ExitCode::kFailed;
  return static_cast<ExitCode>(code);
}

std::string FailureLine(const Failure& failure) {
  std::string line = absl::StrCat("agentctl: ", failure.what);
  if (!failure.node.empty()) absl::StrAppend(&line, " on ", failure.node);
  const absl::string_view message = failure.status.message();
  absl::StrAppend(
      &line, ": ",
      message.empty() ? absl::StatusCodeToString(failure.status.code()) : std::string(message));
  if (const std::string hint = HintFor(failure.status); !hint.empty()) {
    absl::StrAppend(&line, " (", hint, ")");
  }
  return OneLine(line);
}

std::string FailureJson(const Failure& failure) {
  std::vector<std::string> members;
  const auto add = [&](absl::string_view key, absl::string_view value) {
    if (!value.empty()) members.push_back(absl::StrCat("\"", key, "\": ", JsonString(value)));
  };
  add("what", failure.what);
  add("node", failure.node);
  add("code", absl::StatusCodeToString(failure.status.code()));
  add("reason", ErrorReason(failure.status).value_or(""));
  add("field", ErrorField(failure.status).value_or(""));
  add("message", failure.status.message());
  add("hint", HintFor(failure.status));
  return absl::StrCat("{\"error\": {", absl::StrJoin(members, ", "), "}}");
}

std::string OneLine(absl::string_view text) {
  std::string line;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n' || c == '\t') {
      line.push_back(' ');
    } else if (byte < 0x20 || byte == 0x7f) {
      absl::StrAppendFormat(&line, "\\x%02x", byte);
    } else {
      line.push_back(c);
    }
  }
  return line;
}

std::string JsonString(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20 || byte == 0x7f) {
      absl::StrAppendFormat(&out, "\\u%04x", byte);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
  return out;
}

}  // namespace hvagent::agentctl
