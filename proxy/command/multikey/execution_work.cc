#include "command/multikey/execution_work.h"

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
  const StepOutcome prepared = co_await Prepare(plan, step, connection);
  if (prepared != StepOutcome::kDone) co_return prepared;
  RM_CRASH_POINT("saga-prepared", step);
  Part& part = parts[step];
  std::string request;
  AppendExecuteHead(request, plan, step);
  for (const std::string& each : part.requests) request += each;
  AppendExecuteTail(request, plan, step);
  const SagaStep& here = plan.steps[step];
  const auto count = static_cast<uint32_t>(ExecuteHeadReplies(here) + part.requests.size() + 2);
  const Answer answer = co_await connection.Ask(std::move(request), count, max_reply_);
  RM_CRASH_POINT("saga-executed", step);
  if (answer.outcome != Outcome::kReplied) co_return StepOutcome::kLost;
  if (errors::IsReplyTooLarge(answer.reply)) {
    refusal = errors::ReplyTooLarge(max_reply_, "and what it wrote was undone");
    co_return StepOutcome::kRefused;
  }
  const std::vector<std::string> replies = SplitReplies(answer.reply);
  if (replies.size() != count) co_return StepOutcome::kLost;
  const ExecuteAnswer said = ReadExecute(replies.back(), here);
  if (said.kind == StepAnswer::Kind::kRefused) {
    refusal = said.error;
    for (const std::string& each : replies) {
      if (each[0] != '-') continue;
      refusal = each;
      break;
    }
  }
  if (said.kind != StepAnswer::Kind::kDone) co_return OutcomeOf(said.kind);
  part.replies.clear();
  for (const ReplyElement& each : said.replies) part.replies.emplace_back(each.raw);
  if (homes.empty()) co_return StepOutcome::kDone;
  co_return co_await ReadBack(connection);
}

Task<StepOutcome> ExecutionWork::ReadBack(FencedConnection& connection) {
  std::string request;
  std::vector<Foreign*> written;
  for (Foreign& key : foreign) {
    if (!key.writes) continue;
    request += MakeRequest({"PTTL", key.before.key});
    request += MakeRequest({"DUMP", key.before.key});
    written.push_back(&key);
  }
  const auto count = static_cast<uint32_t>(written.size() * 2);
  const Answer answer = co_await connection.Ask(std::move(request), count);
  if (answer.outcome != Outcome::kReplied) co_return StepOutcome::kLost;
  ReplyReader reader(answer.reply);
  for (Foreign* key : written) {
    const std::optional<ReplyElement> ttl = reader.Next();
    const std::optional<ReplyElement> dump = reader.Next();
    if (!ttl || !dump || ttl->is_error() || dump->is_error()) co_return StepOutcome::kLost;
    key->after = ForeignKey{key->before.key, key->before.shard, {}, 0};
    if (dump->is_null()) continue;
    key->after.dump = std::string(dump->text);
    key->after.ttl_ms = ttl->count < 0 ? 0 : std::max<int64_t>(ttl->count, 1);
  }
  co_return StepOutcome::kDone;
}

bool ExecutionWork::Changed(const Foreign& key) const {
  if (key.after.dump != key.before.dump) return true;
  if ((key.after.ttl_ms == 0) != (key.before.ttl_ms == 0)) return true;
  const int64_t passed =
      std::chrono::duration_cast<std::chrono::milliseconds>(MonotonicNow() - fetched_at).count();
  const int64_t shorter = key.before.ttl_ms - key.after.ttl_ms;
  return shorter < -1 || shorter > passed + 1;
}

bool ExecutionWork::AppendStep(std::string& out, const SagaPlan& plan, size_t step,
                               ScriptForm form) {
  const std::vector<size_t>& keys = homes[step];
  const bool changed =
      std::any_of(keys.begin(), keys.end(), [&](size_t key) { return Changed(foreign[key]); });
  if (!changed) return false;
  StepWork work;
  std::vector<std::string> ttls;
  ttls.reserve(keys.size());
  for (const size_t key : keys) {
    const ForeignKey& now = foreign[key].after;
    if (!now.exists()) continue;
    ttls.push_back(std::to_string(now.ttl_ms));
    work.commands.push_back({"RESTORE", now.key, ttls.back(), now.dump});
  }
  ringmaster::AppendStep(out, plan, step, work, kLimits, form);
  return true;
}

void ExecutionWork::OnAnswer(size_t, const StepAnswer& answer) {
  if (!answer.error.empty()) refusal = answer.error;
}

}  // namespace ringmaster
