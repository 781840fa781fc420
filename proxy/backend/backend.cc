#include "backend/backend.h"

#include <algorithm>
#include <utility>

#include "base/descriptors.h"
#include "net/loop.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

// A connection nobody used for this long is closed; the next use opens it again.
constexpr Duration kIdleAfter = std::chrono::minutes(5);
constexpr Duration kSpareIdleAfter = std::chrono::minutes(1);
// A script that runs for so long has its connection to itself.
constexpr Duration kLongScript = std::chrono::milliseconds(50);
// Lent connections kept open for the next borrower.
constexpr size_t kSpare = 8;
// As many are opened ahead where clients wait for data.
constexpr int kSpareForWaiting = 2;

std::unique_ptr<Connection> TakeOut(std::vector<std::unique_ptr<Connection>>& from,
                                    const Connection* connection) {
  for (auto& place : from) {
    if (place.get() != connection) continue;
    std::swap(place, from.back());
    std::unique_ptr<Connection> found = std::move(from.back());
    from.pop_back();
    return found;
  }
  return nullptr;
}

// For a connection that is not everybody's; those that are may take what clients leave.
bool HasDescriptor() { return DescriptorsLeft(KeptDescriptors() / 2); }

}  // namespace

Backend::Backend(BackendContext& context, std::shared_ptr<ShardLink> link, ShardMetrics& metrics,
                 int databases)
    : context_(context),
      link_(std::move(link)),
      metrics_(metrics),
      script_timer_(context.loop, [this] { LookAfterScripts(); }),
      crowd_timer_(context.loop, [this] { LookAfterCrowd(); }),
      discard_timer_(context.loop, [this] { std::exchange(discarded_, {}).clear(); }) {
  shared_.resize(static_cast<size_t>(databases) * 2);
}

Backend::~Backend() { ScriptOver(in_script_); }

Connection& Backend::MakeShared(int database, int resp) {
  auto& place = shared_[Index(database, resp)];
  for (auto& spare : spare_) {
    if (!spare->ready() || spare->database() != database || spare->resp() != resp) continue;
    place = std::move(spare);
    std::swap(spare, spare_.back());
    spare_.pop_back();
    return *place;
  }
  place = std::make_unique<Connection>(context_, *link_, metrics_, this, database, resp);
  return *place;
}

Connection* Backend::Borrow(int database, int resp, Purpose purpose) {
  Connection* lent = LendSpare(database, resp, true);
  if (lent == nullptr) lent = LendSpare(database, resp, false);
  if (lent == nullptr) {
    size_t limit = link_->limits().max_connections;
    if (purpose == Purpose::kWaiting) limit += link_->limits().max_waiting;
    if (connections() >= limit || !HasDescriptor()) return nullptr;
    lent_.push_back(std::make_unique<Connection>(context_, *link_, metrics_, this, database, resp));
    lent = lent_.back().get();
  }
  if (purpose == Purpose::kWaiting) KeepSpare(database, resp, kSpareForWaiting);
  return lent;
}

Connection* Backend::BorrowInTurn(int database, int resp) {
  Connection* lent = LendSpare(database, resp, true);
  if (lent == nullptr) lent = LendShared(database, resp);
  if (lent != nullptr) KeepSpare(database, resp, kSpareForWaiting);
  return lent;
}

Connection* Backend::LendSpare(int database, int resp, bool ready) {
  for (auto& place : spare_) {
    if (place->database() != database || place->resp() != resp) continue;
    if (ready && !place->ready()) continue;
    std::swap(place, spare_.back());
    lent_.push_back(std::move(spare_.back()));
    spare_.pop_back();
    return lent_.back().get();
  }
  return nullptr;
}

// Whoever asks the shard next waits for the new one to come up; so not while spares are on their
// way, for then many would wait, again and again.
Connection* Backend::LendShared(int database, int resp) {
  auto& place = shared_[Index(database, resp)];
  if (place == nullptr || !place->ready() || place->in_script(context_.loop.Now(), Duration(0)) ||
      link_->crowded() || connections() >= link_->limits().max_connections) {
    return nullptr;
  }
  const bool coming = std::any_of(spare_.begin(), spare_.end(), [&](const auto& spare) {
    return spare->database() == database && spare->resp() == resp;
  });
  if (coming) return nullptr;
  lent_.push_back(std::move(place));
  ++context_.route_epoch;
  MakeShared(database, resp).Prepare();
  return lent_.back().get();
}

// So that the next client that waits stands in line with its shard as soon as it asks.
void Backend::KeepSpare(int database, int resp, int wanted) {
  int have = 0;
  for (const auto& connection : spare_) {
    have += connection->database() == database && connection->resp() == resp ? 1 : 0;
  }
  // What another kind lately did not need makes room for the first of this one.
  if (have == 0 && spare_.size() >= kSpare) {
    const auto oldest = std::min_element(
        spare_.begin(), spare_.end(),
        [](const auto& a, const auto& b) { return a->last_used() < b->last_used(); });
    discarded_.push_back(std::move(*oldest));
    spare_.erase(oldest);
  }
  while (have++ < wanted && spare_.size() < kSpare &&
         connections() < link_->limits().max_connections && HasDescriptor()) {
    spare_.push_back(
        std::make_unique<Connection>(context_, *link_, metrics_, this, database, resp));
    spare_.back()->Prepare();
  }
}

void Backend::Return(Connection* connection) {
  connection->SetDrained(nullptr, nullptr);
  connection->SetPushSink(nullptr, nullptr);
  connection->SetLost(nullptr, nullptr);
  std::unique_ptr<Connection> back = TakeOut(lent_, connection);
  if (back == nullptr) return;
  auto& to = back->ready() && back->idle() && spare_.size() < kSpare ? spare_ : discarded_;
  to.push_back(std::move(back));
}

void Backend::Discard(Connection* connection) {
  connection->SetDrained(nullptr, nullptr);
  connection->SetPushSink(nullptr, nullptr);
  connection->SetLost(nullptr, nullptr);
  std::unique_ptr<Connection> back = TakeOut(lent_, connection);
  if (back == nullptr) return;
  // Soon: what it waits for would be taken from the shard and lost.
  discarded_.push_back(std::move(back));
  if (!discard_timer_.active()) discard_timer_.StartOnce(Duration(0));
}

// Large replies leave some of the connections to those who borrow.
bool Backend::Seclude(Connection& connection) {
  auto& place = shared_[Index(connection.database(), connection.resp())];
  if (place.get() != &connection) return true;
  const size_t limit = link_->limits().max_connections;
  if (connections() >= limit - limit / 4) return false;
  leaving_.push_back(std::move(place));
  ++context_.route_epoch;
  return true;
}

// One at a time: a shard runs one script, and answers what comes meanwhile.
void Backend::LeaveScripts(TimePoint now, Duration age) {
  for (auto& place : shared_) {
    if (in_script_ != nullptr || place == nullptr || !place->in_script(now, age)) continue;
    if (connections() >= link_->limits().max_connections) return;
    in_script_ = place.get();
    link_->OnScript(true);
    leaving_.push_back(std::move(place));
    ++context_.route_epoch;
  }
}

void Backend::LookAfterScripts() {
  const TimePoint now = context_.loop.Now();
  LeaveScripts(now, kLongScript);
  const bool more = std::any_of(shared_.begin(), shared_.end(), [now](const auto& place) {
    return place != nullptr && place->in_script(now, Duration(0));
  });
  if (more) script_timer_.StartOnce(kLookAfterScripts);
}

// By index: whoever hears of a failure may borrow or send. Who is still too many asks again.
void Backend::LookAfterCrowd() {
  const TimePoint now = context_.loop.Now();
  for (auto* group : {&shared_, &lent_, &spare_}) {
    for (size_t i = 0; i < group->size(); ++i) {
      if (link_->crowded()) return OnCrowded();
      if ((*group)[i] != nullptr) (*group)[i]->Retry(now);
    }
  }
}

void Backend::ScriptOver(const Connection* connection) {
  if (connection == nullptr || connection != in_script_) return;
  in_script_ = nullptr;
  link_->OnScript(false);
}

void Backend::OnDrained(Connection& connection) {
  if (leaving_.empty()) return;
  std::unique_ptr<Connection> drained = TakeOut(leaving_, &connection);
  if (drained == nullptr) return;
  ScriptOver(drained.get());
  auto& to = drained->ready() && spare_.size() < kSpare ? spare_ : discarded_;
  to.push_back(std::move(drained));
}

size_t Backend::connections() const {
  size_t count = leaving_.size() + lent_.size() + spare_.size();
  for (const auto& connection : shared_) count += connection != nullptr ? 1 : 0;
  return count;
}

size_t Backend::queued() const {
  size_t sum = 0;
  for (const auto& connection : shared_) sum += connection != nullptr ? connection->queued() : 0;
  for (const auto& connection : leaving_) sum += connection->queued();
  for (const auto& connection : lent_) sum += connection->queued();
  return sum;
}

bool Backend::idle() const {
  const auto is_idle = [](const auto& connection) {
    return connection == nullptr || connection->idle();
  };
  return std::all_of(shared_.begin(), shared_.end(), is_idle) && leaving_.empty() && lent_.empty();
}

bool Backend::AnsweredUpTo(TimePoint time, Waits waits) const {
  const auto answered = [&](const auto& connection) {
    return connection == nullptr || connection->AnsweredUpTo(time) ||
           (waits == Waits::kIgnored && connection->waits_for_data());
  };
  return std::all_of(shared_.begin(), shared_.end(), answered) &&
         std::all_of(leaving_.begin(), leaving_.end(), answered) &&
         std::all_of(lent_.begin(), lent_.end(), answered);
}

bool Backend::ProgressedSince(TimePoint time) const {
  bool progressed = false;
  EachConnection([&](const Connection& connection) {
    progressed = progressed || (!connection.idle() && connection.progress() >= time);
  });
  return progressed;
}

void Backend::Tick(TimePoint now) {
  // By index: a timeout answers askers, and they may borrow or send.
  for (size_t i = 0; i < shared_.size(); ++i) {
    if (shared_[i] == nullptr) continue;
    shared_[i]->Tick(now);
    if (shared_[i] != nullptr && shared_[i]->idle() && now - shared_[i]->last_used() > kIdleAfter) {
      discarded_.push_back(std::move(shared_[i]));
    }
  }
  LeaveScripts(now, kLongScript);
  for (size_t i = 0; i < leaving_.size(); ++i) leaving_[i]->Tick(now);
  for (size_t i = 0; i < lent_.size(); ++i) lent_[i]->Tick(now);
  std::erase_if(leaving_, [this](auto& connection) {
    if (!connection->idle()) return false;
    ScriptOver(connection.get());
    discarded_.push_back(std::move(connection));
    return true;
  });
  std::erase_if(spare_, [this, now](auto& connection) {
    connection->Tick(now);
    if (connection->coming() && now - connection->last_used() <= kSpareIdleAfter) return false;
    discarded_.push_back(std::move(connection));
    return true;
  });
  const std::vector<std::unique_ptr<Connection>> gone = std::exchange(discarded_, {});
}

// One that comes up asks anyway.
void Backend::AskRole() {
  static const std::string kRole = MakeRequest({"ROLE"});
  Connection& connection = Common(0, 2);
  if (!connection.ready()) return connection.Prepare();
  const auto heard = [this](Outcome outcome, const std::string& reply) {
    const RoleAnswer role = outcome == Outcome::kReplied ? ReadRole(reply) : RoleAnswer();
    if (role.role != ServerRole::kUnknown) link_->OnRole(context_.loop.Now(), role);
  };
  context_.asides.Send(connection, Slice{kRole, {}}, {.read_only = true, .nobody_waits = true},
                       heard);
}

void Backend::Close(const std::string& why) {
  for (const auto& connection : shared_) {
    if (connection != nullptr) connection->Close(why);
  }
  for (size_t i = 0; i < leaving_.size(); ++i) leaving_[i]->Close(why);
  for (size_t i = 0; i < lent_.size(); ++i) lent_[i]->Close(why);
  for (size_t i = 0; i < discarded_.size(); ++i) discarded_[i]->Close(why);
  spare_.clear();
}

}  // namespace ringmaster
