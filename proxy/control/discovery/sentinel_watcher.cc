#include "control/discovery/sentinel_watcher.h"

#include <hiredis/adapters/libuv.h>
#include <hiredis/async.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "resp/info_text.h"

namespace ringmaster {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(20);
constexpr Duration kCalm = std::chrono::seconds(1);            // between questions
constexpr Duration kExcited = std::chrono::milliseconds(100);  // after an event
constexpr Duration kExcitement = std::chrono::seconds(30);
constexpr Duration kAnswer = std::chrono::seconds(1);  // a Sentinel that takes longer is gone
constexpr Duration kRetry = std::chrono::milliseconds(500);
constexpr Duration kTroubleIsNews = std::chrono::seconds(3);

// Whatever says that something happens or has happened to a primary.
const std::vector<std::string> kEvents = {"SUBSCRIBE",
                                          "+switch-master",
                                          "+sdown",
                                          "+odown",
                                          "-odown",
                                          "+selected-slave",
                                          "+failover-state-send-slaveof-noone",
                                          "-failover-abort-no-good-slave",
                                          "-failover-abort-slave-timeout",
                                          "-failover-abort-not-elected",
                                          "+promoted-slave",
                                          "+config-update-from",
                                          "+failover-end",
                                          "+failover-end-for-timeout",
                                          "+reboot",
                                          "-tilt"};
// A replica becomes the primary within a second or two. No Sentinel may keep clients waiting for
// longer, nor again and again.
constexpr Duration kWithheldAtMost = std::chrono::seconds(5);
constexpr Duration kBetweenWithholdings = std::chrono::seconds(30);

enum class Stage : uint8_t { kOther, kBegins, kEnds };

Stage StageOf(std::string_view event) {
  if (event == "+selected-slave" || event == "+failover-state-send-slaveof-noone") {
    return Stage::kBegins;
  }
  return event.starts_with("-failover-abort-") ? Stage::kEnds : Stage::kOther;
}

// "master NAME host port", or "slave ... @ NAME host port".
std::string_view MasterIn(std::string_view text) {
  const size_t at = text.find(" @ ");
  const size_t begin = at != std::string_view::npos ? at + 3 : text.find(' ') + 1;
  return text.substr(begin, text.find(' ', begin) - begin);
}

std::string_view TextOf(const redisReply* reply) {
  if (reply == nullptr || reply->str == nullptr) return {};
  return {reply->str, reply->len};
}

// Behind `name` in names and values that take turns.
std::string_view FieldOf(const redisReply& map, std::string_view name) {
  for (size_t i = 0; i + 1 < map.elements; i += 2) {
    if (TextOf(map.element[i]) == name) return TextOf(map.element[i + 1]);
  }
  return {};
}

// nullopt: it does not know the group.
std::optional<SentinelVotes::Answer> ReadMaster(const redisReply* reply, bool tilt) {
  if (reply == nullptr || reply->type != REDIS_REPLY_ARRAY) return std::nullopt;
  const auto port = ParseInteger(FieldOf(*reply, "port"));
  const auto epoch = ParseInteger(FieldOf(*reply, "config-epoch"));
  const std::string_view host = FieldOf(*reply, "ip");
  if (host.empty() || !port || *port <= 0 || *port > 65535 || !epoch || *epoch < 0) {
    return std::nullopt;
  }
  return SentinelVotes::Answer{
      Address{Address::kTcp, std::string(host), static_cast<uint16_t>(*port), ""},
      static_cast<uint64_t>(*epoch), tilt};
}

}  // namespace

struct SentinelWatcher::Voice {
  struct Asked {
    int what;  // kTilt, kLogin, or a group
    TimePoint at;
  };

  SentinelWatcher& watcher;
  const size_t index;
  const Address address;
  redisAsyncContext* asking = nullptr;
  redisAsyncContext* listening = nullptr;
  std::deque<Asked> due = {};     // replies come in this order
  std::optional<bool> tilt = {};  // as it said last; nullopt: it did not
  TimePoint retry_at = {};
  std::string trouble = {};  // that the log has; empty: none

  bool Command(redisAsyncContext* to, redisCallbackFn* then,
               const std::vector<std::string>& words) {
    std::vector<const char*> data;
    std::vector<size_t> sizes;
    for (const std::string& word : words) {
      data.push_back(word.data());
      sizes.push_back(word.size());
    }
    return redisAsyncCommandArgv(to, then, this, static_cast<int>(words.size()), data.data(),
                                 sizes.data()) == REDIS_OK;
  }
  static void OnReply(redisAsyncContext*, void* reply, void* self) {
    auto& voice = *static_cast<Voice*>(self);
    if (voice.due.empty()) return;
    const Asked asked = voice.due.front();
    voice.due.pop_front();
    voice.watcher.Hear(voice, asked.what, asked.at, static_cast<redisReply*>(reply));
  }
  static void OnEvent(redisAsyncContext*, void* reply, void* self) {
    const auto* message = static_cast<redisReply*>(reply);
    if (message == nullptr || message->type != REDIS_REPLY_ARRAY || message->elements < 3) return;
    if (TextOf(message->element[0]) != "message") return;
    static_cast<Voice*>(self)->watcher.HearEvent(TextOf(message->element[1]),
                                                 TextOf(message->element[2]));
  }
  static void OnUp(const redisAsyncContext* context, int status) {
    if (status != REDIS_OK) OnGone(context, status);
  }
  // hiredis frees it behind this.
  static void OnGone(const redisAsyncContext* context, int) {
    auto& voice = *static_cast<Voice*>(context->data);
    const std::string why = context->errstr[0] != 0 ? context->errstr : "it closed the connection";
    (context == voice.asking ? voice.asking : voice.listening) = nullptr;
    voice.watcher.Drop(voice, why);
  }
};

struct SentinelWatcher::Group {
  const FollowedShard shard;
  SentinelVotes votes;
  uint64_t doubts = 0;  // of its place when it was last looked at
  TimePoint trouble_since = {};
  bool trouble_told = false;
  TimePoint withheld_until = {};  // by us; zero: it is not
  TimePoint withhold_from = {};   // not again before
};

SentinelWatcher::SentinelWatcher(Loop& loop, SentinelOptions options, const Known& known,
                                 Accepted accepted)
    : loop_(loop),
      options_(std::move(options)),
      accepted_(std::move(accepted)),
      random_(static_cast<uint64_t>(loop.Now().time_since_epoch().count())),
      timer_(loop, [this] { Tick(); }) {
  for (size_t i = 0; i < options_.sentinels.size(); ++i) {
    voices_.emplace_back(new Voice{*this, i, options_.sentinels[i]});
  }
  for (const FollowedShard& shard : options_.shards) {
    const auto before = known.find(shard.master);
    std::optional<SentinelVotes::Primary> accepted_before;
    if (before != known.end()) accepted_before = before->second;
    groups_.emplace_back(
        new Group{shard, SentinelVotes(voices_.size(), std::move(accepted_before))});
  }
  timer_.StartEvery(kTick);
}

SentinelWatcher::~SentinelWatcher() {
  timer_.Stop();
  for (const auto& group : groups_) {
    if (group->withheld_until != TimePoint{}) group->shard.place->Release();
  }
  for (const auto& voice : voices_) Drop(*voice, "");
}

// To wait for nothing does no harm, so one Sentinel is believed that a failover is about to happen,
// before a majority knows that it did: what a primary takes once its replica was told to be one is
// lost with it. Sentinel says so a tick of its before it tells the replica.
void SentinelWatcher::HearEvent(std::string_view event, std::string_view text) {
  Excite();
  const Stage stage = StageOf(event);
  if (stage == Stage::kOther) return;
  const TimePoint now = loop_.Now();
  for (const auto& group : groups_) {
    if (group->shard.master != MasterIn(text)) continue;
    if (stage == Stage::kEnds) {
      EndWithholding(*group, std::string(event));
    } else if (group->withheld_until == TimePoint{} && now >= group->withhold_from) {
      group->shard.place->Withhold();
      group->withheld_until = now + kWithheldAtMost;
      LogInfo(
          "pool {}: shard {}: its Sentinels make another server its primary: what is sent to "
          "it waits",
          options_.pool, group->shard.name);
    }
  }
}

// A switch has ended it already, or the failover came to nothing.
void SentinelWatcher::EndWithholding(Group& group, const std::string& why) {
  if (group.withheld_until == TimePoint{}) return;
  group.withheld_until = {};
  if (!group.shard.place->withheld()) return;
  group.shard.place->Release();
  group.withhold_from = loop_.Now() + kBetweenWithholdings;
  LogWarning("pool {}: shard {} goes on at {}: no other server became its primary: {}",
             options_.pool, group.shard.name, group.shard.place->address().ToString(), why);
}

void SentinelWatcher::Excite() {
  const TimePoint now = loop_.Now();
  excited_until_ = now + kExcitement;
  next_question_ = std::min(next_question_, std::max(now, asked_at_ + kTick));
}

void SentinelWatcher::Tick() {
  const TimePoint now = loop_.Now();
  for (const auto& group : groups_) {
    const uint64_t doubts = group->shard.place->doubts();
    if (std::exchange(group->doubts, doubts) != doubts) Excite();
    if (group->withheld_until == TimePoint{}) continue;
    const bool over = !group->shard.place->withheld();
    if (over || now >= group->withheld_until) EndWithholding(*group, "it took too long");
  }
  for (const auto& voice : voices_) {
    if (voice->asking == nullptr && now >= voice->retry_at) Connect(*voice);
    if (!voice->due.empty() && now - voice->due.front().at > kAnswer) {
      Drop(*voice, "it does not answer in time");
    }
  }
  if (now >= next_question_) Ask();
  Decide();
  for (const auto& group : groups_) TellTrouble(*group, now);
}

redisAsyncContext* SentinelWatcher::Open(Voice& voice) {
  redisAsyncContext* context = redisAsyncConnect(voice.address.host.c_str(), voice.address.port);
  if (context == nullptr) return nullptr;
  if (context->err != 0 || redisLibuvAttach(context, loop_.raw()) != REDIS_OK) {
    if (context->err != 0) voice.trouble = context->errstr;
    redisAsyncFree(context);
    return nullptr;
  }
  context->data = &voice;
  redisAsyncSetConnectCallback(context, Voice::OnUp);
  redisAsyncSetDisconnectCallback(context, Voice::OnGone);
  return context;
}

void SentinelWatcher::Connect(Voice& voice) {
  voice.retry_at = loop_.Now() + kRetry;
  voice.asking = Open(voice);
  if (voice.asking == nullptr) return;
  voice.listening = Open(voice);
  if (voice.listening == nullptr) return Drop(voice, "no second connection");
  std::vector<std::string> login = {"AUTH"};
  if (!options_.username.empty()) login.push_back(options_.username);
  login.push_back(options_.password);
  if (!options_.password.empty()) {
    Send(voice, kLogin, login);
    voice.Command(voice.listening, nullptr, login);
  }
  voice.Command(voice.listening, Voice::OnEvent, kEvents);
  AskOne(voice);
}

// Both connections: a Sentinel that is gone is gone.
void SentinelWatcher::Drop(Voice& voice, const std::string& why) {
  voice.retry_at = loop_.Now() + kRetry;
  voice.tilt.reset();
  for (redisAsyncContext** context : {&voice.asking, &voice.listening}) {
    redisAsyncContext* gone = std::exchange(*context, nullptr);
    if (gone == nullptr) continue;
    gone->onDisconnect = nullptr;
    gone->onConnect = nullptr;
    redisAsyncFree(gone);
  }
  voice.due.clear();
  for (const auto& group : groups_) group->votes.Hear(voice.index, std::nullopt, loop_.Now());
  if (why.empty() || voice.trouble == why) return;
  voice.trouble = why;
  LogWarning("pool {}: Sentinel {} says nothing: {}", options_.pool, voice.address.ToString(), why);
}

void SentinelWatcher::Ask() {
  const TimePoint now = loop_.Now();
  const Duration pause = now < excited_until_ ? kExcited : kCalm;
  const double jittered = static_cast<double>(pause.count()) * (0.75 + 0.5 * random_.Fraction());
  asked_at_ = now;
  next_question_ = now + Duration(static_cast<int64_t>(jittered));
  for (const auto& voice : voices_) AskOne(*voice);
}

void SentinelWatcher::AskOne(Voice& voice) {
  if (voice.asking == nullptr) return;
  Send(voice, kTilt, {"INFO", "sentinel"});
  for (size_t i = 0; i < groups_.size(); ++i) {
    Send(voice, static_cast<int>(i), {"SENTINEL", "MASTER", groups_[i]->shard.master});
  }
}

void SentinelWatcher::Send(Voice& voice, int what, const std::vector<std::string>& words) {
  if (voice.Command(voice.asking, Voice::OnReply, words)) voice.due.push_back({what, loop_.Now()});
}

void SentinelWatcher::Hear(Voice& voice, int what, TimePoint asked, const redisReply* reply) {
  if (reply == nullptr) return;  // the connection is gone
  const bool error = reply->type == REDIS_REPLY_ERROR;
  if (error && voice.trouble != TextOf(reply)) {
    voice.trouble = std::string(TextOf(reply));
    LogWarning("pool {}: Sentinel {}: {}", options_.pool, voice.address.ToString(), voice.trouble);
  }
  if (what == kLogin) return;
  if (what == kTilt) {
    voice.tilt.reset();
    const Bytes tilt = FieldOfInfo(TextOf(reply), "sentinel_tilt");
    if (!error && !tilt.empty()) voice.tilt = tilt != "0";
    return;
  }
  if (!error && !voice.trouble.empty()) {
    LogInfo("pool {}: Sentinel {} answers again", options_.pool, voice.address.ToString());
    voice.trouble.clear();
  }
  Group& group = *groups_[static_cast<size_t>(what)];
  // Who does not say whether it is in TILT may be.
  group.votes.Hear(voice.index, ReadMaster(reply, voice.tilt.value_or(true)), asked);
  Decide();
}

void SentinelWatcher::Decide() {
  const TimePoint now = loop_.Now();
  for (const auto& group : groups_) {
    const std::optional<SentinelVotes::Primary> primary = group->votes.Decide(now);
    if (primary) accepted_(group->shard, *primary);
  }
}

void SentinelWatcher::TellTrouble(Group& group, TimePoint now) {
  const std::string trouble = group.votes.Trouble(now);
  if (trouble.empty()) {
    if (group.trouble_told) {
      LogInfo("pool {}: the Sentinels agree about {} again", options_.pool, group.shard.master);
    }
    group.trouble_told = false;
    group.trouble_since = {};
    return;
  }
  if (group.trouble_since == TimePoint{}) group.trouble_since = now;
  if (group.trouble_told || now - group.trouble_since < kTroubleIsNews) return;
  group.trouble_told = true;
  LogWarning("pool {}: shard {} stays at {}: of {} {}", options_.pool, group.shard.name,
             group.shard.place->address().ToString(), group.shard.master, trouble);
}

}  // namespace ringmaster
