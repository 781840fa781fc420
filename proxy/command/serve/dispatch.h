// Carries out which way a call goes (command/serve/decide.h): its first step. On the client's
// worker.
#pragma once

#include "command/call/call.h"
#include "command/call/serving.h"

namespace ringmaster {

// Serves the call, in the background where the operator says so. REQUIRES: the arity fits.
void Dispatch(Call& call);
// Serves it by its command's plan, when its keys are not on the move.
void DispatchByPlan(Call& call);
// Serves it when the gates have let it pass: a flush stops what carries keys, for that would
// survive.
void DispatchAfterMove(Call& call);
// Serves it now.
void DispatchNow(Call& call);
// What gates call when they let a call go.
Serving ServingByDispatch();

}  // namespace ringmaster
