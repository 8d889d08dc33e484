#include "agentctl/node.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agentctl/connection_doctor.h"
#include "agentctl/contact_watch.h"
#include "agentctl/errors.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "grpc/grpc.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"

namespace hvagent::agentctl {
namespace {

// How long one attempt to connect may take, and each step of looking for the cause after it.
constexpr absl::Duration kConnectTimeout = absl::Seconds(5);
constexpr absl::Duration kDiagnoseTimeout = absl::Seconds(3);
constexpr absl::Duration kPollInterval = absl::Seconds(1);
constexpr absl::Duration kPollTimeout = absl::Seconds(5);
// How long a node may be silent before a call that waits on it is given up.
constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr absl::Duration kRetryPause = absl::Milliseconds(250);

std::shared_ptr<grpc::ChannelCredentials> Credentials(bool local, const TlsIdentity* tls) {
  if (local) return grpc::experimental::LocalCredentials(UDS);
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = tls->ca_pem;
  options.pem_cert_chain = tls->certificate_pem;
  options.pem_private_key = std::string(tls->private_key_pem.Reveal());
  auto credentials = grpc::SslCredentials(options);
  secrets::WipeString(options.pem_private_key);
  return credentials;
}

// Keeps gRPC's library up for ever: else the end of the last channel would take it down, which at
// times waits 10 s for a poller (gRPC 1.51, after a large upload).
void KeepGrpcUp() {
  [[maybe_unused]] static const bool kUp = [] {
    grpc_init();
    return true;
  }();
}

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  // Agents are reached directly; a proxy in the environment is for the web.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                   static_cast<int>(absl::ToInt64Milliseconds(kConnectTimeout)));
  return arguments;
}

void SetDeadline(grpc::ClientContext& context, absl::Duration timeout) {
  if (timeout == absl::InfiniteDuration()) return;
  context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout));
}

// Asks the health service and takes any answer for a sign of life: an empty request is a valid
// HealthCheckRequest, and even UNIMPLEMENTED comes from an agent that let us in.
grpc::Status AskHealth(const Node::Channel& channel, grpc::ClientContext& context) {
  grpc::GenericStub stub(channel);
  const grpc::ByteBuffer request(nullptr, 0);
  grpc::ByteBuffer response;
  Mutex mutex;
  CondVar answered;
  std::optional<grpc::Status> answer;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", grpc::StubOptions(), &request, &response,
                 [&](grpc::Status status) {
                   MutexLock lock(mutex);
                   answer = std::move(status);
                   answered.SignalAll();
                 });
  MutexLock lock(mutex);
  while (!answer.has_value()) answered.Wait(mutex);
  switch (answer->error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::CANCELLED:
      return *answer;
    default:
      return grpc::Status::OK;
  }
}

absl::Status InDoubt(const absl::Status& status, absl::string_view why) {
  return WithHint(
      WithExit(Annotate(status, absl::StrCat(why, ", so whether it was done is not known")),
               ExitCode::kInDoubt),
      "look with `agentctl get` before acting");
}

absl::Status GoesOn(const absl::Status& status) {
  return WithHint(WithExit(status, ExitCode::kGoesOnThere),
                  "it goes on there: look with `agentctl get`");
}

bool IsAlive(const absl::Status& poll) { return poll.ok() || absl::IsNotFound(poll); }

}  // namespace

Node::Node(std::string name, std::string address,
           std::shared_ptr<const absl::StatusOr<TlsIdentity>> tls)
    : name_(std::move(name)), address_(std::move(address)), tls_(std::move(tls)) {}

bool Node::is_local() const { return absl::StartsWith(address_, "unix:"); }

absl::StatusOr<Node::Channel> Node::Connect() {
  MutexLock lock(mutex_);
  if (channel_ != nullptr) return channel_;
  if (!is_local()) RETURN_IF_ERROR(tls_->status());
  KeepGrpcUp();
  channel_ = grpc::CreateCustomChannel(
      address_, Credentials(is_local(), is_local() ? nullptr : &**tls_), Arguments());
  return channel_;
}

absl::Status Node::Call(const CallOptions& options, Rpc rpc) {
  ASSIGN_OR_RETURN(const Channel channel, Connect());
  grpc::ClientContext context;
  SetDeadline(context, options.timeout);
  const CancelGuard guard(options.cancel, context);
  const grpc::Status answer = rpc(channel, context);
  absl::Status status = FromGrpc(answer);
  if (IsFromAgent(answer)) return status;
  if (absl::IsDeadlineExceeded(status)) {
    return absl::DeadlineExceededError(
        absl::StrCat("no answer within ", absl::FormatDuration(options.timeout)));
  }
  return options.explain ? Explain(status) : status;
}

absl::Status Node::CheckReachable(const CallOptions& options) { return Call(options, AskHealth); }

absl::Status Node::Explain(const absl::Status& status) const {
  if (!absl::IsUnavailable(status)) return status;
  const TlsIdentity* identity = is_local() || !tls_->ok() ? nullptr : &**tls_;
  absl::Status cause = DiagnoseConnection(address_, identity, kDiagnoseTimeout);
  return cause.ok() ? status : cause;
}

absl::Status Node::Change(const ChangeOptions& options, Rpc rpc) {
  CancelSet* const cancel = options.interrupts == nullptr ? nullptr : &options.interrupts->calls();
  const auto interrupted = [&] {
    return options.interrupts != nullptr && options.interrupts->interrupted();
  };
  CallOptions probe{std::min(options.timeout, absl::Seconds(30)), cancel, true};
  RETURN_IF_ERROR(CheckReachable(probe));
  ASSIGN_OR_RETURN(const Channel channel, Connect());
  const auto poll = [&] {
    absl::Status alive = options.poll ? options.poll(*this)
                                      : CheckReachable({kPollTimeout, nullptr, /*explain=*/false});
    return IsAlive(alive) ? absl::OkStatus() : alive;
  };

  const absl::Duration start = SystemClock().Monotonic();
  std::optional<absl::Duration> lost_since;
  while (true) {
    grpc::ClientContext context;
    SetDeadline(context, options.timeout - (SystemClock().Monotonic() - start));
    const CancelGuard guard(cancel, context);
    bool lost = false;
    grpc::Status answer;
    {
      std::optional<ContactWatch> watch;
      if (options.waits) watch.emplace(context, kPollInterval, kPatience, poll);
      answer = rpc(channel, context);
      lost = watch.has_value() && watch->lost();
    }
    const absl::Status status = FromGrpc(answer);
    if (IsFromAgent(answer)) {
      if (!absl::IsDeadlineExceeded(status)) return status;
      return options.waits ? GoesOn(status) : WithExit(status, ExitCode::kInDoubt);
    }

    if (lost) {
      return InDoubt(
          absl::UnavailableError(absl::StrCat("silent for ", absl::FormatDuration(kPatience))),
          "the node stopped answering");
    }
    if (interrupted() || absl::IsDeadlineExceeded(status)) {
      const absl::Status left =
          interrupted() ? absl::CancelledError("interrupted")
                        : absl::DeadlineExceededError(absl::StrCat(
                              "not done within ", absl::FormatDuration(options.timeout)));
      if (options.waits && poll().ok()) return GoesOn(left);
      return InDoubt(left, "there was no answer");
    }
    if (!absl::IsUnavailable(status)) return status;

    const absl::Duration now = SystemClock().Monotonic();
    if (!lost_since.has_value()) lost_since = now;
    if (now - *lost_since > kPatience || now - start + kRetryPause > options.timeout) {
      return InDoubt(Explain(status), "the connection was lost");
    }
    std::this_thread::sleep_for(absl::ToChronoMilliseconds(kRetryPause));
  }
}

}  // namespace hvagent::agentctl
