// One client request from its first byte until its reply is handed to the client's output. Pooled
// by the worker; in its session's queue in the order of arrival.
//
// It outlives its session when the client leaves early: the exchange under way keeps it until the
// reply comes and is dropped.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backend/exchange.h"
#include "base/block.h"
#include "base/clock.h"
#include "base/intrusive_list.h"
#include "command/table/table.h"

namespace ringmaster {

struct Request final : Exchange, ListHook<> {
  static constexpr size_t kInlineReply = 96;

  const Command* command = nullptr;  // nullptr: refused before there was one
  TimePoint started{};
  uint64_t kept_at = 0;  // in RecentRequests
  // The reply, while earlier ones are not out yet.
  bool done = false;
  bool silent = false;  // CLIENT REPLY OFF or SKIP: the reply is dropped
  bool close_after = false;
  bool barrier = false;
  uint8_t inline_size = 0;
  size_t held = 0;       // bytes that wait for their turn: in reply and parts, and collected
  size_t collected = 0;  // of them on their way here, by whoever merges the reply
  Slice reply;           // the whole reply or the last part, if it did not fit inline
  std::unique_ptr<std::vector<Slice>> parts;  // earlier parts
  char inline_reply[kInlineReply];

  static Request& Of(Exchange& exchange) { return static_cast<Request&>(exchange); }
};

}  // namespace ringmaster
