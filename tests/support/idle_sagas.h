// Sagas that nobody starts: for what only asks whether there are any.
#pragma once

#include <functional>

#include "command/call/call.h"
#include "lock/lock_service.h"
#include "saga/saga_set.h"

namespace ringmaster {

class IdleSagas {
 public:
  explicit IdleSagas(CommandContext& context)
      : context_(context),
        set_(
            pool_, context.router.context(), context.router, [](const std::function<void()>&) {},
            [] { return TimePoint(); }) {
    context_.sagas = &set_;
  }
  ~IdleSagas() { context_.sagas = nullptr; }
  IdleSagas(const IdleSagas&) = delete;
  IdleSagas& operator=(const IdleSagas&) = delete;

  SagaSet& set() { return set_; }

 private:
  CommandContext& context_;
  LockService locks_{1, [](size_t, const auto&) {}};
  SagaPool pool_{locks_};
  SagaSet set_;
};

}  // namespace ringmaster
