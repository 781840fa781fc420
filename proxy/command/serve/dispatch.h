// Which way a call goes, by its command's plan (command/table/row.h), and its first step. On the
// client's worker.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "command/call/call.h"
#include "command/call/serving.h"

namespace ringmaster {

// Serves the call, in the background where the operator says so. REQUIRES: the arity fits.
void Dispatch(Call& call);
// Serves it by its command's plan, when its keys are not on the move.
void DispatchByPlan(Call& call);
// Serves it now.
void DispatchNow(Call& call);
// Any shard will do: the first that answers.
uint32_t AnyShard(const Routes& routes);
// Whether the row's exception is taken by a call with these arguments.
bool IsExcepted(const CommandContext& context, const Row& row, std::span<const Bytes> args);
// Passes it on to this shard. REQUIRES: it is passed on as it is, and has one key.
void ForwardTo(Call& call, uint32_t shard);
// Whether one of the call's keys belongs to the proxy.
bool NamesReserved(const Call& call);

// What gates call when they let a call go.
Serving ServingByDispatch();

}  // namespace ringmaster
