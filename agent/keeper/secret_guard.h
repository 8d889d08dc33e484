// Sees to it that the secrets stay right: looks at once when libvirt tells of a change or a new
// connection, and every period without a reason, since notices can be lost.
#ifndef HVAGENT_AGENT_KEEPER_SECRET_GUARD_H_
#define HVAGENT_AGENT_KEEPER_SECRET_GUARD_H_

#include <thread>

#include "absl/time/time.h"
#include "agent/keeper/secret_keeper.h"
#include "base/mutex.h"
#include "secrets/secret_store.h"

namespace hvagent::keeper {

class SecretGuard {
 public:
  // Both outlive the guard. Work begins with Start.
  SecretGuard(SecretKeeper& keeper, secrets::SecretStore& store, absl::Duration period)
      : keeper_(keeper), store_(store), period_(period) {}
  ~SecretGuard() { Stop(); }

  SecretGuard(const SecretGuard&) = delete;
  SecretGuard& operator=(const SecretGuard&) = delete;

  void Start();
  // Waits for a look that is under way.
  void Stop();

 private:
  void Run();

  SecretKeeper& keeper_;
  secrets::SecretStore& store_;
  const absl::Duration period_;
  Mutex mutex_;
  CondVar changed_;
  bool noticed_ ABSL_GUARDED_BY(mutex_) = false;
  // Somebody else may have changed a value that cannot be read. A notice of our own write is none
  // of that: setting the value again would bring the next one.
  bool doubt_private_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hvagent::keeper

#endif  // HVAGENT_AGENT_KEEPER_SECRET_GUARD_H_
