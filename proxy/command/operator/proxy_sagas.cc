// PROXY SAGAS: writes over several shards, as the operator sees them (docs/sagas.md).
#include <fmt/format.h>

#include <optional>

#include "command/operator/handlers.h"
#include "command/serve/recipe.h"
#include "resp/errors.h"
#include "resp/reply_writer.h"
#include "saga/saga_set.h"

namespace ringmaster {
namespace {

constexpr char kUsage[] =
    "ERR PROXY SAGAS takes LIST, RECENT, SHOW id, EXPORT, RETRY id, ROLLBACK id, SKIP id step, "
    "FORGET id reason, or JOURNAL STATUS or VERIFY";

std::string Summary(const SagaRecord& saga) {
  const bool said = !saga.notes.empty() && !saga.notes.back().empty();
  return fmt::format("id={},state={},age_ms={},steps={},recovered={},command={}{}",
                     SagaName(saga.id), saga.state, Milliseconds(saga.age), saga.plan.steps.size(),
                     saga.recovered ? "yes" : "no", saga.command,
                     said ? ",why=" + saga.notes.back() : "");
}

std::string Whole(const SagaRecord& saga) {
  std::string text = Summary(saga) + "\n";
  for (size_t i = 0; i < saga.plan.steps.size(); ++i) {
    const SagaStep& step = saga.plan.steps[i];
    text += fmt::format("  step={},shard={},address={},database={},kind={},phase={},marker={}\n", i,
                        step.shard, step.address, step.database,
                        step.kind == StepKind::kScript ? "script" : "execution", step.phase,
                        MarkerName(saga.id, i));
    for (size_t key = 0; key < step.keys.size(); ++key) {
      text += fmt::format("    key={},image={}\n", Printable(step.keys[key].key),
                          ImageName(saga.id, i, key));
    }
    for (const std::string& copy : step.copies) text += "    copy=" + Printable(copy) + "\n";
  }
  for (const std::string& note : saga.notes) text += "  note: " + note + "\n";
  return text;
}

struct Order {
  enum class What : uint8_t { kList, kRecent, kShow, kExport, kCarry, kStatus, kVerify };
  What what = What::kList;
  SagaId id = 0;
  SagaOrder order = {};
};

std::optional<SagaId> ParseId(Bytes text) {
  if (text.empty() || text.size() > 16) return std::nullopt;
  SagaId id = 0;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9'                 ? c - '0'
                      : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                           : -1;
    if (digit < 0) return std::nullopt;
    id = id * 16 + static_cast<SagaId>(digit);
  }
  return id;
}

std::optional<Order> Parse(std::span<const Bytes> args) {
  Order order;
  const auto is = [&](size_t at, Bytes word, size_t count) {
    return args.size() == count && EqualsIgnoreCase(args[at], word);
  };
  if (args.size() == 2 || is(2, "list", 3)) return order;
  if (is(2, "recent", 3)) return Order{Order::What::kRecent};
  if (is(2, "export", 3)) return Order{Order::What::kExport};
  if (is(2, "journal", 4)) {
    if (EqualsIgnoreCase(args[3], "status")) return Order{Order::What::kStatus};
    if (EqualsIgnoreCase(args[3], "verify")) return Order{Order::What::kVerify};
    return std::nullopt;
  }
  if (args.size() < 4) return std::nullopt;
  const std::optional<SagaId> id = ParseId(args[3]);
  if (!id) return std::nullopt;
  order.id = *id;
  order.what = Order::What::kCarry;
  if (is(2, "show", 4)) {
    order.what = Order::What::kShow;
  } else if (is(2, "retry", 4)) {
    order.order.what = SagaOrder::What::kRetry;
  } else if (is(2, "rollback", 4)) {
    order.order.what = SagaOrder::What::kRollback;
  } else if (is(2, "skip", 5)) {
    const std::optional<int64_t> step = ParseInteger(args[4]);
    if (!step || *step < 0) return std::nullopt;
    order.order.what = SagaOrder::What::kSkip;
    order.order.step = static_cast<size_t>(*step);
  } else if (EqualsIgnoreCase(args[2], "forget") && args.size() >= 5) {
    order.order.what = SagaOrder::What::kForget;
    for (const Bytes word : args.subspan(4)) {
      order.order.reason += (order.order.reason.empty() ? "" : " ") + Printable(word);
    }
  } else {
    return std::nullopt;
  }
  return order;
}

// What each worker writes into its report: lines, the whole of one, or what came of an order.
void Visit(const Order& order, TimePoint now, WorkerView& worker, std::string& out) {
  SagaSet* sagas = worker.sagas();
  if (sagas == nullptr) return;
  if (order.what == Order::What::kCarry) {
    const Result<std::string> carried = sagas->Order(order.id, order.order);
    if (carried) out = "+";
    if (!carried && carried.error().code != ErrorCode::kNotFound) out = "-" + carried.error().text;
    return;
  }
  std::vector<SagaRecord> records;
  sagas->Describe(now, order.what == Order::What::kRecent, records);
  for (const SagaRecord& saga : records) {
    if (order.what == Order::What::kShow && saga.id != order.id) continue;
    const bool whole = order.what == Order::What::kShow || order.what == Order::What::kExport;
    out += whole ? Whole(saga) : Summary(saga) + "\n";
  }
}

}  // namespace

Task<std::string> ProxySagasRecipe(RecipeCall& call) {
  std::string reply;
  ReplyWriter writer(reply, call.resp());
  const std::optional<Order> order = Parse(call.args());
  if (!order) {
    writer.Error(kUsage);
    co_return reply;
  }
  if (order->what == Order::What::kStatus || order->what == Order::What::kVerify) {
    const Result<std::string> said = co_await call.Journal(order->what == Order::What::kVerify);
    if (said) {
      writer.Verbatim("txt", *said);
    } else {
      writer.Error("ERR " + said.error().text);
    }
    co_return reply;
  }
  const TimePoint now = call.context().proxy.Now();
  Proxy::Visit visit = [order = *order, now](WorkerView& worker, std::string& out) {
    Visit(order, now, worker, out);
  };
  const std::vector<std::string> reports = co_await call.VisitWorkers(std::move(visit));
  std::string all;
  for (const std::string& report : reports) all += report;
  if (order->what == Order::What::kCarry) {
    if (all.empty()) {
      writer.Error("ERR there is no such saga; PROXY SAGAS LIST shows those that are open");
    } else if (all[0] == '-') {
      writer.Error("ERR " + all.substr(1));
    } else {
      writer.Ok();
    }
  } else if (order->what == Order::What::kShow && all.empty()) {
    writer.Error("ERR there is no such saga; PROXY SAGAS LIST shows those that are open");
  } else {
    writer.Verbatim("txt", all);
  }
  co_return reply;
}

}  // namespace ringmaster
