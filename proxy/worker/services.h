// What workers need of the process around them, lent by it for as long as they live.
#pragma once

#include "command/operator/operator.h"
#include "jobs/turns.h"
#include "worker/client_limit.h"

namespace ringmaster {

struct WorkerServices {
  Operator& operators;
  BackgroundTurns& turns;
  ClientLimit& clients;
};

}  // namespace ringmaster
