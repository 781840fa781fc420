#include "move/mover.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "move/mover_in_hand.h"

namespace ringmaster {
namespace {

constexpr Duration kRetryAfter = std::chrono::milliseconds(200);
constexpr int kTries = 4;
constexpr size_t kPullsAtOnce = 128;
constexpr Duration kBetweenPulls = std::chrono::microseconds(800);

size_t NumberOf(uint32_t donor, const RingMove& move) {
  const std::vector<uint32_t>& donors = move.donors();
  return static_cast<size_t>(std::find(donors.begin(), donors.end(), donor) - donors.begin());
}

}  // namespace

Mover::Mover(MoverContext& context, uint32_t donor, std::function<void()> swept)
    : context_(context),
      donor_(donor),
      on_swept_(std::move(swept)),
      turns_(*context.pacer, NumberOf(donor, *context.move), context.targets.size()) {
  const auto connections = [this] {
    std::vector<std::unique_ptr<ShardClient>> clients;
    for (const ShardTarget& target : context_.targets) {
      clients.push_back(std::make_unique<ShardClient>(
          target, context_.client_name, context_.connect_timeout, context_.command_timeout));
    }
    return clients;
  };
  clients_ = connections();
  uploads_ = connections();
  arrivals_ = std::make_unique<Arrivals>(connections(), context_.durable_move);
  retry_at_.resize(clients_.size());
  eviction_.resize(clients_.size());
  opened_.resize(clients_.size());
  thread_ = std::thread([this] { Run(); });
}

void Mover::Stop() {
  if (!thread_.joinable()) return;
  {
    const MutexLock lock(mutex_);
    stop_ = true;
  }
  for (const auto& client : clients_) client->Cancel();
  for (const auto& upload : uploads_) upload->Cancel();
  arrivals_->Cancel();
  wake_.notify_all();
  thread_.join();
  std::deque<Waiting> pulls;
  std::vector<std::function<void(const std::string&)>> holds;
  {
    const MutexLock lock(mutex_);
    pulls.swap(pulls_);
    holds.swap(holds_);
  }
  for (const Waiting& waiting : pulls) waiting.asker.done("the move ended meanwhile; try again");
  for (const auto& held : holds) held("");
}

ShardClient& Mover::Client(uint32_t shard) { return *clients_[shard]; }

void Mover::Pull(int database, std::string key, Asker asker) {
  {
    const MutexLock lock(mutex_);
    pulls_.push_back({database, std::move(key), std::move(asker)});
  }
  wake_.notify_one();
}

bool Mover::BeginPull(int database, Bytes key, uint32_t to, std::string& script) {
  const MutexLock lock(mutex_);
  if (stop_ || halted_ || halt_ || held_ > 0 || abandoned_ || figures_.swept) return false;
  if (worker_script_.empty() || !opened_[donor_] || !opened_[to]) return false;
  if (!carried_.BeginPull(CarriedKeys::NameOf(database, key))) return false;
  script = worker_script_;
  return true;
}

void Mover::EndPull(int database, Bytes key, const PullEnd& end) {
  bool awaited = false;
  {
    const MutexLock lock(mutex_);
    carried_.EndPull(CarriedKeys::NameOf(database, key));
    ++worker_pulls_;
    if (end.doubtful) worker_doubt_ = true;
    ++figures_.pulls;
    if (end.moved) CountOne(key, end.size, end.took);
    awaited = !pulls_.empty() || held_ > 0 || halt_;
  }
  if (awaited) wake_.notify_one();
}

void Mover::StuckPull(int database, Bytes key, const std::string& why) {
  {
    const MutexLock lock(mutex_);
    carried_.SetStuck(CarriedKeys::NameOf(database, key), why);
  }
  wake_.notify_one();
}

bool Mover::given_up() const {
  const MutexLock lock(mutex_);
  return abandoned_ || stop_;
}

void Mover::Resolve(std::function<void(Status)> done) {
  {
    const MutexLock lock(mutex_);
    resolve_ = std::move(done);
  }
  wake_.notify_one();
}

void Mover::Halt(std::function<void(bool)> halted) {
  {
    const MutexLock lock(mutex_);
    halt_ = std::move(halted);
  }
  wake_.notify_one();
}

void Mover::Resume() {
  {
    const MutexLock lock(mutex_);
    halted_ = false;
    resume_sweep_ = true;
  }
  wake_.notify_one();
}

void Mover::Hold(std::function<void(const std::string&)> held) {
  {
    const MutexLock lock(mutex_);
    ++held_;
    if (!stop_) {
      holds_.push_back(std::move(held));
      held = nullptr;
    }
  }
  if (held) return held("");
  wake_.notify_one();
}

void Mover::Release() {
  {
    const MutexLock lock(mutex_);
    --held_;
  }
  wake_.notify_one();
}

void Mover::Abandon() {
  {
    const MutexLock lock(mutex_);
    abandoned_ = true;
  }
  clients_[donor_]->Cancel();
  wake_.notify_one();
}

MoverFigures Mover::figures() const {
  const MutexLock lock(mutex_);
  return figures_;
}

void Mover::Trouble(const std::string& what) {
  const MutexLock lock(mutex_);
  if (figures_.trouble == what) return;
  figures_.trouble = what;
  if (!what.empty()) {
    LogWarning("moving keys off shard {}: {}", context_.targets[donor_].name, what);
  }
}

void Mover::Run() {
  while (true) {
    {
      MutexLock lock(mutex_);
      if (stop_) return;
      if (std::exchange(resume_sweep_, false)) sweeping_ = true;
    }
    if (StandStill() || GiveUp() || ServePulls()) continue;
    FinishOrders();
    const Duration rest = UntilSweep();
    if (rest <= Duration(0)) {
      SweepStep();
      continue;
    }
    MutexLock lock(mutex_);
    // Not longer at once: the rate may be another by then.
    const bool ordered = stop_ || abandoned_ || held_ > 0 || halt_ || resolve_ || resume_sweep_;
    if (ordered || Servable()) continue;
    wake_.wait_for(lock.native(), std::min<Duration>(rest, kTroubleDelay));
  }
}

// Somebody waits for a key that no worker carries.
bool Mover::Servable() const {
  if (pulls_.empty() || halted_) return false;
  if (carried_.pulls() == 0) return true;
  const auto servable = [this](const Waiting& waiting) RM_REQUIRES(mutex_) {
    const std::string name = CarriedKeys::NameOf(waiting.database, waiting.key);
    return !carried_.pulled(name) || carried_.WhyStuck(name) != nullptr;
  };
  return std::any_of(pulls_.begin(), pulls_.end(), servable);
}

// True: somebody asked for a pause, and it has waited a while.
bool Mover::StandStill() {
  std::vector<std::function<void(const std::string&)>> holds;
  std::string trouble;
  {
    MutexLock lock(mutex_);
    if (held_ == 0) return false;
    // What workers carry is answered soon, or stuck.
    while (carried_.moving() > 0 && !stop_) wake_.wait_for(lock.native(), kTroubleDelay);
    if (carried_.stuck() > 0) trouble = "a key on its way is in doubt";
    holds.swap(holds_);
  }
  if (!holds.empty()) {
    // What a lost connection left behind could still arrive.
    for (const auto& client : clients_) {
      if (!client->in_doubt()) continue;
      if (const Status ready = client->Ready(); !ready) trouble = ready.error().text;
    }
    for (const auto& held : holds) held(trouble);
  }
  MutexLock lock(mutex_);
  if (held_ > 0 && holds_.empty() && !stop_) wake_.wait_for(lock.native(), kTroubleDelay);
  return true;
}

// True: something was done for a donor that was given up.
bool Mover::GiveUp() {
  std::deque<Waiting> waiting;
  {
    const MutexLock lock(mutex_);
    if (!abandoned_) return false;
    waiting.swap(pulls_);
  }
  for (const Waiting& each : waiting) each.asker.done("");
  if (swept_) return !waiting.empty();
  {
    // What workers have begun to carry off it ends within a command's time.
    MutexLock lock(mutex_);
    if (carried_.moving() > 0 && !stop_) {
      wake_.wait_for(lock.native(), kTroubleDelay);
      return true;
    }
    swept_ = true;
    figures_.swept = true;
    figures_.trouble = "given up";
  }
  on_swept_();
  return true;
}

// What the coordinator asked for.
void Mover::FinishOrders() {
  std::function<void(Status)> resolve;
  {
    const MutexLock lock(mutex_);
    resolve = std::exchange(resolve_, nullptr);
  }
  if (resolve) {
    sweeping_ = false;
    resolve(ResolveAll());
  }
  std::function<void(bool)> halt;
  {
    const MutexLock lock(mutex_);
    if (!pulls_.empty() || carried_.moving() > 0) return;
    halt = std::exchange(halt_, nullptr);
    if (halt) halted_ = true;
  }
  if (!halt) return;
  bool clean = !doubtful_;
  {
    const MutexLock lock(mutex_);
    clean = clean && carried_.pulls() == 0 && !worker_doubt_;
  }
  for (const auto& client : clients_) {
    if (client->in_doubt()) clean = client->Ready().ok() && clean;
  }
  halt(clean);
}

Status Mover::Connect(uint32_t shard) {
  ShardClient& client = Client(shard);
  if (client.connected()) return Done();
  const TimePoint now = MonotonicNow();
  if (now < retry_at_[shard]) {
    return Error{ErrorCode::kUnavailable, "shard " + client.target().name + ": " + client.error()};
  }
  const std::string run_id = client.run_id();
  Status ready = client.Ready();
  // One that breaks as it comes up is tried again at once.
  for (int tries = 1; !ready && tries < kTries && MonotonicNow() - now < kRetryAfter; ++tries) {
    ready = client.Ready();
  }
  if (!ready) {
    retry_at_[shard] = MonotonicNow() + kRetryAfter;
  } else {
    eviction_[shard] = Eviction::FromInfo(client.Ask({"INFO", "memory"}).text());
    const MutexLock lock(mutex_);
    opened_[shard] = true;
  }
  if (ready.ok() && shard == donor_ && run_id != client.run_id()) {
    dump_script_.clear();
    // Its SCAN cursor means nothing to another process.
    cursor_ = "0";
    database_ = 0;
    found_.clear();
    found_in_pass_ = 1;
    pass_begun_ = false;
  }
  return ready;
}

// Before anything is dumped for them: who evicts wants to know more.
void Mover::MeetRecipients(const Items& items) {
  if (met_all_) return;
  for (const Item& item : items) {
    // Whoever cannot be reached refuses its keys by itself.
    if (!eviction_[item.to]) static_cast<void>(Connect(item.to));
  }
  const std::vector<uint32_t>& all = context_.move->recipients();
  met_all_ = std::all_of(all.begin(), all.end(),
                         [this](uint32_t shard) { return eviction_[shard].has_value(); });
}

bool Mover::KeepsRanks(uint32_t shard) const {
  return eviction_[shard] && eviction_[donor_] && eviction_[shard]->Keeps(*eviction_[donor_]);
}

bool Mover::AsksForRanks() const {
  const std::vector<uint32_t>& all = context_.move->recipients();
  return std::any_of(all.begin(), all.end(), [this](uint32_t shard) { return KeepsRanks(shard); });
}

// --- keys that clients wait for ---

bool Mover::IsCopied(const Waiting& waiting) const {
  return copying_ != nullptr && waiting.database == copying_->database &&
         waiting.key == copying_->key;
}

// A round of questions costs all sides the same for one key or many: when one follows the other,
// those that come meanwhile share the next.
void Mover::GatherPulls() {
  {
    const MutexLock lock(mutex_);
    if (!Servable()) return;
  }
  const TimePoint now = MonotonicNow();
  if (now < next_pulls_at_) std::this_thread::sleep_for(next_pulls_at_ - now);
  next_pulls_at_ = MonotonicNow() + kBetweenPulls;
}

bool Mover::ServePulls() {
  GatherPulls();
  // By database; several may wait for one key.
  std::map<int, std::map<std::string, std::vector<Asker>>> taken;
  std::vector<std::pair<Asker, std::string>> stuck;
  InHand hand(*this);
  {
    const MutexLock lock(mutex_);
    if (halted_) return false;
    size_t count = 0;
    for (auto at = pulls_.begin(); at != pulls_.end() && count < kPullsAtOnce;) {
      const std::string name = CarriedKeys::NameOf(at->database, at->key);
      if (const std::string* why = carried_.WhyStuck(name)) {
        stuck.emplace_back(std::move(at->asker), *why);
      } else if (!IsCopied(*at) && hand.Take(carried_, name)) {
        taken[at->database][std::move(at->key)].push_back(std::move(at->asker));
        ++count;
      } else {
        ++at;
        continue;
      }
      at = pulls_.erase(at);
    }
  }
  for (const auto& [asker, why] : stuck) asker.done(why);
  if (taken.empty()) return false;
  const TimePoint began = MonotonicNow();
  for (auto& [database, keys] : taken) {
    Items items;
    for (auto& [key, askers] : keys) {
      Item& item = items.emplace_back();
      item.database = database;
      item.key = key;
      item.to = context_.move->Locate(key).owner;
      item.askers = std::move(askers);
    }
    Transfer(items, Cause::kPull);
    TellAskers(items);
    const MutexLock lock(mutex_);
    figures_.pulls += items.size();
  }
  // What clients fetch themselves counts as the donor's time, too.
  if (copying_ == nullptr) turns_.OnStep(MonotonicNow() - began);
  return true;
}

// Those whose key did not get its turn, or still has an old copy, wait on.
void Mover::TellAskers(Items& items) {
  for (Item& item : items) {
    const bool wait_on = item.later || item.transfer.step() == KeyTransfer::Step::kArrived;
    const bool here = item.transfer.step() == KeyTransfer::Step::kHere;
    for (Asker& asker : std::exchange(item.askers, {})) {
      if (wait_on) {
        const MutexLock lock(mutex_);
        pulls_.push_back({item.database, item.key, std::move(asker)});
      } else {
        asker.done(here ? std::string() : item.error);
      }
    }
  }
}

}  // namespace ringmaster
