#include "control/rebalance/move_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <thread>

#include "backend/server_facts.h"
#include "base/log.h"
#include "base/reserved_keys.h"
#include "move/mover_turns.h"
#include "resp/info_text.h"

namespace ringmaster {
namespace {

constexpr Bytes kProbe = "__rm:probe";
constexpr double kHeadroom = 1.2;
constexpr size_t kNamedKeys = 3;
// A shard is read through in steps of so many keys; beside clients, as the pace says.
constexpr uint64_t kLeastPage = 32;
constexpr uint64_t kPage = 1024;

int64_t Number(Bytes info, Bytes name) { return ParseInteger(FieldOfInfo(info, name)).value_or(0); }

class Checks {
 public:
  explicit Checks(const MoveCheckOptions& options) : options_(options), move_(*options.move) {
    for (const ShardTarget& target : options.targets) {
      shards_.push_back(
          {std::make_unique<ShardClient>(target, options.client_name, options.connect_timeout,
                                         options.command_timeout),
           0, 0});
    }
  }

  Status Run() {
    Reach();
    if (!reasons_.empty()) return Verdict();
    Aliases();
    Identities();
    for (const uint32_t shard : move_.recipients()) {
      if (move_.from()->shards()[shard].absent) {
        MustBeEmpty(shard);
      } else if (!options_.reversal) {
        MustNotHoldIncoming(shard);
      }
    }
    Room();
    if (reasons_.empty()) Probe();
    if (reasons_.empty()) Functions();
    if (reasons_.empty()) Clocks();
    return Verdict();
  }

 private:
  struct Shard {
    std::unique_ptr<ShardClient> client;
    int64_t used = 0;
    int64_t most = 0;
    std::string version = {};  // "Redis 7.0.15"
  };

  ShardClient& At(uint32_t shard) { return *shards_[shard].client; }
  const std::string& Name(uint32_t shard) const { return options_.targets[shard].name; }
  bool TakesPart(uint32_t shard) const {
    return (move_.IsDonor(shard) || move_.IsRecipient(shard)) &&
           !options_.given_up.contains(Name(shard));
  }
  void Say(std::string reason) { reasons_.push_back(std::move(reason)); }
  Status Verdict() const {
    if (reasons_.empty()) return Done();
    std::string all;
    for (const std::string& reason : reasons_) all += (all.empty() ? "" : "; ") + reason;
    return Error{ErrorCode::kRefused, all};
  }

  void Reach() {
    for (uint32_t i = 0; i < shards_.size(); ++i) {
      if (!TakesPart(i)) continue;
      if (const Status ready = At(i).Ready(); !ready) {
        const bool leaves = move_.to()->shards()[i].absent;
        Say(ready.error().text +
            (leaves ? " (it leaves and its keys must move; if it is gone for good, PROXY REBALANCE "
                      "ABANDON " +
                          Name(i) + " gives up what it holds)"
                    : ""));
        continue;
      }
      const ShardReply info = At(i).Ask({"INFO", "everything"});
      if (!info.is_text()) {
        Say("shard " + Name(i) + ": INFO: " + At(i).error());
        continue;
      }
      shards_[i].version = ReadServerFacts(info.text()).program();
      shards_[i].used = Number(info.text(), "used_memory");
      shards_[i].most = Number(info.text(), "maxmemory");
      if (info.text().find("\nrole:slave") != Bytes::npos) {
        Say("shard " + Name(i) + " is a replica; name its primary");
      }
      if (info.text().find("\ncluster_enabled:1") != Bytes::npos) {
        Say("shard " + Name(i) + " is a Redis Cluster node, whose keys move by its own rules");
      }
    }
  }

  void Aliases() {
    for (uint32_t i = 0; i < shards_.size(); ++i) {
      for (uint32_t k = 0; k < i; ++k) {
        if (!TakesPart(i) || !TakesPart(k) || At(i).run_id() != At(k).run_id()) continue;
        Say("shards " + Name(k) + " and " + Name(i) +
            " are the same server; a renamed shard would have to move its keys to itself");
      }
    }
  }

  // A shard that another proxy works with, or whose keys lie by another ring, is left alone.
  void Identities() {
    for (uint32_t i = 0; i < shards_.size(); ++i) {
      if (!TakesPart(i)) continue;
      if (std::string why = WhyNotOurs(At(i), options_.mark, options_.claim); !why.empty()) {
        Say(std::move(why));
      }
    }
  }

  void MustBeEmpty(uint32_t shard) {
    const ShardReply info = At(shard).Ask({"INFO", "keyspace"});
    const Bytes text = info.text();
    for (size_t at = text.find("\ndb"); at != Bytes::npos; at = text.find("\ndb", at + 1)) {
      const size_t keys = text.find("keys=", at);
      const size_t end = text.find(',', keys);
      if (keys == Bytes::npos || end == Bytes::npos) break;
      const Bytes number = text.substr(at + 3, text.find(':', at) - at - 3);
      const int64_t database = ParseInteger(number).value_or(0);
      const int64_t count = ParseInteger(text.substr(keys + 5, end - keys - 5)).value_or(0);
      if (count <= 0 || HoldsOnlyOurs(shard, static_cast<int>(database))) continue;
      Say(
          fmt::format("shard {} is new and holds {} keys in database {}; old keys would hide those "
                      "that move there: empty it (FLUSHALL) or give another",
                      Name(shard), count, database));
    }
    At(shard).Select(0);
  }

  // Marks of sagas that once ran there are nobody's data. Ends at the first key that is not ours.
  bool HoldsOnlyOurs(uint32_t shard, int database) {
    if (!At(shard).Select(database)) return false;
    std::string cursor = "0";
    do {
      const ShardReply page = At(shard).Ask({"SCAN", cursor, "COUNT", "1000"});
      if (page.size() != 2) return false;
      cursor = std::string(page.at(0).text());
      const ShardReply keys = page.at(1);
      for (size_t i = 0; i < keys.size(); ++i) {
        if (!IsReserved(keys.at(i).text())) return false;
      }
    } while (cursor != "0");
    return true;
  }

  // Keys that the shard does not own now, and would.
  void MustNotHoldIncoming(uint32_t shard) {
    size_t count = 0;
    std::string examples;
    for (int database = 0; database < options_.databases; ++database) {
      if (!At(shard).Select(database)) {
        if (At(shard).connected()) continue;  // the server has fewer
        return Say("shard " + Name(shard) + ": " + At(shard).error());
      }
      std::string cursor = "0";
      do {
        // Clients would notice that we read through a shard.
        AwaitTurn(shard);
        const TimePoint began = MonotonicNow();
        const uint64_t page_size = turns_.Scanned(kLeastPage, kPage);
        const ShardReply page = At(shard).Ask({"SCAN", cursor, "COUNT", std::to_string(page_size)});
        turns_.OnStep(MonotonicNow() - began);
        if (page.size() != 2) return Say("shard " + Name(shard) + ": SCAN: " + At(shard).error());
        cursor = std::string(page.at(0).text());
        const ShardReply keys = page.at(1);
        turns_.OnScanned(shard, keys.size(), MonotonicNow() - began);
        for (size_t i = 0; i < keys.size(); ++i) {
          const ShardReply key = keys.at(i);
          const RingMove::Place place = move_.Locate(key.text());
          const bool incoming = place.owner == shard && place.old_owner != shard;
          if (!incoming || IsReserved(key.text())) continue;
          if (++count <= kNamedKeys) examples += " " + std::string(key.text().substr(0, 64));
        }
      } while (cursor != "0");
    }
    At(shard).Select(0);
    if (count == 0) return;
    Say(
        fmt::format("shard {} holds {} keys that belong to other shards and would hide those that "
                    "move there, such as{}; nobody can see them through the proxy: look at them on "
                    "the shard itself, remove them there with UNLINK, and reload again",
                    Name(shard), count, examples));
  }

  void AwaitTurn(uint32_t shard) {
    for (Duration rest = turns_.Take(false); rest > Duration(0); rest = turns_.Take(false)) {
      std::this_thread::sleep_for(rest);
    }
    if (!turns_.TakeProbe()) return;
    const TimePoint began = MonotonicNow();
    if (!At(shard).Ask({"PING"}).lost()) turns_.OnRoundTrip(shard, MonotonicNow() - began);
  }

  // Each recipient gets at most its share of what its donors hold.
  void Room() {
    double donors = 0;
    for (const uint32_t shard : move_.donors()) {
      donors += static_cast<double>(shards_[shard].used);
    }
    for (const uint32_t shard : move_.recipients()) {
      if (shards_[shard].most == 0) continue;
      const double more = std::max(0.0, move_.to()->ShareOf(shard) - move_.from()->ShareOf(shard));
      const double need = donors * more * kHeadroom;
      const auto room = static_cast<double>(shards_[shard].most - shards_[shard].used);
      if (need <= room) continue;
      Say(
          fmt::format("shard {} has room for {:.0f} MB and needs about {:.0f} MB; raise its "
                      "maxmemory or give it less weight",
                      Name(shard), room / 1e6, need / 1e6));
    }
  }

  // Whether each recipient understands what each donor writes.
  void Probe() {
    for (const uint32_t from : move_.donors()) {
      if (!TakesPart(from)) continue;
      ShardReply made = At(from).Ask({"SET", kProbe, "probe", "PX", "60000"});
      const ShardReply payload = At(from).Ask({"DUMP", kProbe});
      if (made.is_error() || !payload.is_text()) {
        return Say("shard " + Name(from) + " refuses a probe: " + std::string(made.text()));
      }
      for (const uint32_t to : move_.recipients()) {
        if (to == from) continue;
        At(to).Ask({"DEL", kProbe});
        const ShardReply took = At(to).Ask({"RESTORE", kProbe, "60000", payload.text()});
        if (took.lost() || took.is_error()) {
          return Say(WhyNotTaken(from, to, took));
        }
        At(to).Ask({"DEL", kProbe});
        Modules(from, to);
      }
    }
    for (const uint32_t from : move_.donors()) {
      if (TakesPart(from)) At(from).Ask({"DEL", kProbe});
    }
  }

  std::string WhyNotTaken(uint32_t from, uint32_t to, const ShardReply& took) {
    const std::string said = took.lost() ? At(to).error() : std::string(took.text());
    std::string why =
        fmt::format("shard {} ({}) does not take what shard {} ({}) writes: {}", Name(to),
                    shards_[to].version, Name(from), shards_[from].version, said);
    if (said.find("payload version") == std::string::npos) return why;
    return why + "; put a server behind " + Name(to) + " that reads what " + shards_[from].version +
           " writes, the same version or a later one";
  }

  void Modules(uint32_t from, uint32_t to) {
    const std::set<std::string> missing = [&] {
      std::set<std::string> names = ModulesOf(from);
      for (const std::string& name : ModulesOf(to)) names.erase(name);
      return names;
    }();
    for (const std::string& name : missing) {
      Say("shard " + Name(to) + " lacks the module " + name + " of shard " + Name(from));
    }
  }

  std::set<std::string> ModulesOf(uint32_t shard) {
    std::set<std::string> names;
    const ShardReply list = At(shard).Ask({"MODULE", "LIST"});
    for (size_t i = 0; i < list.size(); ++i) {
      const ShardReply module = list.at(i);
      for (size_t k = 0; k + 1 < module.size(); k += 2) {
        if (module.at(k).text() == "name") names.insert(std::string(module.at(k + 1).text()));
      }
    }
    return names;
  }

  // A new shard gets the functions of the others. Scripts are loaded by whoever calls them.
  void Functions() {
    const auto source = std::find_if(move_.donors().begin(), move_.donors().end(),
                                     [&](uint32_t i) { return At(i).connected(); });
    if (source == move_.donors().end()) return;
    const ShardReply theirs = At(*source).Ask({"FUNCTION", "DUMP"});
    if (!theirs.is_text()) return;  // before Redis 7 there are none
    for (const uint32_t shard : move_.recipients()) {
      if (!move_.from()->shards()[shard].absent) continue;
      const ShardReply took = At(shard).Ask({"FUNCTION", "RESTORE", theirs.text(), "REPLACE"});
      if (took.lost() || took.is_error()) {
        Say("shard " + Name(shard) + " does not take the functions of shard " + Name(*source) +
            ": " + std::string(took.text()));
      }
    }
  }

  // Times to live travel as what is left, so clocks may differ; who compares them should know.
  void Clocks() {
    int64_t first = 0;
    for (uint32_t i = 0; i < shards_.size(); ++i) {
      if (!TakesPart(i)) continue;
      const ShardReply time = At(i).Ask({"TIME"});
      const int64_t seconds = ParseInteger(time.at(0).text()).value_or(0);
      if (first == 0) first = seconds;
      if (std::abs(seconds - first) > 1) {
        LogWarning("the clock of shard {} differs by {} s from the others'", Name(i),
                   seconds - first);
      }
    }
  }

  const MoveCheckOptions& options_;
  const RingMove& move_;
  std::vector<Shard> shards_;
  MovePacer pacer_{options_.clients, options_.background_share, 1};
  MoverTurns turns_{pacer_, 0, options_.targets.size()};
  std::vector<std::string> reasons_;
};

}  // namespace

Status CheckMove(const MoveCheckOptions& options) { return Checks(options).Run(); }

std::string LookAtMarks(const std::vector<ShardTarget>& targets, const MoveCheckOptions& options) {
  std::string wrong;
  std::vector<std::unique_ptr<ShardClient>> reached;
  for (const ShardTarget& target : targets) {
    auto client = std::make_unique<ShardClient>(target, options.client_name,
                                                options.connect_timeout, options.command_timeout);
    if (!client->Ready()) continue;
    const std::string why = WhyNotOurs(*client, options.mark, options.claim);
    if (!why.empty()) wrong += (wrong.empty() ? "" : "; ") + why;
    reached.push_back(std::move(client));
  }
  if (!wrong.empty()) return wrong;
  for (const auto& client : reached) {
    if (LeaveMark(*client, options.mark)) continue;
    LogWarning("shard {} does not take the proxy's mark: another proxy may not notice this one",
               client->target().name);
  }
  return "";
}

}  // namespace ringmaster
