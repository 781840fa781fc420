#include "command/call/tracking.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/reserved_keys.h"
#include "resp/reply_reader.h"
#include "resp/reply_writer.h"
#include "resp/request_writer.h"
#include "route/router.h"

namespace ringmaster {
namespace {

// How long a shard may be silent.
constexpr Duration kAskAfter = std::chrono::seconds(5);
constexpr Bytes kAll = "_\r\n";
// Shards that are emptied by one command say so within this time.
constexpr Duration kSameFlush = std::chrono::milliseconds(100);
// A message longer than this stands for all keys: whoever gets it drops more than it had to.
constexpr size_t kLongestMessage = 1U << 20;

constexpr char kNoKeys[] = "*0\r\n";

// The keys of a message without the proxy's own; empty: there are none of these in it.
std::string WithoutReserved(const ReplyElement& keys) {
  std::vector<Bytes> shown;
  size_t all = 0;
  ReplyReader reader = ReplyReader::Children(keys);
  while (const std::optional<ReplyElement> key = reader.Next()) {
    ++all;
    if (!IsReserved(key->text)) shown.push_back(key->raw);
  }
  if (shown.size() == all) return std::string();
  std::string text;
  ReplyWriter(text, 2).Array(shown.size());
  for (const Bytes key : shown) text += key;
  return text;
}

}  // namespace

Tracking::Tracking(Router& router, OnInvalid on_invalid, std::function<void()> on_refused)
    : router_(router), on_invalid_(std::move(on_invalid)), on_refused_(std::move(on_refused)) {}

Tracking::~Tracking() { CloseAll(std::exchange(lanes_, {})); }

std::string Tracking::Prologue(const Lane& lane) const {
  std::vector<Bytes> words = {"CLIENT", "TRACKING", "ON"};
  if (lane.resp == 2) {
    words.insert(words.end(), {"REDIRECT", lane.listener_id});
  }
  if (options_.bcast) words.emplace_back("BCAST");
  if (options_.optin) words.emplace_back("OPTIN");
  if (options_.optout) words.emplace_back("OPTOUT");
  if (options_.noloop) words.emplace_back("NOLOOP");
  for (const std::string& prefix : options_.prefixes) {
    words.insert(words.end(), {"PREFIX", prefix});
  }
  return MakeRequest(words);
}

// --- coming up ---

void Tracking::Start(const TrackingOptions& options, int database, int resp, Done done) {
  options_ = options;
  on_ = true;
  broken_redirect = false;
  struct Round {
    size_t left = 1;
    std::string error;
    Done done;
  };
  auto round = std::make_shared<Round>();
  round->done = std::move(done);
  const Done arrive = [round](const std::string& error) {
    if (round->error.empty()) round->error = error;
    if (--round->left == 0) round->done(round->error);
  };
  for (uint32_t shard = 0; shard < router_.shard_count(); ++shard) {
    Lane* lane = Make(router_.backend(shard), database, resp);
    ++round->left;
    if (lane == nullptr) {
      arrive("-NOTAPPLIED all connections to shard '" + router_.shard_name(shard) +
             "' that a worker may have are in use; close clients that subscribe, track or block, "
             "or raise 'workers' and restart\r\n");
    }
  }
  for (const auto& lane : lanes_) {
    if (lane->database != database || lane->resp != resp) {
      if (lane->connection->ready()) SwitchOn(*lane, [](const std::string&) {});
      continue;
    }
    BringUp(*lane, arrive);
  }
  arrive("");
}

Tracking::Lane* Tracking::Find(Backend& backend, int database, int resp) {
  for (const auto& lane : lanes_) {
    if (lane->backend == &backend && lane->database == database && lane->resp == resp) {
      return lane.get();
    }
  }
  return nullptr;
}

Tracking::Lane* Tracking::Make(Backend& backend, int database, int resp) {
  if (Lane* lane = Find(backend, database, resp)) return lane;
  auto made = std::make_unique<Lane>();
  made->tracking = this;
  made->backend = &backend;
  made->database = database;
  made->resp = resp;
  made->clean = true;
  made->connection = Borrow(*made, resp, resp == 3);
  if (made->connection == nullptr) return nullptr;
  if (resp == 2) made->listener = Borrow(*made, 3, true);
  lanes_.push_back(std::move(made));
  Lane* lane = lanes_.back().get();
  if (resp == 2 && lane->listener == nullptr) {
    Close(*lane);
    lanes_.pop_back();
    return nullptr;
  }
  if (resp == 3) lane->connection->SetPrologue(Prologue(*lane), 1);
  return lane;
}

Connection* Tracking::Borrow(Lane& lane, int resp, bool messages) {
  Connection* connection =
      lane.backend->Borrow(messages && resp != lane.resp ? 0 : lane.database, resp);
  if (connection == nullptr) return nullptr;
  // One that was used before may be up: its next stream would be the first with the prologue.
  if (connection->state() != Connection::State::kIdle) connection->Close("it is lent anew");
  if (messages) {
    connection->SetPushSink(
        [](void* self, const Slice& part, bool complete) {
          Lane& at = *static_cast<Lane*>(self);
          at.tracking->OnPush(at, part, complete);
        },
        &lane);
  }
  connection->SetLost(
      [](void* self) {
        Lane& at = *static_cast<Lane*>(self);
        at.tracking->OnLost(at);
      },
      &lane);
  return connection;
}

void Tracking::Ask(Lane& lane, Connection& connection, const std::string& request,
                   std::function<void(Lane&, std::string)> then) {
  // Close ends the lane's connections, and with them what they were asked, before the lane goes.
  router_.context().asides.Send(
      connection, Slice{request, {}}, {},
      [&lane, then = std::move(then)](Outcome, const std::string& reply) { then(lane, reply); });
}

void Tracking::BringUp(Lane& lane, const Done& done) {
  if (lane.resp == 3 || !lane.listener_id.empty()) return SwitchOn(lane, done);
  lane.asking = true;
  // What the client reads before its shard knows whom to tell waits.
  lane.connection->SetHeld(true);
  Ask(lane, *lane.listener, MakeRequest({"CLIENT", "ID"}),
      [this, done](Lane& at, const std::string& reply) {
        at.asking = false;
        const ReplyElement id = ReadReply(reply);
        if (at.connection == nullptr) return done(reply);  // it is being closed
        if (id.type == ':') {
          at.listener_id = std::to_string(id.count);
          at.connection->SetPrologue(Prologue(at), 1);
        }
        at.connection->SetHeld(false);
        if (id.type != ':') return done(reply);
        SwitchOn(at, done);
      });
}

void Tracking::SwitchOn(Lane& lane, const Done& done) {
  lane.asking = true;
  lane.connection->SetPrologue(Prologue(lane), 1);
  // To a connection that is up it is news; the stream of another begins with it. A prefix that is
  // there already would be refused.
  if (lane.connection->ready() && !options_.prefixes.empty()) {
    Ask(lane, *lane.connection, MakeRequest({"CLIENT", "TRACKING", "OFF"}),
        [](Lane&, const std::string&) {});
  }
  const std::string request = lane.connection->ready() ? Prologue(lane) : MakeRequest({"PING"});
  Ask(lane, *lane.connection, request, [done](Lane& at, const std::string& reply) {
    at.asking = false;
    done(reply.starts_with('-') ? reply : std::string());
  });
}

void Tracking::Tick(TimePoint now) {
  if (!on_) return;
  if (now - last_asked_ >= kAskAfter) {
    last_asked_ = now;
    AskWhetherThere();
  }
  for (size_t i = 0; i < lanes_.size(); ++i) {
    Lane& lane = *lanes_[i];
    // What is tracked by the keys read needs no connection before there is something to read.
    const bool wanted = options_.bcast || lane.resp == 2;
    const bool up = lane.connection->ready() && (lane.resp == 3 || !lane.listener_id.empty());
    if (!wanted || up || lane.asking || lane.backend->link().failing()) continue;
    BringUp(lane, [this](const std::string& error) {
      // Changes of the time in between were not seen.
      if (error.empty()) on_invalid_(kAll);
    });
  }
}

// Only an answer says that a silent shard would still send its messages.
void Tracking::AskWhetherThere() {
  for (const auto& lane : lanes_) {
    for (Connection* connection : {lane->connection, lane->listener}) {
      if (connection == nullptr || !connection->ready() || !connection->idle()) continue;
      Ask(*lane, *connection, MakeRequest({"PING"}), [](Lane&, const std::string&) {});
    }
  }
}

// --- in use ---

Connection& Tracking::For(Backend& backend, int database, int resp) {
  Lane* lane = Make(backend, database, resp);
  if (lane == nullptr) {
    on_refused_();
    return backend.Common(database, resp);
  }
  if (resp == 2 && lane->listener_id.empty()) {
    // A lane of a database or protocol that the client did not use before, or whose listener was
    // lost. What is read where nobody listens is not tracked, so the client is told to forget it.
    const bool unheard = lane->connection->ready();
    if (!lane->asking) {
      BringUp(*lane, [this, unheard](const std::string& error) {
        if (unheard || !error.empty()) on_invalid_(kAll);
      });
    }
  }
  lane->clean = false;
  if (with_caching_) {
    const Bytes word = options_.optin ? "YES" : "NO";
    Ask(*lane, *lane->connection, MakeRequest({"CLIENT", "CACHING", word}),
        [](Lane&, const std::string&) {});
  }
  return *lane->connection;
}

void Tracking::OnPush(Lane& lane, const Slice& part, bool complete) {
  if (!complete || !lane.collected.empty()) {
    if (lane.collected.size() + part.bytes.size() <= kLongestMessage) {
      lane.collected.append(part.bytes);
    } else {
      lane.collected = std::string(kLongestMessage, ' ');
    }
    if (!complete) return;
  }
  const std::string collected = std::exchange(lane.collected, std::string());
  if (collected.size() == kLongestMessage) return on_invalid_(kAll);
  const Bytes message = collected.empty() ? part.bytes : Bytes(collected);
  ReplyReader reader = ReplyReader::Children(ReadReply(message));
  const auto what = reader.Next();
  const auto keys = reader.Next();
  if (!what || !keys || what->text != "invalidate") return;
  if (!keys->is_null()) {
    const std::string shown = WithoutReserved(*keys);
    if (shown.empty()) return on_invalid_(keys->raw);
    return shown == kNoKeys ? void() : on_invalid_(shown);
  }
  if (!HasHeardOf(lane)) on_invalid_(kAll);
}

// Every shard says so when all are emptied; the client needs to hear it once.
bool Tracking::HasHeardOf(Lane& emptied) {
  if (options_.bcast) {
    // What the client holds it may have read anywhere. Another shard's word that comes soon after
    // is of the same command; a shard's second word is not.
    const TimePoint now = MonotonicNow();
    const bool same = now - emptied_at_ < kSameFlush && !emptied.emptied;
    if (!same) {
      emptied_at_ = now;
      for (const auto& lane : lanes_) lane->emptied = false;
    }
    emptied.emptied = true;
    return same;
  }
  if (std::exchange(emptied.clean, true)) return true;
  for (const auto& other : lanes_) {
    if (other->connection->idle()) other->clean = true;
  }
  return false;
}

// What the shard knew of the client is gone.
void Tracking::OnLost(Lane& lane) {
  lane.collected.clear();
  if (lane.resp == 2) lane.listener_id.clear();
  lane.clean = true;
  on_invalid_(kAll);
}

void Tracking::Close(Lane& lane) {
  for (Connection** place : {&lane.connection, &lane.listener}) {
    Connection* connection = std::exchange(*place, nullptr);
    if (connection == nullptr) continue;
    connection->SetLost(nullptr, nullptr);
    connection->SetPushSink(nullptr, nullptr);
    connection->Close("the client's tracking has ended");
    connection->SetPrologue("", 0);
    lane.backend->Discard(connection);
  }
}

void Tracking::CloseAll(const std::vector<std::unique_ptr<Lane>>& lanes) {
  for (const auto& lane : lanes) Close(*lane);
}

void Tracking::TopologyChanged() {
  const auto stays = [this](const auto& lane) {
    for (uint32_t shard = 0; shard < router_.shard_count(); ++shard) {
      if (&router_.backend(shard) == lane->backend) return true;
    }
    return false;
  };
  const auto end = std::stable_partition(lanes_.begin(), lanes_.end(), stays);
  std::vector<std::unique_ptr<Lane>> gone(std::make_move_iterator(end),
                                          std::make_move_iterator(lanes_.end()));
  lanes_.erase(end, lanes_.end());
  // Those who waited for a connection that closes go on, and may ask for others.
  CloseAll(gone);
  // Keys have other owners now, which know nothing of what the client holds.
  if (on_) on_invalid_(kAll);
}

}  // namespace ringmaster
