#include "worker/key_puller.h"

#include <algorithm>
#include <optional>

#include "base/planted.h"
#include "coro/completion.h"
#include "net/mailbox.h"
#include "resp/reply_reader.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

// From this estimate on a key is the mover's, and so is what a batch has beyond the second.
constexpr Bytes kLarge = "65536";
constexpr Bytes kRoom = "1048576";
constexpr size_t kBatch = 64;
// A connection that breaks and comes up again is no reason to tell clients of an error; one that
// always breaks, or stays away so long, is.
constexpr int kAttempts = 8;
constexpr Duration kPatience = std::chrono::milliseconds(300);
constexpr Duration kBetweenTries = std::chrono::milliseconds(20);
// Off one donor. While so many are under way, what comes gathers for the next.
constexpr size_t kBatchesUnderWay = 1;
// A time to live, in milliseconds, that outlasts what a key's old copy takes to go.
constexpr int64_t kLasts = 10000;
constexpr Duration kBetweenFences = std::chrono::milliseconds(200);

std::string ErrorOf(Bytes reply) {
  const Bytes line = reply.substr(0, reply.find('\r'));
  return std::string(line.substr(line.empty() ? 0 : 1));
}

}  // namespace

void KeyPuller::AskMover(Mover& mover, int database, std::string key, Pulling pulling) {
  Mailbox& home = home_;
  mover.Pull(database, std::move(key),
             {.done = [&home, done = std::move(pulling.done)](
                          const std::string& error) { home.Post([done, error] { done(error); }); },
              .read_old = [&home, read = std::move(pulling.read_old)] { home.Post(read); },
              .end_reads =
                  [&home, end = std::move(pulling.end_reads)](const std::function<void()>& ended) {
                    home.Post([end, ended] { end(ended); });
                  }});
}

void KeyPuller::Pull(uint64_t epoch, uint32_t old_owner, int database, std::string key,
                     Pulling pulling) {
  Mover* mover = nullptr;
  if (movers_ != nullptr && movers_->context.move->epoch() == epoch) mover = movers_->Of(old_owner);
  if (mover == nullptr) return pulling.done("nobody moves it; try again");
  PullOff(*mover, database, std::move(key), std::move(pulling));
}

void KeyPuller::HoldTransfers(std::function<void(Result<Proxy::TransferHold>)> done) {
  using Hold = Proxy::TransferHold;
  if (movers_ == nullptr) return done(Hold());
  struct Round {
    std::shared_ptr<MoverSet> set;
    size_t left;
    std::string trouble;
    std::function<void(Result<Hold>)> done;
  };
  auto round = std::make_shared<Round>(Round{movers_, movers_->movers.size(), "", std::move(done)});
  for (const auto& mover : movers_->movers) {
    mover->Hold([home = &home_, round](const std::string& trouble) {
      home->Post([round, trouble] {
        if (!trouble.empty()) round->trouble = trouble;
        if (--round->left > 0) return;
        Hold hold(round->set.get(), [set = round->set](void*) {
          for (const auto& mover : set->movers) mover->Release();
        });
        if (round->trouble.empty()) return round->done(std::move(hold));
        hold.reset();
        round->done(Error{ErrorCode::kUnavailable, round->trouble});
      });
    });
  }
}

void KeyPuller::PullOff(Mover& mover, int database, std::string key, Pulling pulling) {
  const uint32_t to = movers_->context.move->Locate(key).owner;
  std::string script;
  if (closed_ || !mover.BeginPull(database, key, to, script)) {
    return AskMover(mover, database, std::move(key), std::move(pulling));
  }
  const Where where{&mover, database};
  Way& way = ways_[where];
  way.set = movers_;
  way.script = std::move(script);
  if (way.waiting.empty()) waiting_.push_back(where);
  way.waiting.push_back({.key = std::move(key), .pulling = std::move(pulling), .to = to});
}

void KeyPuller::SetOut() {
  std::vector<Where> later;
  for (const Where& where : std::exchange(waiting_, {})) {
    Way& way = ways_[where];
    while (!way.waiting.empty() && way.under_way < kBatchesUnderWay) {
      auto batch = std::make_shared<Batch>();
      batch->set = way.set;
      batch->mover = where.first;
      batch->database = where.second;
      batch->script = way.script;
      batch->began = MonotonicNow();
      const auto end =
          way.waiting.begin() + static_cast<std::ptrdiff_t>(std::min(kBatch, way.waiting.size()));
      std::move(way.waiting.begin(), end, std::back_inserter(batch->items));
      way.waiting.erase(way.waiting.begin(), end);
      ++way.under_way;
      tasks_.Add(Carry(where, std::move(batch)));
    }
    if (!way.waiting.empty()) later.push_back(where);
  }
  waiting_.insert(waiting_.end(), later.begin(), later.end());
}

FencedConnection& KeyPuller::ConnectionTo(const MoverSet& set, uint32_t shard, int database) {
  auto& place = connections_[{router_.link(shard).get(), database}];
  if (place == nullptr) {
    place = std::make_unique<FencedConnection>(context_, router_.link(shard),
                                               router_.backend(shard).metrics(), database, 2,
                                               set.context.client_name.name, [] {});
  }
  return *place;
}

Task<void> KeyPuller::Carry(Where where, std::shared_ptr<Batch> batch) {
  batch->donor = &ConnectionTo(*batch->set, batch->mover->donor(), batch->database);
  for (Item& item : batch->items) {
    item.recipient = &ConnectionTo(*batch->set, item.to, batch->database);
  }
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    co_await Dump(*batch);
    co_await Restore(*batch);
    TellReaders(*batch);
    co_await Unlink(*batch);
    bool again = co_await Fence(*batch);
    while (!again && Unsettled(*batch) && MonotonicNow() - batch->began < kPatience) {
      co_await Sleep(kBetweenTries);
      again = co_await Fence(*batch);
    }
    if (!again) break;
  }
  --ways_[where].under_way;
  std::vector<Item> stuck;
  for (Item& item : batch->items) {
    if (item.transfer.step() != KeyTransfer::Step::kSuspect) {
      End(*batch, item);
      continue;
    }
    // Clients are not kept waiting for a shard that is gone.
    batch->mover->StuckPull(batch->database, item.key, item.error);
    std::exchange(item.pulling, {}).done(item.error);
    stuck.push_back(std::move(item));
  }
  if (stuck.empty()) co_return;
  batch->items = std::move(stuck);
  co_await WaitForFence(*batch);
}

void KeyPuller::End(Batch& batch, Item& item) {
  const bool here = item.transfer.step() == KeyTransfer::Step::kHere;
  batch.mover->EndPull(batch.database, item.key,
                       {.moved = here && item.moved,
                        .doubtful = !here && item.moved,
                        .size = item.size,
                        .took = MonotonicNow() - batch.began});
  Pulling pulling = std::exchange(item.pulling, {});
  if (!here && (item.left || batch.mover->given_up())) {
    return AskMover(*batch.mover, batch.database, std::move(item.key), std::move(pulling));
  }
  pulling.done(here ? std::string() : item.error);
}

// What it leaves in kDump is the mover's.
void KeyPuller::TakeDumps(Batch& batch, const std::vector<Item*>& asked, const Answer& answer) {
  const std::string& donor = batch.donor->shard();
  if (answer.outcome != Outcome::kReplied) {
    for (Item* item : asked) {
      if (Planted("absent-from-a-dead-donor")) {
        item->transfer.OnReply(KeyTransfer::Reply::kAbsent);
        continue;
      }
      item->error = "shard " + donor + ": " + ErrorOf(answer.reply);
      item->broke = true;
      item->transfer.OnReply(KeyTransfer::Reply::kLost);
    }
    return;
  }
  const std::vector<ReplyElement> elements = ReadArray(answer.reply);
  const bool usable = elements.size() == 2 * asked.size();
  const TimePoint now = MonotonicNow();
  for (size_t i = 0; i < asked.size(); ++i) {
    Item& item = *asked[i];
    item.left = true;
    if (!usable) continue;
    const ReplyElement& payload = elements[2 * i + 1];
    item.ttl = elements[2 * i].count;
    if (item.ttl == Mover::kAbsent) {
      item.transfer.OnReply(KeyTransfer::Reply::kAbsent);
    } else if (item.ttl != Mover::kNotNow && payload.type == '$' && !payload.is_null()) {
      item.payload = payload.text;
      item.size = item.payload.size();
      item.dumped_at = now;
      item.left = false;
      item.transfer.OnReply(KeyTransfer::Reply::kOk);
    }
  }
}

Task<void> KeyPuller::Dump(Batch& batch) {
  std::vector<Item*> asked;
  std::vector<Bytes> args = {"EVALSHA", batch.script, ""};
  for (Item& item : batch.items) {
    if (item.transfer.step() != KeyTransfer::Step::kDump || item.left) continue;
    asked.push_back(&item);
    args.push_back(item.key);
  }
  if (asked.empty()) co_return;
  const std::string count = std::to_string(asked.size());
  args[2] = count;
  args.push_back(kLarge);
  args.push_back(kRoom);
  FencedConnection& donor = *batch.donor;
  const bool ready = co_await donor.Ready();
  Answer answer{Outcome::kNotApplied, "-it cannot be reached"};
  if (ready) {
    std::string request;
    AppendRequest(request, args);
    answer = co_await donor.Ask(std::move(request), 1);
  }
  TakeDumps(batch, asked, answer);
}

Task<void> KeyPuller::Restore(Batch& batch) {
  struct Part {
    std::vector<Item*> items;
    std::unique_ptr<Question> question;
  };
  std::map<FencedConnection*, Part> parts;
  for (Item& item : batch.items) {
    if (item.transfer.step() == KeyTransfer::Step::kRestore)
      parts[item.recipient].items.push_back(&item);
  }
  for (auto& [shard, part] : parts) {
    FencedConnection& recipient = *shard;
    const bool ready = co_await recipient.Ready();
    if (!ready) continue;
    std::string request;
    for (const Item* item : part.items) {
      const std::string ttl = std::to_string(KeyTransfer::TimeToLive(item->ttl, item->dumped_at));
      const Bytes args[] = {"RESTORE", item->key, ttl, item->payload};
      AppendRequest(request, args);
    }
    part.question = std::make_unique<Question>(FencedConnection::kMaxReply);
    recipient.Send(*part.question, request, static_cast<uint32_t>(part.items.size()));
  }
  for (auto& [shard, part] : parts) {
    Answer answer{Outcome::kNotApplied, "-it cannot be reached"};
    if (part.question != nullptr) answer = co_await part.question->answer();
    ReplyReader reader(answer.reply);
    for (Item* item : part.items) {
      item->payload.clear();
      const std::string& name = shard->shard();
      std::optional<ReplyElement> reply;
      if (answer.outcome == Outcome::kReplied) reply = reader.Next();
      if (Planted("unlinked-unacknowledged")) {
        item->transfer.OnReply(KeyTransfer::Reply::kOk);
      } else if (!reply) {
        item->error = "shard " + name + ": " + ErrorOf(answer.reply);
        item->broke = true;
        item->transfer.OnReply(answer.outcome == Outcome::kNotApplied ? KeyTransfer::Reply::kRefused
                                                                      : KeyTransfer::Reply::kLost);
      } else {
        const KeyTransfer::Reply outcome = KeyTransfer::OfRestore(reply->is_error(), reply->text);
        if (outcome == KeyTransfer::Reply::kOk) item->moved = true;
        if (outcome == KeyTransfer::Reply::kRefused) {
          item->error = "shard " + name + " does not take it: " + std::string(reply->text);
        }
        item->transfer.OnReply(outcome);
      }
    }
  }
}

// Both have it now. Not where it may be gone from one of them any moment.
void KeyPuller::TellReaders(const Batch& batch) {
  for (const Item& item : batch.items) {
    const bool lasts = item.ttl < 0 || item.ttl > kLasts;
    if (item.transfer.step() == KeyTransfer::Step::kUnlink && lasts) item.pulling.copied();
  }
}

Task<void> KeyPuller::Unlink(Batch& batch) {
  std::vector<Item*> asked;
  std::vector<Bytes> args = {"UNLINK"};
  for (Item& item : batch.items) {
    if (item.transfer.step() != KeyTransfer::Step::kUnlink) continue;
    asked.push_back(&item);
    args.push_back(item.key);
  }
  if (asked.empty()) co_return;
  FencedConnection& donor = *batch.donor;
  std::string request;
  AppendRequest(request, args);
  const Answer answer = co_await donor.Ask(std::move(request), 1);
  for (Item* item : asked) {
    const bool done = answer.outcome == Outcome::kReplied && !answer.is_error();
    if (!done) {
      item->error = "shard " + batch.donor->shard() + ": UNLINK: " + ErrorOf(answer.reply);
    }
    // Refused, the mover finds it on both sides.
    item->left = !done && answer.outcome != Outcome::kUncertain;
    item->transfer.OnReply(done                                    ? KeyTransfer::Reply::kOk
                           : answer.outcome == Outcome::kUncertain ? KeyTransfer::Reply::kLost
                                                                   : KeyTransfer::Reply::kRefused);
  }
}

// Makes final what is in doubt. True: some of it, or of what nobody was reached for, is to be
// carried anew.
Task<bool> KeyPuller::Fence(Batch& batch) {
  bool again = false;
  for (Item& item : batch.items) {
    if (!Unsettled(item)) continue;
    FencedConnection& donor = *batch.donor;
    const bool donor_ready = co_await donor.Ready();
    FencedConnection& recipient = *item.recipient;
    const bool recipient_ready = co_await recipient.Ready();
    if (!donor_ready || !recipient_ready) continue;
    item.broke = false;
    item.transfer.Retry();
    again = true;
  }
  co_return again;
}

bool KeyPuller::Unsettled(const Item& item) {
  const KeyTransfer::Step step = item.transfer.step();
  return step == KeyTransfer::Step::kSuspect || (step == KeyTransfer::Step::kFailed && item.broke);
}

bool KeyPuller::Unsettled(const Batch& batch) {
  return std::any_of(batch.items.begin(), batch.items.end(),
                     [](const Item& item) { return Unsettled(item); });
}

bool KeyPuller::InDoubt(const Batch& batch) {
  return std::any_of(batch.items.begin(), batch.items.end(), [](const Item& item) {
    return item.transfer.step() == KeyTransfer::Step::kSuspect;
  });
}

Task<void> KeyPuller::Sleep(Duration delay) {
  auto slept = std::make_shared<Completion<bool>>();
  after_(delay, [slept] { slept->Complete(true); });
  co_await *slept;
}

// Nobody touches these keys until nothing is in doubt.
Task<void> KeyPuller::WaitForFence(Batch& batch) {
  while (InDoubt(batch) && !closed_) {
    co_await Sleep(kBetweenFences);
    co_await Fence(batch);
  }
  for (const Item& item : batch.items) {
    batch.mover->EndPull(batch.database, item.key, {.doubtful = true});
  }
}

void KeyPuller::Tick(TimePoint now) {
  EndTurn();
  if (connections_.empty()) return;
  // Never where a batch ends, which may be while others set out.
  std::erase_if(ways_, [](const auto& way) {
    return way.second.under_way == 0 && way.second.waiting.empty();
  });
  if (tasks_.count() == 0 && router_.move() == nullptr) return connections_.clear();
  for (const auto& [where, connection] : connections_) connection->Tick(now);
}

void KeyPuller::Close(const std::string& why) {
  closed_ = true;
  for (const auto& [where, connection] : connections_) connection->Close(why);
  tasks_.Clear();
}

}  // namespace ringmaster
