// A command that is held back, with copies of what it needs, until it may run or is refused.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "command/call.h"

namespace ringmaster {

struct Parked {
  explicit Parked(const Call& call);
  Parked(const Parked&) = delete;
  Parked& operator=(const Parked&) = delete;

  // Its client left meanwhile, and nobody would learn what came of it.
  bool forsaken() const { return exchange->sink != sink; }
  // By `dispatch`, or by DispatchNow; refused when it is forsaken.
  void Run(CommandContext& context, void (*dispatch)(Call& call));
  // Surely not applied.
  void Refuse(Bytes reply);

  std::string bytes;
  std::vector<Bytes> args;
  const Command* command;
  ClientState* client;  // valid unless forsaken
  Exchange* exchange;
  Sink* sink;
  TimePoint since{};
};

// Answers a call that surely did nothing. An EXEC ends its transaction all the same.
void RefuseCall(const Command& command, ClientState& client, Exchange& exchange, Bytes reply);

}  // namespace ringmaster
