// What ThreadSanitizer has to know about Debian's gRPC, for tests that call over the wire.
//
// Debian builds neither gRPC nor Abseil for ThreadSanitizer: their mutexes and atomics order what
// our code does to memory, and it does not see them. So the few functions at their edge are taken
// over here: each announces the order that it keeps, and goes on to the real one. Only what is
// ordered in truth is announced, so a race between two pieces of our own code is still found, also
// when one of them runs in a callback.
//
// Linked by the tsan preset into every test that uses gRPC (tests/support/CMakeLists.txt).
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpc/grpc.h"
#include "grpcpp/support/callback_common.h"
#include "grpcpp/support/server_callback.h"

namespace hvagent::testing {
namespace {

// The function `name`, of type Function, that would be called if this file were not there.
template <typename Function>
Function* Next(const char* name) {
  void* const function = dlsym(RTLD_NEXT, name);
  if (function == nullptr) {
    std::fprintf(stderr, "tsan_grpc: no library has %s: is this another Abseil?\n", name);
    std::abort();
  }
  return reinterpret_cast<Function*>(function);
}

// What gRPC calls when a batch is complete: one of two functions, both private. An explicit
// instantiation may name a private member, and so hands them out.
using Completion = void (*)(grpc_completion_queue_functor*, int);
using grpc::internal::CallbackWithStatusTag;
using grpc::internal::CallbackWithSuccessTag;
Completion CompletionOf(CallbackWithStatusTag*);
Completion CompletionOf(CallbackWithSuccessTag*);
template <typename Tag, Completion kCompletion>
struct Expose {
  friend Completion CompletionOf(Tag*) { return kCompletion; }
};
template struct Expose<CallbackWithStatusTag, &CallbackWithStatusTag::StaticRun>;
template struct Expose<CallbackWithSuccessTag, &CallbackWithSuccessTag::StaticRun>;

template <typename Tag>
void Complete(grpc_completion_queue_functor* functor, int ok) {
  __tsan_acquire(functor);
  CompletionOf(static_cast<Tag*>(nullptr))(functor, ok);
}

// A tag of another kind is left as it is: it begins with another pointer.
template <typename Tag>
void TakeOverCompletion(void* tag) {
  auto* const functor = static_cast<grpc_completion_queue_functor*>(tag);
  if (functor->functor_run == CompletionOf(static_cast<Tag*>(nullptr))) {
    functor->functor_run = &Complete<Tag>;
  }
}

char ended_calls;

}  // namespace
}  // namespace hvagent::testing

extern "C" {

// Memory that an uninstrumented library touches through malloc, memcpy and the like: it is not
// seen what orders that. The price: two threads that change one std::string by libstdc++'s own
// functions are not seen either; in tests without gRPC they are.
const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1"; }

// The synchronous server (of agentctl's tests) hands these to its threads by atomics alone. Their
// inline parts are instrumented with our code; nothing of ours is below them.
const char* __tsan_default_suppressions() { return "race:^grpc::Server::SyncRequest::\n"; }

// What was done before a batch is started is done when it is complete.
grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* ops, size_t nops, void* tag,
                                      void* reserved) {
  using namespace hvagent::testing;
  static const auto next = Next<decltype(grpc_call_start_batch)>(__func__);
  TakeOverCompletion<CallbackWithStatusTag>(tag);
  TakeOverCompletion<CallbackWithSuccessTag>(tag);
  __tsan_release(tag);
  return next(call, ops, nops, tag, reserved);
}

// The same for calls that block.
grpc_event grpc_completion_queue_pluck(grpc_completion_queue* queue, void* tag,
                                       gpr_timespec deadline, void* reserved) {
  static const auto next = hvagent::testing::Next<decltype(grpc_completion_queue_pluck)>(__func__);
  const grpc_event event = next(queue, tag, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) __tsan_acquire(tag);
  return event;
}

// Every call has ended when its server has gone. Which call is which server's is not known here; a
// process has one at a time.
void grpc_call_unref(grpc_call* call) {
  static const auto next = hvagent::testing::Next<decltype(grpc_call_unref)>(__func__);
  __tsan_release(&hvagent::testing::ended_calls);
  next(call);
}

void grpc_server_destroy(grpc_server* server) {
  static const auto next = hvagent::testing::Next<decltype(grpc_server_destroy)>(__func__);
  next(server);
  __tsan_acquire(&hvagent::testing::ended_calls);
}

}  // extern "C"

// What a call's callbacks did is done before its OnDone, and what comes before a cancellation
// before its OnCancel. gRPC counts them down, now and then in its library, where that is not seen.
namespace grpc::internal {

void ServerCallbackCall::ScheduleOnDone(bool inline_ondone) {
  static const auto next = hvagent::testing::Next<void(ServerCallbackCall*, bool)>(
      "_ZN4grpc8internal18ServerCallbackCall14ScheduleOnDoneEb");
  callbacks_outstanding_.load(std::memory_order_acquire);
  next(this, inline_ondone);
}

void ServerCallbackCall::CallOnCancel(ServerReactor* reactor) {
  static const auto next = hvagent::testing::Next<void(ServerCallbackCall*, ServerReactor*)>(
      "_ZN4grpc8internal18ServerCallbackCall12CallOnCancelEPNS0_13ServerReactorE");
  on_cancel_conditions_remaining_.load(std::memory_order_acquire);
  next(this, reactor);
}

}  // namespace grpc::internal

// Everything else in gRPC that orders two pieces of our code: above all the queue of its executor,
// which runs OnDone and OnCancel.
namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  static const auto next = hvagent::testing::Next<void(Mutex*)>("_ZN4absl7debian35Mutex4LockEv");
  next(this);
  __tsan_acquire(this);
}

bool Mutex::TryLock() {
  static const auto next = hvagent::testing::Next<bool(Mutex*)>("_ZN4absl7debian35Mutex7TryLockEv");
  const bool locked = next(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::Unlock() {
  static const auto next = hvagent::testing::Next<void(Mutex*)>("_ZN4absl7debian35Mutex6UnlockEv");
  __tsan_release(this);
  next(this);
}

void CondVar::Wait(Mutex* mutex) {
  static const auto next =
      hvagent::testing::Next<void(CondVar*, Mutex*)>("_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
  __tsan_release(mutex);
  next(this, mutex);
  __tsan_acquire(mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static const auto next = hvagent::testing::Next<bool(CondVar*, Mutex*, Duration)>(
      "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  __tsan_release(mutex);
  const bool timed_out = next(this, mutex, timeout);
  __tsan_acquire(mutex);
  return timed_out;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static const auto next = hvagent::testing::Next<bool(CondVar*, Mutex*, Time)>(
      "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  __tsan_release(mutex);
  const bool timed_out = next(this, mutex, deadline);
  __tsan_acquire(mutex);
  return timed_out;
}

ABSL_NAMESPACE_END
}  // namespace absl
