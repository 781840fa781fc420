// MULTI, EXEC, DISCARD, WATCH and UNWATCH.
#include <algorithm>
#include <optional>
#include <utility>

#include "command/access/access_control.h"
#include "command/call/call.h"
#include "command/call/script_teller.h"
#include "command/call/slow_log.h"
#include "command/call/transaction.h"
#include "command/gate/held_locks.h"
#include "command/multikey/exec_client.h"
#include "command/multikey/execution_work.h"
#include "command/multikey/over_shards.h"
#include "command/multikey/placed_transaction.h"
#include "command/multikey/stretches.h"
#include "command/serve/busy_shards.h"
#include "command/serve/decide.h"
#include "command/serve/recipe.h"
#include "command/table/families.h"
#include "resp/errors.h"
#include "resp/reply_reader.h"
#include "resp/reply_writer.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

constexpr uint32_t kAnyShard = Stretch::kAnyShard;

std::string Reply(RecipeCall& call, void (ReplyWriter::*write)()) {
  std::string reply;
  ReplyWriter out(reply, call.resp());
  (out.*write)();
  return reply;
}

std::string Discarded(Bytes error) {
  return "-EXECABORT Transaction discarded because of: " + std::string(error.substr(1));
}

constexpr char kEmptyTransaction[] = "*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nEXEC\r\n";

// The last reply of a MULTI and EXEC, or what says why there was none.
std::string LastReply(const std::string& replies) {
  ReplyReader reader(replies);
  Bytes last, first_error;
  while (const std::optional<ReplyElement> element = reader.Next()) {
    if (first_error.empty() && element->is_error()) first_error = element->raw;
    last = element->raw;
  }
  // What the shard refused of a queue that is all right: the client hears of it only now.
  if (last.starts_with("-EXECABORT") && last.data() != first_error.data()) {
    return Discarded(first_error);
  }
  return std::string(last);
}

// Where the watched keys are is what it was, and every connection that watches is still there.
bool Untouched(const Transaction& transaction, const Router& router) {
  if (transaction.touched) return false;
  if (transaction.watchers.empty()) return true;
  if (transaction.routes != router.version()) return false;
  return std::all_of(transaction.watchers.begin(), transaction.watchers.end(),
                     [](const Transaction::Watcher& watcher) {
                       return watcher.connection->ready() &&
                              watcher.connection->generation() == watcher.generation;
                     });
}

// The keys that the client watches, looked at in the middle of a saga, which may outlive the call.
class WatchedKeys final : public LastLook {
 public:
  WatchedKeys(std::shared_ptr<const Transaction> transaction, const Router& router,
              std::string null_array)
      : transaction_(std::move(transaction)), router_(router), broken_(std::move(null_array)) {}

  Task<std::string> Look() override {
    if (!Untouched(*transaction_, router_)) co_return broken_;
    for (const Transaction::Watcher& watcher : transaction_->watchers) {
      Question question(FencedConnection::kMaxReply);
      const AskOptions options{.bound = true, .replies = 2};
      question.Send(*watcher.connection, kEmptyTransaction, options);
      const Answer answer = co_await question.answer();
      const std::string verdict = LastReply(answer.reply);
      if (verdict.empty() || ReadReply(verdict).is_error()) co_return verdict;
      if (ReadReply(verdict).is_null()) co_return broken_;
    }
    co_return std::string();
  }
  std::string Broken() const override { return broken_; }

 private:
  const std::shared_ptr<const Transaction> transaction_;
  const Router& router_;
  const std::string broken_;
};

// EXEC at work. Lives in the recipe's frame.
class Execution {
 public:
  Execution(RecipeCall& call, std::shared_ptr<Transaction> transaction)
      : call_(call), transaction_(std::move(transaction)), client_(call) {}

  Task<std::string> Run() {
    client().exec_log_id = call_.context().proxy.slow_log().next_id();
    std::vector<Stretch> stretches = CutByNewRoutes();
    Transaction::Watcher* own = nullptr;
    if (stretches.size() == 1 && stretches[0].shard) own = WatcherOf(stretches[0].shard);
    std::optional<PlacedTransaction> placed;
    HeldLocks locks(call_.context().locks);
    if (!stretches.empty() && (stretches.size() > 1 || !stretches[0].shard)) {
      placed = Placed();
    }
    if (placed && call_.context().sagas != nullptr) {
      // Before the watched keys are looked at, so that nothing changes between that and the end.
      call_.LeaveLocks();
      using Where = PlacedTransaction::Where;
      const bool gathers =
          std::any_of(placed->commands.begin(), placed->commands.end(),
                      [](const auto& each) { return each.where == Where::kSeveral; });
      std::vector<LockKey> wanted = LocksFor(placed->keys, gathers);
      const bool locked = co_await locks.Acquire(std::move(wanted));
      if (!locked) co_return LocksNotHad(call_, placed->keys[0].key);
      stretches = CutByNewRoutes();  // owners may have changed
      placed = Placed();
    }
    if (!Untouched(*transaction_, call_.context().router)) {
      co_return Reply(call_, &ReplyWriter::NullArray);
    }
    if (placed && call_.context().sagas != nullptr &&
        !(stretches.size() == 1 && stretches[0].shard)) {
      co_return co_await RunPlaced(call_, transaction_->queue, *placed, locks, client_, Look());
    }
    for (Transaction::Watcher& watcher : transaction_->watchers) {
      if (&watcher == own) continue;
      const Bytes check = kEmptyTransaction;
      const std::string verdict = co_await Ask(watcher, std::string(check), 2);
      if (verdict.empty() || ReadReply(verdict).is_error()) co_return verdict;
      if (ReadReply(verdict).is_null()) co_return Reply(call_, &ReplyWriter::NullArray);
    }
    if (stretches.empty()) co_return std::string("*0\r\n");
    if (stretches.size() == 1 && stretches[0].shard) {
      std::string reply = co_await Native(stretches[0], own);
      co_return co_await WithOwnAnswers(std::move(reply));
    }
    co_return co_await OneAfterTheOther(stretches);
  }

 private:
  // Empty: the client watches nothing.
  std::shared_ptr<LastLook> Look() {
    if (transaction_->watchers.empty()) return nullptr;
    return std::make_shared<WatchedKeys>(transaction_, call_.context().router,
                                         Reply(call_, &ReplyWriter::NullArray));
  }
  std::vector<Stretch> CutByNewRoutes() {
    call_.TakeNewRoutes();
    return Cut(call_.context(), call_.limits(), transaction_->queue);
  }
  std::optional<PlacedTransaction> Placed() {
    return PlaceTransaction(call_.context(), call_.limits(), call_.database(), transaction_->queue);
  }

  // A shard's reply to EXEC with our own answers at their places.
  Task<std::string> WithOwnAnswers(std::string reply) {
    const ReplyElement array = ReadReply(reply);
    const std::vector<Transaction::Queued>& queue = transaction_->queue;
    if (!array.is_aggregate() || array.is_null() ||
        std::none_of(queue.begin(), queue.end(), IsOurs)) {
      co_return reply;
    }
    std::string whole;
    ReplyWriter(whole, 2).Array(queue.size());
    ReplyReader children = ReplyReader::Children(array);
    for (const Transaction::Queued& queued : queue) {
      if (!IsOurs(queued)) {
        const std::optional<ReplyElement> child = children.Next();
        if (child) whole += child->raw;
        continue;
      }
      whole += co_await client_.Run(queued);
    }
    co_return whole;
  }

  Transaction::Watcher* WatcherOf(std::optional<uint32_t> shard) {
    for (Transaction::Watcher& watcher : transaction_->watchers) {
      const bool fits = *shard == kAnyShard || watcher.shard == *shard;
      if (fits && watcher.database == client().database &&
          watcher.connection->resp() == client().resp)
        return &watcher;
    }
    return nullptr;
  }

  // The last of the replies.
  Task<std::string> Ask(const Transaction::Watcher& watcher, std::string request,
                        uint32_t replies) {
    const AskOptions options{.bound = true, .replies = replies};
    const Answer answer = co_await call_.AskOver(*watcher.connection, std::move(request), options);
    co_return LastReply(answer.reply);
  }

  // The only command of the stretch, when it reads and does not wait: it needs no transaction,
  // which a shard whose memory is full would not begin.
  const Transaction::Queued* OnlyRead(const Stretch& stretch) const {
    const Transaction::Queued* only = nullptr;
    for (size_t i = stretch.begin; i < stretch.end; ++i) {
      const Transaction::Queued& queued = transaction_->queue[i];
      if (IsOurs(queued)) continue;
      const bool reads = queued.command->Is(kReadOnly) && !queued.command->Is(kBlocking) &&
                         !queued.command->Is(kRunsScript);
      if (only != nullptr || !reads) return nullptr;
      only = &queued;
    }
    return only;
  }

  Task<std::string> Plain(uint32_t shard, const Transaction::Queued& queued) {
    const std::vector<Bytes> args = queued.views();
    std::string request;
    AppendRequest(request, args);
    Connection& connection = call_.Shared(shard, client().database);
    const AskOptions options{.read_only = true};
    const Answer answer = co_await call_.AskOver(connection, std::move(request), options);
    if (answer.outcome != Outcome::kReplied) co_return answer.reply;
    if (answer.reply.starts_with("-BUSY ")) co_return Discarded(answer.reply);
    co_return "*1\r\n" + answer.reply;
  }

  // The shard's own EXEC, whose reply is the client's.
  Task<std::string> Native(const Stretch& stretch, const Transaction::Watcher* watcher) {
    const uint32_t shard = *stretch.shard == kAnyShard ? AnyShard(call_.routes()) : *stretch.shard;
    if (watcher == nullptr) {
      const Transaction::Queued* alone = OnlyRead(stretch);
      if (alone != nullptr) co_return co_await Plain(shard, *alone);
    }
    Connection& connection =
        watcher != nullptr ? *watcher->connection : call_.Shared(shard, client().database);
    std::string request = MakeRequest({"MULTI"});
    bool script = false;
    for (size_t i = stretch.begin; i < stretch.end; ++i) {
      const Transaction::Queued& queued = transaction_->queue[i];
      if (!queued.command->Is(kRunsScript)) continue;
      script = true;
      call_.routes().backend(shard).ExpectScript(client().database, client().resp);
      const std::vector<Bytes> args = queued.views();
      ScriptTeller* const teller = call_.context().script_teller;
      if (teller != nullptr) teller->Tell(call_.context(), *queued.command, args, connection);
    }
    uint32_t replies = 2;
    for (size_t i = stretch.begin; i < stretch.end; ++i) {
      if (IsOurs(transaction_->queue[i])) continue;
      AppendRequest(request, transaction_->queue[i].views());
      ++replies;
    }
    request += MakeRequest({"EXEC"});
    if (watcher != nullptr) co_return co_await Ask(*watcher, std::move(request), replies);
    const AskOptions options{.script = script, .replies = replies};
    const Answer answer = co_await call_.AskOver(connection, std::move(request), options);
    if (answer.reply.starts_with("-BUSY ")) co_return Discarded(answer.reply);
    co_return LastReply(answer.reply);
  }

  Task<std::string> OneAfterTheOther(const std::vector<Stretch>& stretches) {
    call_.LeaveLocks();  // some of it may ask for locks of its own
    std::string elements;
    for (const Stretch& stretch : stretches) {
      if (!stretch.shard) {
        elements += co_await client_.Run(transaction_->queue[stretch.begin]);
        continue;
      }
      const std::string reply = co_await Native(stretch, nullptr);
      const ReplyElement array = ReadReply(reply);
      if (!array.is_aggregate()) co_return stretch.begin == 0 ? reply : HalfDone(reply);
      ReplyReader children = ReplyReader::Children(array);
      while (const std::optional<ReplyElement> child = children.Next()) elements += child->raw;
    }
    std::string reply;
    ReplyWriter(reply, 2).Array(transaction_->queue.size());
    co_return reply + elements;
  }

  static std::string HalfDone(const std::string& reply) {
    return "-UNCERTAIN the transaction was applied in part; then a shard said: " +
           std::string(ReadReply(reply).text) + "\r\n";
  }

  ClientState& client() { return client_.state(); }

  RecipeCall& call_;
  const std::shared_ptr<Transaction> transaction_;
  ExecClient client_;
};

// What the user may not do any more is left out of the queue. The errors in its place, by the
// place in the queue; an empty one: it stays.
std::vector<std::string> LeaveOutDenied(RecipeCall& call, const AclUser& user,
                                        std::vector<Transaction::Queued>& queue) {
  std::vector<std::string> errors(queue.size());
  std::vector<Transaction::Queued> kept;
  for (size_t i = 0; i < queue.size(); ++i) {
    const std::vector<Bytes> args = queue[i].views();
    Denial denial = user.Check(*queue[i].command, args);
    const bool script = !denial && queue[i].command->Is(kRunsScript) && !user.MayRunScripts();
    if (script) denial.reason = Denial::Reason::kCommand;
    const Denial in_use = denial ? Denial() : user.CheckRun(*queue[i].command, args);
    if (in_use) errors[i] = DenialReply(in_use, *queue[i].command);
    if (in_use) continue;
    if (denial) {
      errors[i] = script ? ScriptRefusal(user, "MULTI runs on the connection that all users share")
                         : LateDenialReply(denial);
      AclLogEntry entry;
      entry.reason = denial.reason;
      entry.context = "multi";
      entry.object = denial.position == 0 ? queue[i].command->full_name
                                          : Printable(args[denial.position], kLoggedArgument);
      entry.user = user.name;
      entry.client = "id=" + std::to_string(call.client_id());
      entry.at = call.context().proxy.Now();
      call.context().proxy.access().Log(std::move(entry));
    } else {
      kept.push_back(std::move(queue[i]));
    }
  }
  queue = std::move(kept);
  return errors;
}

// A reply that is not passed on, with what became of the writes, if it does not say so.
std::string WithEffect(RecipeCall& call, const Transaction& transaction, std::string refusal) {
  const size_t most = call.context().scatters.max_reply();
  const bool writes = std::any_of(transaction.queue.begin(), transaction.queue.end(),
                                  [](const auto& queued) { return queued.command->Is(kWrite); });
  if (!writes || refusal != errors::ReplyTooLarge(most)) return refusal;
  return errors::ReplyTooLarge(most, "but what it wrote is written");
}

// EXEC's reply with the errors at their places.
std::string Interleaved(std::string reply, const std::vector<std::string>& errors) {
  const ReplyElement array = ReadReply(reply);
  if (!array.is_aggregate() || array.is_null()) return reply;
  std::string whole;
  ReplyWriter(whole, 2).Array(errors.size());
  ReplyReader children = ReplyReader::Children(array);
  for (const std::string& error : errors) {
    const std::optional<ReplyElement> child = error.empty() ? children.Next() : std::nullopt;
    whole += child ? child->raw : Bytes(error);
  }
  return whole;
}

// After their EXEC connections watch nothing any more.
void GiveBackWatchers(Transaction& transaction) {
  for (const Transaction::Watcher& watcher : std::exchange(transaction.watchers, {})) {
    watcher.backend->Return(watcher.connection);
  }
}

Task<std::string> ExecRecipe(RecipeCall& call) {
  ClientState* client = call.client();
  if (client == nullptr || client->transaction == nullptr || !client->transaction->open) {
    co_return "-ERR EXEC without MULTI\r\n";
  }
  const std::shared_ptr<Transaction> transaction = std::exchange(client->transaction, nullptr);
  transaction->open = false;
  std::shared_ptr<const AclUser> user = client->user;
  const std::string busy = co_await BusyReply(call);
  if (!busy.empty()) co_return Discarded(busy);
  if (transaction->broken) {
    co_return "-EXECABORT Transaction discarded because of previous errors.\r\n";
  }
  // As it is now: its rights may have changed since MULTI.
  if (call.client() != nullptr) user = call.client()->user;
  std::vector<std::string> denied;
  const bool changed = transaction->rights_changed || user != transaction->checked_for;
  if (changed && user != nullptr && !user->may_everything()) {
    denied = LeaveOutDenied(call, *user, transaction->queue);
  }
  Execution execution(call, transaction);
  std::string reply = co_await execution.Run();
  if (errors::IsReplyTooLarge(reply)) [[unlikely]]
    reply = WithEffect(call, *transaction, std::move(reply));
  if (!denied.empty()) reply = Interleaved(std::move(reply), denied);
  const ReplyElement said = ReadReply(reply);
  // After an error or a nil somebody may still watch.
  if (said.is_aggregate() && !said.is_null()) GiveBackWatchers(*transaction);
  co_return reply;
}

Task<std::string> WatchRecipe(RecipeCall& call) {
  ClientState* client = call.client();
  if (client == nullptr) co_return errors::ShuttingDown();
  if (client->transaction == nullptr) client->transaction = std::make_shared<Transaction>();
  const std::shared_ptr<Transaction> transaction = client->transaction;
  if (transaction->open) co_return "-ERR WATCH inside MULTI is not allowed\r\n";
  if (transaction->watchers.empty()) transaction->routes = call.routes().version();
  if (transaction->routes != call.routes().version()) transaction->touched = true;
  if (transaction->touched) co_return "+OK\r\n";
  for (size_t i = 1; i < call.args().size(); ++i) {
    const Bytes key = call.args()[i];
    const uint32_t shard = call.routes().ShardOf(key);
    size_t at = 0;
    const auto& watchers = transaction->watchers;
    while (at < watchers.size() &&
           (watchers[at].shard != shard || watchers[at].database != call.database())) {
      ++at;
    }
    if (at == watchers.size()) {
      Backend& backend = call.routes().backend(shard);
      Connection* connection = backend.Borrow(call.database(), call.resp());
      if (connection == nullptr) {
        co_return errors::NotApplied(call.routes().shard_name(shard),
                                     "all connections to it are lent out; watch fewer keys");
      }
      transaction->watchers.push_back(
          {&backend, connection, shard, call.database(), connection->generation()});
    }
    const bool fresh = !watchers[at].connection->ready();
    const AskOptions options{.bound = !fresh};
    std::string request = MakeRequest({"WATCH", key});
    const Answer answer =
        co_await call.AskOver(*watchers[at].connection, std::move(request), options);
    if (answer.is_error()) co_return answer.reply;
    Transaction::Watcher& watcher = transaction->watchers[at];
    if (fresh) watcher.generation = watcher.connection->generation();
    if (watcher.generation != watcher.connection->generation()) transaction->touched = true;
    if (transaction->watched.size() < Transaction::kMaxCommands) {
      transaction->watched.insert(std::hash<Bytes>()(key) + static_cast<uint64_t>(call.database()));
    }
  }
  co_return "+OK\r\n";
}

void Multi(Call& call, ReplyWriter& out) {
  std::shared_ptr<Transaction>& transaction = call.client.transaction;
  if (transaction == nullptr) transaction = std::make_shared<Transaction>();
  if (transaction->open) {
    out.Error("ERR MULTI calls can not be nested");
    return;
  }
  transaction->open = true;
  out.Ok();
}

void Discard(Call& call, ReplyWriter& out) {
  if (call.client.transaction == nullptr || !call.client.transaction->open) {
    out.Error("ERR DISCARD without MULTI");
    return;
  }
  call.client.transaction.reset();
  out.Ok();
}

void Unwatch(Call& call, ReplyWriter& out) {
  call.client.transaction.reset();
  out.Ok();
}

void RefusedCall(Call& call, ReplyWriter& out) {
  out.out() += call.client.in_exec ? std::string(call.args[1]) : errors::UnknownCommand(call.args);
}

constexpr Row kRows[] = {
    {.name = kRefusedCall,
     .arity = 2,
     .flags = kHidden | kNoAuth | kSkipMonitor | kSkipSlowlog,
     .plan = Local(RefusedCall)},
    {.name = "discard",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy | kAlone | kInTransaction,
     .plan = Local(Discard),
     .categories = "transaction"},
    {.name = "exec",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kSkipSlowlog | kAlone | kInTransaction,
     .plan = Recipe(ExecRecipe),
     .categories = "transaction"},
    {.name = "multi",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy | kAlone | kInTransaction,
     .plan = Local(Multi),
     .categories = "transaction"},
    {.name = "unwatch",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy | kAlone,
     .plan = Local(Unwatch),
     .categories = "transaction"},
    {.name = "watch",
     .arity = -2,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy | kAlone | kInTransaction,
     .plan = Recipe(WatchRecipe),
     .categories = "transaction",
     .specs = {KeyRange("RO", 1, -1, 1)}},
};

}  // namespace

ExecClient::ExecClient(RecipeCall& call) : call_(call), like_it_(call.StandIn()) {}

ClientState& ExecClient::state() {
  ClientState* client = call_.client();
  return client != nullptr ? *client : like_it_;
}

Task<std::string> ExecClient::Run(const Transaction::Queued& queued) {
  std::vector<Bytes> args = queued.views();
  state().in_exec = true;
  std::string reply = co_await call_.Run(*queued.command, std::move(args), state());
  state().in_exec = false;
  like_it_.database = state().database;  // SELECT
  co_return reply;
}

std::span<const Row> TransactionsFamily() { return kRows; }

}  // namespace ringmaster
