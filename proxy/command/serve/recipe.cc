#include "command/serve/recipe.h"

#include <utility>

#include "command/call/push_client.h"
#include "command/gate/lock_gate.h"
#include "command/gate/move_gate.h"
#include "command/serve/background.h"
#include "command/serve/dispatch.h"
#include "command/table/keys.h"
#include "coro/all.h"
#include "resp/errors.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

// Keeps the call beside its task until both are done.
Task<void> RunRecipe(std::unique_ptr<RecipeCall> call, RecipeFunction recipe, Exchange& exchange) {
  const std::string reply = co_await recipe(*call);
  call.reset();
  AnswerHere(exchange, reply);
}

// The same without a client, so that all it needs lives here.
Task<void> RunUnasked(CommandContext& context, const Command& command, RecipeFunction recipe,
                      bool touches_keys) {
  ClientState nobody;
  Exchange exchange;
  RecipeCall call(Call{{}, {}, command, nobody, context, exchange}, touches_keys);
  static_cast<void>(co_await recipe(call));
}

// What only waits for its turn touches no key yet.
bool TouchesKeys(const Command& command, RecipeFunction recipe) {
  return recipe != RunInBackground &&
         (HasKeys(*command.row) || command.Is(kInTransaction) || command.Is(kEveryKey));
}

}  // namespace

RecipeCall::RecipeCall(const Call& call, bool touches_keys)
    : context_(call.context),
      command_(call.command),
      exchange_(call.exchange),
      client_(call.client, call.client.refs),
      view_(call.view),
      limits_(call.client.limits != nullptr ? call.client.user : nullptr),
      in_exec_(call.client.in_exec),
      gate_(touches_keys ? call.context.moves : nullptr),
      locks_(nullptr),
      client_id_(call.client.id),
      database_(call.client.database),
      resp_(call.client.resp),
      routes_(call.context.router.routes()),
      push_(call.client.push) {
  args_.reserve(call.args.size());
  bytes_.reserve(RequestSize(call.args));
  AppendRequestHeader(bytes_, call.args.size());
  for (const Bytes arg : call.args) {
    AppendRequestArg(bytes_, arg);
    args_.emplace_back(bytes_.data() + bytes_.size() - arg.size() - 2, arg.size());
  }
  if (gate_ != nullptr) gate_generation_ = gate_->OnRecipeBegan();
  if (touches_keys) JoinLocks();
}

RecipeCall::~RecipeCall() {
  if (gate_ != nullptr) gate_->OnRecipeEnded(gate_generation_);
  LeaveLocks();
}

void RecipeCall::JoinLocks() {
  if (locks_ != nullptr || context_.locks == nullptr) return;
  locks_ = context_.locks;
  locks_generation_ = locks_->OnRecipeBegan();
}

void RecipeCall::LeaveLocks() {
  if (LockGate* locks = std::exchange(locks_, nullptr)) locks->OnRecipeEnded(locks_generation_);
}

bool RecipeCall::LeaveMoves() {
  if (FreezeWaits()) return false;
  if (gate_ != nullptr) std::exchange(gate_, nullptr)->OnRecipeEnded(gate_generation_);
  return true;
}

bool RecipeCall::FreezeWaits() const {
  return gate_ != nullptr && gate_->FreezeWaitsFor(gate_generation_);
}

Task<std::string> RecipeCall::EnterAgain(const std::vector<Bytes>& keys) {
  if (MoveGate* gate = std::exchange(gate_, nullptr)) gate->OnRecipeEnded(gate_generation_);
  MoveGate* gate = context_.moves;
  if (gate == nullptr) {
    TakeNewRoutes();
    co_return std::string();
  }
  auto over = std::make_shared<Completion<std::string>>();
  // Counted again before anything else can happen.
  gate->Enter(database_, keys, [this, gate, over](const std::string& error) {
    gate_ = gate;
    gate_generation_ = gate->OnRecipeBegan();
    over->Complete(error);
  });
  if (over->completed()) co_await AnsweredAtOnce();
  std::string failed = co_await *over;
  TakeNewRoutes();
  co_return failed;
}

Task<std::string> RecipeCall::Bring(const std::vector<Bytes>& keys) {
  if (!context_.moving) {
    TakeNewRoutes();
    co_return std::string();
  }
  auto over = std::make_shared<Completion<std::string>>();
  context_.moves->Enter(database_, keys,
                        [over](const std::string& error) { over->Complete(error); });
  if (over->completed()) co_await AnsweredAtOnce();
  std::string failed = co_await *over;
  TakeNewRoutes();
  co_return failed;
}

ConnectionLane* RecipeCall::lane() const {
  return push_ == nullptr ? nullptr : push_->tracking.get();
}

Connection& RecipeCall::Shared(uint32_t shard, int database) {
  const LaneScope scope(context_.router.context(), lane());
  return routes_->backend(shard).Shared(database, resp_);
}

void RecipeCall::NoteHandedOn(TimePoint at) {
  if (handed_on_ || at == TimePoint()) return;
  handed_on_ = true;
  exchange_.queued_at = at;
}

Task<Answer> RecipeCall::AnswerTo(Question& question) {
  if (question.answer().completed()) co_await AnsweredAtOnce();
  co_return co_await question.answer();
}

Task<void> RecipeCall::AnsweredAtOnce() {
  const TimePoint now = context_.proxy.Now();
  if (std::exchange(turn_, now) != now) at_once_ = 0;
  if (++at_once_ < kAtOnce) co_return;
  at_once_ = 0;
  co_await Sleep(Duration(0));
}

Task<Answer> RecipeCall::Ask(uint32_t shard, std::string request, bool read_only) {
  Question question(context_.scatters.max_reply());
  const AskOptions options{.read_only = read_only};
  {
    const LaneScope scope(context_.router.context(), lane());
    question.Send(routes_->backend(shard).Shared(database_, resp_), request, options);
  }
  NoteHandedOn(question.exchange().queued_at);
  co_return co_await AnswerTo(question);
}

Task<Answer> RecipeCall::AskOver(Connection& connection, std::string request) {
  return AskOver(connection, std::move(request), AskOptions());
}

Task<Answer> RecipeCall::AskOver(Connection& connection, std::string request, AskOptions options) {
  Question question(context_.scatters.max_reply());
  question.Send(connection, request, options);
  NoteHandedOn(question.exchange().queued_at);
  co_return co_await AnswerTo(question);
}

Task<std::string> RecipeCall::Run(const Command& command, std::vector<Bytes> args,
                                  ClientState& client, bool locked) {
  Question question(context_.scatters.max_reply());
  Call call{args, {}, command, client, context_, question.exchange()};
  {
    const LaneScope scope(context_.router.context(), lane());
    // Its keys came when ours did; a freeze or a lock waits for us, so it must not stop us.
    context_.moving || locked || locks_ != nullptr ? DispatchAfterMove(call) : Dispatch(call);
  }
  Answer answer = co_await AnswerTo(question);
  NoteHandedOn(question.exchange().queued_at);
  co_return std::move(answer.reply);
}

Task<std::vector<Answer>> RecipeCall::AskAll(std::string request, bool read_only) {
  std::vector<Task<Answer>> tasks;
  for (uint32_t shard = 0; shard < routes_->shard_count(); ++shard) {
    tasks.push_back(Ask(shard, request, read_only));
  }
  co_return co_await All(std::move(tasks));
}

ClientState RecipeCall::StandIn() const {
  ClientState client;
  client.id = client_id_;
  client.database = database_;
  client.resp = resp_;
  client.user = limits_;
  client.limits = limits_.get();
  return client;
}

Task<Answer> RecipeCall::ServeByPlan() { return Serve(DispatchByPlan); }

Task<Answer> RecipeCall::ServeNow() { return Serve(DispatchNow); }

Task<Answer> RecipeCall::Serve(void (*dispatch)(Call& call)) {
  Question question(context_.scatters.max_reply());
  ClientState client = StandIn();
  Call call{args_, Slice{bytes_, {}}, command_, client, context_, question.exchange()};
  {
    const LaneScope scope(context_.router.context(), lane());
    dispatch(call);
  }
  co_return co_await AnswerTo(question);
}

Task<Result<Proxy::TransferHold>> RecipeCall::HoldTransfers() {
  auto over = std::make_shared<Completion<Result<Proxy::TransferHold>>>();
  context_.proxy.HoldTransfers(
      [over](Result<Proxy::TransferHold> held) { over->Complete(std::move(held)); });
  co_return co_await *over;
}

Task<void> RecipeCall::Sleep(Duration delay) {
  auto over = std::make_shared<Completion<bool>>();
  context_.proxy.After(delay, [over] { over->Complete(true); });
  co_await *over;
}

Task<std::vector<std::string>> RecipeCall::VisitWorkers(Proxy::Visit visit) {
  using Reports = std::vector<std::string>;
  auto over = std::make_shared<Completion<Reports>>();
  context_.proxy.VisitWorkers(std::move(visit),
                              [over](Reports reports) { over->Complete(std::move(reports)); });
  co_return co_await *over;
}

Task<Result<std::string>> RecipeCall::Rebalance(std::vector<std::string> words) {
  auto over = std::make_shared<Completion<Result<std::string>>>();
  context_.proxy.Rebalance(
      std::move(words), [over](Result<std::string> result) { over->Complete(std::move(result)); });
  co_return co_await *over;
}

Task<Result<std::string>> RecipeCall::Journal(bool verify) {
  auto over = std::make_shared<Completion<Result<std::string>>>();
  context_.proxy.Journal(verify,
                         [over](Result<std::string> result) { over->Complete(std::move(result)); });
  co_return co_await *over;
}

Task<Result<std::string>> RecipeCall::Reload() {
  auto over = std::make_shared<Completion<Result<std::string>>>();
  context_.proxy.Reload(client_id(),
                        [over](Result<std::string> result) { over->Complete(std::move(result)); });
  co_return co_await *over;
}

Task<Result<std::vector<JobFigures>>> RecipeCall::Jobs(JobOrder order) {
  using Listed = Result<std::vector<JobFigures>>;
  auto over = std::make_shared<Completion<Listed>>();
  context_.proxy.Jobs(order, [over](Listed jobs) { over->Complete(std::move(jobs)); });
  co_return co_await *over;
}

void RecipeSet::Start(Call& call, RecipeFunction recipe) {
  auto kept = std::make_unique<RecipeCall>(call, TouchesKeys(call.command, recipe));
  tasks_.Add(RunRecipe(std::move(kept), recipe, call.exchange));
}

void RecipeSet::StartUnasked(CommandContext& context, const Command& command,
                             RecipeFunction recipe) {
  tasks_.Add(RunUnasked(context, command, recipe, TouchesKeys(command, recipe)));
}

}  // namespace ringmaster
