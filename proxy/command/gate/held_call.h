// A command that is held back, with copies of what it needs, until it may run or is refused.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "command/call/call.h"
#include "command/call/serving.h"

namespace ringmaster {

// Bytes of the calls that one gate holds back. Each gives its own back when it goes.
class HeldBytes {
 public:
  // Beyond so many a gate refuses what would have to wait.
  static constexpr size_t kMost = 64U << 20;

  // Whether the call may wait. One that is larger than all of it waits alone.
  bool HasRoomFor(const Call& call) const;
  size_t value() const { return value_; }

 private:
  friend struct HeldCall;
  size_t value_ = 0;
};

struct HeldCall {
  // `total` outlives it. `shard`: named where it is refused.
  HeldCall(const Call& call, HeldBytes& total, Bytes shard, TimePoint now = {});
  ~HeldCall();
  HeldCall(const HeldCall&) = delete;
  HeldCall& operator=(const HeldCall&) = delete;

  // Its client left meanwhile, and nobody would learn what came of it. The command of a recipe is
  // never forsaken: the recipe waits for it.
  bool forsaken() const { return exchange->sink != sink; }
  // By one of Serving's functions; refused when it is forsaken.
  void Run(CommandContext& context, Serving::Serve serve);
  // Surely not applied.
  void Refuse(Bytes reply);

  std::string bytes;
  std::vector<Bytes> args;
  const Command* command;
  Exchange* exchange;  // there until it has its reply
  Sink* sink;
  const std::string shard;
  const TimePoint since;

 private:
  HeldBytes& total_;
  // It may leave while a command of its EXEC waits, which is served for one like it then.
  const ClientRef client_;
  const uint64_t client_id_;
  const int database_;
  const int resp_;
  const bool in_exec_;
  const std::shared_ptr<const AclUser> limits_;
  const std::shared_ptr<PushClient> push_;
};

// Answers a call that surely did nothing. An EXEC ends its transaction all the same. `client`:
// nullptr when it is gone.
void RefuseCall(const Command& command, ClientState* client, Exchange& exchange, Bytes reply);

}  // namespace ringmaster
