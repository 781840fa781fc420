#include "command/multikey/stretches.h"

#include "command/serve/decide.h"

namespace ringmaster {
namespace {

constexpr uint32_t kAnyShard = Stretch::kAnyShard;

// The one shard that a queued command can run on within a shard's own transaction; kAnyShard when
// it has no keys; nothing when the proxy has to serve it itself.
std::optional<uint32_t> ShardFor(CommandContext& context, const AclUser* limits,
                                 const Transaction::Queued& queued) {
  const std::vector<Bytes> args = queued.views();
  const Decision decision =
      Decide(context, *queued.command, args, {.limits = limits, .queued = true});
  const bool whole = decision.kind == Decision::Kind::kForward ||
                     (decision.kind == Decision::Kind::kScatter && !decision.several);
  if (!whole) return std::nullopt;
  return decision.anywhere ? kAnyShard : decision.shard;
}

// What one shard and the proxy answer, such as GET and PING, needs no saga: nothing where it does.
std::optional<uint32_t> OnlyShard(const std::vector<Stretch>& stretches,
                                  const std::vector<Transaction::Queued>& queue) {
  std::optional<uint32_t> only;
  for (const Stretch& stretch : stretches) {
    if (!stretch.shard && IsOurs(queue[stretch.begin])) continue;
    if (!stretch.shard) return std::nullopt;
    if (only && *only != kAnyShard && *stretch.shard != kAnyShard && *only != *stretch.shard) {
      return std::nullopt;
    }
    if (!only || *only == kAnyShard) only = stretch.shard;
  }
  return only;
}

}  // namespace

std::vector<Stretch> Cut(CommandContext& context, const AclUser* limits,
                         const std::vector<Transaction::Queued>& queue) {
  std::vector<Stretch> stretches;
  for (size_t i = 0; i < queue.size(); ++i) {
    const std::optional<uint32_t> shard = ShardFor(context, limits, queue[i]);
    if (shard && !stretches.empty() && stretches.back().shard) {
      uint32_t& at = *stretches.back().shard;
      if (at == *shard || at == kAnyShard || *shard == kAnyShard) {
        if (at == kAnyShard) at = *shard;
        stretches.back().end = i + 1;
        continue;
      }
    }
    stretches.push_back({i, i + 1, shard});
  }
  if (const std::optional<uint32_t> shard = OnlyShard(stretches, queue)) {
    stretches = {{0, queue.size(), shard}};
  }
  return stretches;
}

bool IsOurs(const Transaction::Queued& queued) {
  return queued.command->row->plan.kind == PlanKind::kLocal &&
         queued.command->full_name != "select";
}

}  // namespace ringmaster
