// What a client keeps that gets messages out of turn: subscriptions, MONITOR, tracked keys.
//
// Owner: its ClientState, shared with commands of the client under way. On its worker's thread,
// which it does not leave while it has one (ClientState::tied).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "command/call/client_state.h"
#include "command/call/proxy.h"
#include "command/call/tracking.h"

namespace ringmaster {

enum class PushKind : uint8_t { kChannel, kPattern, kShardChannel };
inline constexpr size_t kPushKinds = 3;

struct PushClient {
  using Names = std::set<std::string, std::less<>>;

  uint64_t id = 0;
  ClientView* view = nullptr;  // nullptr: the client left
  Names subscribed[kPushKinds];
  size_t name_bytes = 0;             // of these, with what it takes to keep them
  MemoryCharge charge;               // of these
  const Command* monitor = nullptr;  // what it asked with to see all commands; nullptr: it does not
  bool targeted = false;             // another client's invalidations are for it
  std::unique_ptr<Tracking> tracking;

  Names& of(PushKind kind) { return subscribed[static_cast<size_t>(kind)]; }
  size_t count(PushKind kind) const { return subscribed[static_cast<size_t>(kind)].size(); }
  // As the replies to SUBSCRIBE and its kin count.
  size_t CountFor(PushKind kind) const {
    return kind == PushKind::kShardChannel ? count(kind)
                                           : count(PushKind::kChannel) + count(PushKind::kPattern);
  }
  bool subscriber() const {
    return CountFor(PushKind::kChannel) + CountFor(PushKind::kShardChannel) > 0;
  }
  bool idle() const { return !subscriber() && !monitor && !targeted && tracking == nullptr; }
};

}  // namespace ringmaster
