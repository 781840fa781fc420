// Keys that would stop a server for long if they were moved at once (PROTOCOLS.md 4.5).
#include <algorithm>

#include "control/mover.h"

namespace ringmaster {
namespace {

constexpr Bytes kPieceCount = "1000";
constexpr int64_t kListPiece = 1000;

struct Plan {
  Bytes type;
  Bytes scan;   // how pieces are read
  Bytes write;  // and written
};
constexpr Plan kPlans[] = {{"hash", "HSCAN", "HSET"},
                           {"set", "SSCAN", "SADD"},
                           {"zset", "ZSCAN", "ZADD"},
                           {"list", "LRANGE", "RPUSH"}};

}  // namespace

// Copies it under another name in pieces, then renames it: no client command touches the key
// meanwhile, so the pieces fit together. Leaves the item in kDump when it can be moved at once.
void Mover::CopyInPieces(Item& item) {
  ShardClient& donor = Client(donor_);
  const ShardReply type = donor.Ask({"TYPE", item.key});
  const auto plan = std::find_if(std::begin(kPlans), std::end(kPlans),
                                 [&](const Plan& each) { return each.type == type.text(); });
  if (plan == std::end(kPlans)) return;
  copying_ = &item;
  const Status copied = CopyPieces(item, plan->scan, plan->write);
  copying_ = nullptr;
  if (!copied) {
    item.error = copied.error().text;
    item.broke = copied.error().code == ErrorCode::kUnavailable;
    item.transfer.OnReply(KeyTransfer::Reply::kRefused);
  }
}

Status Mover::CopyPieces(Item& item, Bytes scan, Bytes write) {
  const std::string copy = "__rm:mv:" + item.key;
  const auto use = [&](uint32_t shard) -> Status {
    if (const Status ready = Connect(shard); !ready) return ready;
    if (!Client(shard).Select(item.database)) return Lost(shard);
    return Done();
  };
  if (const Status ready = use(item.to); !ready) return ready;
  ShardClient& donor = Client(donor_);
  ShardClient& recipient = Client(item.to);
  if (recipient.Ask({"UNLINK", copy}).lost()) return Lost(item.to);
  const ShardReply exists = recipient.Ask({"EXISTS", item.key});
  if (exists.lost() || exists.is_error()) return Lost(item.to);
  if (exists.integer() == 1) {
    item.transfer.OnReply(KeyTransfer::Reply::kOk);
    item.transfer.OnReply(KeyTransfer::Reply::kBusy);
    return Done();
  }
  std::string cursor = "0";
  int64_t position = 0;
  while (true) {
    ServePulls();
    if (const Status ready = use(donor_); !ready) return ready;
    const bool list = scan == "LRANGE";
    const ShardReply page = list ? donor.Ask({scan, item.key, std::to_string(position),
                                              std::to_string(position + kListPiece - 1)})
                                 : donor.Ask({scan, item.key, cursor, "COUNT", kPieceCount});
    if (page.lost() || page.is_error() || (!list && page.size() != 2)) return Lost(donor_);
    const ShardReply view = list ? ShardReply() : page.at(1);
    const ShardReply& elements = list ? page : view;
    ShardClient::Args args = {write, copy};
    for (size_t i = 0; i < elements.size(); ++i) {
      // A sorted set is read as member and score and written the other way round.
      args.push_back(elements.at(write == "ZADD" ? i ^ 1 : i).text());
    }
    if (args.size() > 2) {
      if (const Status ready = use(item.to); !ready) return ready;
      const ShardReply written = recipient.Ask(args);
      if (written.lost() || written.is_error()) return Refused(item.to, written);
      for (size_t i = 2; i < args.size(); ++i) item.size += args[i].size();
    }
    position += static_cast<int64_t>(elements.size());
    if (!list) cursor = std::string(page.at(0).text());
    if (list ? elements.size() == 0 : cursor == "0") break;
  }
  return RenameCopy(item, copy);
}

// The copy is complete: gives it the time to live and the name.
Status Mover::RenameCopy(Item& item, const std::string& copy) {
  ShardClient& donor = Client(donor_);
  ShardClient& recipient = Client(item.to);
  if (!donor.connected() || !donor.Select(item.database)) return Lost(donor_);
  const ShardReply ttl = donor.Ask({"PTTL", item.key});
  if (ttl.lost() || ttl.is_error()) return Lost(donor_);
  if (!recipient.connected() || !recipient.Select(item.database)) return Lost(item.to);
  if (ttl.integer() == -2) {
    // It expired meanwhile.
    if (recipient.Ask({"UNLINK", copy}).lost()) return Lost(item.to);
    item.transfer.OnReply(KeyTransfer::Reply::kAbsent);
    return Done();
  }
  if (ttl.integer() >= 0) {
    const std::string left = std::to_string(std::max<int64_t>(ttl.integer(), 1));
    if (recipient.Ask({"PEXPIRE", copy, left}).lost()) return Lost(item.to);
  }
  item.transfer.OnReply(KeyTransfer::Reply::kOk);
  const ShardReply renamed = recipient.Ask({"RENAMENX", copy, item.key});
  if (renamed.lost()) {
    item.error = Lost(item.to).error().text;
    item.transfer.OnReply(KeyTransfer::Reply::kLost);
    return Done();
  }
  // It expired between two steps: so it has on the donor.
  const bool gone = renamed.is_error() && renamed.text().starts_with("ERR no such key");
  if (renamed.is_error() && !gone) return Refused(item.to, renamed);
  item.moved = true;
  item.transfer.OnReply(KeyTransfer::Reply::kOk);
  return Done();
}

Status Mover::Lost(uint32_t shard) {
  return Error{ErrorCode::kUnavailable,
               "shard " + Client(shard).target().name + ": " + Client(shard).error()};
}

Status Mover::Refused(uint32_t shard, const ShardReply& reply) {
  if (reply.lost()) return Lost(shard);
  return Error{ErrorCode::kRefused, "shard " + Client(shard).target().name +
                                        " does not take it: " + std::string(reply.text())};
}

}  // namespace ringmaster
