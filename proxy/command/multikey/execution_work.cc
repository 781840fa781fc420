#include "command/multikey/execution_work.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/crash_point.h"
#include "resp/errors.h"
#include "resp/reply_reader.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

constexpr StepLimits kLimits{.image_max = kGatherMax};

std::vector<std::string> SplitReplies(const std::string& replies) {
  std::vector<std::string> all;
  ReplyReader reader(replies);
  while (const std::optional<ReplyElement> each = reader.Next()) all.emplace_back(each->raw);
  return all;
}

StepOutcome OutcomeOf(StepAnswer::Kind kind) {
  switch (kind) {
    case StepAnswer::Kind::kDone:
      return StepOutcome::kDone;
    case StepAnswer::Kind::kAborted:
      return StepOutcome::kAborted;
    case StepAnswer::Kind::kExists:
    case StepAnswer::Kind::kRefused:
      return StepOutcome::kRefused;
    case StepAnswer::Kind::kGarbled:
      break;
  }
  return StepOutcome::kLost;
}

StepOutcome NoAnswer(Outcome outcome) {
  return outcome == Outcome::kNotApplied ? StepOutcome::kNotSent : StepOutcome::kLost;
}

}  // namespace

Task<StepOutcome> ExecutionWork::Prepare(const SagaPlan& plan, size_t step,
                                         FencedConnection& connection) {
  std::vector<CopyPayload> copies;
  if (!plan.steps[step].copies.empty()) {
    for (const Foreign& key : foreign) {
      if (key.before.exists() || key.writes) copies.push_back({key.before.dump, key.before.ttl_ms});
    }
  }
  for (const ScriptForm form : {ScriptForm::kSha, ScriptForm::kText}) {
    std::string request;
    AppendPrepare(request, plan, step, copies, kLimits, form);
    RM_CRASH_POINT("saga-prepare-send", step);
    const auto count = static_cast<uint32_t>(PrepareReplies(plan.steps[step]));
    const Answer answer = co_await connection.Ask(std::move(request), count);
    if (answer.outcome != Outcome::kReplied) co_return NoAnswer(answer.outcome);
    const std::vector<std::string> replies = SplitReplies(answer.reply);
    const StepAnswer said = ReadPrepare(replies);
    if (form == ScriptForm::kSha && IsNoScript(said.error)) continue;
    if (said.kind == StepAnswer::Kind::kRefused) refusal = said.error;
    co_return OutcomeOf(said.kind);
  }
  co_return StepOutcome::kLost;
}

Task<StepOutcome> ExecutionWork::Execute(const SagaPlan& plan, size_t step,
                                         FencedConnection& connection) {
  if (plan.steps[step].phase > 0) co_return co_await CarryHome(plan, step, connection);
  const StepOutcome prepared = co_await Prepare(plan, step, connection);
  if (prepared != StepOutcome::kDone) co_return prepared;
  RM_CRASH_POINT("saga-prepared", step);
  const StepOutcome all = co_await AllPrepared();
  if (all != StepOutcome::kDone) co_return all;
  co_return co_await Run(plan, step, connection);
}

// All of them watch their keys before one of them runs: what somebody writes until then leaves
// nothing to be undone. And what the client watches is looked at when ours is watched, so that
// nothing falls between.
Task<StepOutcome> ExecutionWork::AllPrepared() {
  if (++prepared_ < parts.size()) {
    co_await decided_;
    co_return may_run_ ? StepOutcome::kDone : StepOutcome::kAborted;
  }
  if (look_ != nullptr) {
    std::string reply = co_await look_->Look();
    if (!reply.empty()) {
      refusal = std::move(reply);
      co_return StepOutcome::kRefused;  // and GiveUp tells the others
    }
  }
  if (decided_.set()) co_return StepOutcome::kAborted;
  may_run_ = true;
  decided_.Set();
  co_return StepOutcome::kDone;
}

void ExecutionWork::GiveUp() { decided_.Set(); }

Task<StepOutcome> ExecutionWork::Run(const SagaPlan& plan, size_t step,
                                     FencedConnection& connection) {
  Part& part = parts[step];
  const std::vector<std::string> read_back = ReadBackKeys();
  std::string request;
  AppendExecuteHead(request, plan, step);
  for (const std::string& each : part.requests) request += each;
  AppendExecuteTail(request, plan, step, read_back);
  const SagaStep& here = plan.steps[step];
  const size_t count = ExecuteHeadReplies(here) + part.requests.size() + 2 * read_back.size() + 2;
  const size_t most = max_reply_ + (read_back.empty() ? 0 : kGatherMax);
  const Answer answer =
      co_await connection.Ask(std::move(request), static_cast<uint32_t>(count), most);
  RM_CRASH_POINT("saga-executed", step);
  if (answer.outcome != Outcome::kReplied) co_return StepOutcome::kLost;
  const auto too_large = [this] {
    refusal = errors::ReplyTooLarge(max_reply_, "and what it wrote was undone");
    return StepOutcome::kRefused;
  };
  if (errors::IsReplyTooLarge(answer.reply)) co_return too_large();
  const std::vector<std::string> replies = SplitReplies(answer.reply);
  if (replies.size() != count) co_return StepOutcome::kLost;
  const ExecuteAnswer said = ReadExecute(replies.back(), here, read_back.size());
  if (said.kind == StepAnswer::Kind::kRefused) {
    refusal = said.error;
    for (const std::string& each : replies) {
      if (each[0] != '-') continue;
      refusal = each;
      break;
    }
  }
  if (said.kind == StepAnswer::Kind::kAborted && !here.keys.empty()) {
    co_return Written(here.keys[0].key, here.keys.size() - 1);
  }
  if (said.kind != StepAnswer::Kind::kDone) co_return OutcomeOf(said.kind);
  part.replies.clear();
  size_t bytes = 0;
  for (const ReplyElement& each : said.replies) {
    part.replies.emplace_back(each.raw);
    bytes += each.raw.size();
  }
  if (bytes > max_reply_) co_return too_large();
  co_return TakeReadBack(said.read_back) ? StepOutcome::kDone : StepOutcome::kLost;
}

std::vector<std::string> ExecutionWork::ReadBackKeys() const {
  std::vector<std::string> keys;
  for (const Foreign& key : foreign) {
    if (key.writes) keys.push_back(key.before.key);
  }
  return keys;
}

bool ExecutionWork::TakeReadBack(const std::vector<ReplyElement>& values) {
  size_t next = 0;
  for (Foreign& key : foreign) {
    if (!key.writes) continue;
    const ReplyElement& ttl = values[next++];
    const ReplyElement& dump = values[next++];
    if (ttl.is_error() || dump.is_error()) return false;
    key.after = ForeignKey{key.before.key, key.before.shard, {}, 0};
    if (dump.is_null()) continue;
    key.after.dump = std::string(dump.text);
    key.after.ttl_ms = ttl.count < 0 ? 0 : std::max<int64_t>(ttl.count, 1);
  }
  return true;
}

StepOutcome ExecutionWork::Written(const std::string& key, size_t others) {
  interfered = fmt::format("key '{}'", Printable(key, 64));
  if (others > 0) interfered += fmt::format(" (or another of {} keys there)", others + 1);
  interfered += " was written past the proxy";
  return StepOutcome::kOutdated;
}

StepOutcome ExecutionWork::WatchLost(const std::string& key) {
  interfered = fmt::format("the connection that watched key '{}' was lost", Printable(key, 64));
  return StepOutcome::kOutdated;
}

std::unique_ptr<FencedConnection> ExecutionWork::TakeConnection(size_t step) {
  const auto home = homes.find(step);
  return home == homes.end() ? nullptr : home->second.watch->Take();
}

Task<StepOutcome> ExecutionWork::CarryHome(const SagaPlan& plan, size_t step,
                                           FencedConnection& connection) {
  const Home& home = homes.at(step);
  const std::string& first = foreign[home.read[0]].before.key;
  // A connection that came after the one that watched knows nothing.
  if (connection.generation() != home.watch->generation()) co_return WatchLost(first);
  const bool writes = std::any_of(home.keys.begin(), home.keys.end(),
                                  [&](size_t key) { return Changed(foreign[key]); });
  StepWork work;
  std::vector<std::string> ttls;
  ttls.reserve(home.keys.size());
  for (const size_t key : home.keys) {
    const ForeignKey& now = foreign[key].after;
    if (!now.exists()) continue;
    ttls.push_back(std::to_string(now.ttl_ms));
    work.commands.push_back({"RESTORE", now.key, ttls.back(), now.dump});
  }
  // Inside of MULTI it cannot be told the text when it does not know the name.
  const ScriptForm form = connection.marked() ? ScriptForm::kSha : ScriptForm::kText;
  std::string request;
  AppendHome(request, plan, step, writes ? &work : nullptr, kLimits, form);
  RM_CRASH_POINT("saga-home-send", step);
  const auto count = static_cast<uint32_t>(HomeReplies(writes));
  const Answer answer = co_await connection.Ask(std::move(request), count);
  if (answer.outcome == Outcome::kNotApplied) co_return WatchLost(first);
  if (answer.outcome != Outcome::kReplied) co_return StepOutcome::kLost;
  bool outdated = false;
  const StepAnswer said = ReadHome(answer.reply, writes, &outdated);
  if (outdated) co_return Written(first, home.read.size() - 1);
  if (IsNoScript(said.error)) {
    connection.set_marked(false);
    interfered = "the shard forgot its scripts";
    co_return StepOutcome::kOutdated;
  }
  if (writes && said.kind == StepAnswer::Kind::kDone) connection.set_marked(true);
  if (!said.error.empty()) refusal = said.error;
  co_return OutcomeOf(said.kind);
}

bool ExecutionWork::Changed(const Foreign& key) const {
  if (key.after.dump != key.before.dump) return true;
  if ((key.after.ttl_ms == 0) != (key.before.ttl_ms == 0)) return true;
  const int64_t passed =
      std::chrono::duration_cast<std::chrono::milliseconds>(MonotonicNow() - fetched_at).count();
  const int64_t shorter = key.before.ttl_ms - key.after.ttl_ms;
  return shorter < -1 || shorter > passed + 1;
}

}  // namespace ringmaster
