#include "command/blocking/blocked_wait.h"

#include <utility>

#include "command/serve/recipe.h"
#include "coro/all.h"
#include "resp/errors.h"
#include "resp/reply_reader.h"
#include "resp/request_writer.h"

namespace ringmaster {

BlockedMark::BlockedMark(RecipeCall& call) : call_(call) {
  if (ClientState* client = call.client()) client->blocked = this;
  call.context().metrics.blocked.Add();
  call.LeaveLocks();
}

BlockedMark::~BlockedMark() {
  if (ClientState* client = call_.client()) client->blocked = nullptr;
  call_.context().metrics.blocked.Subtract(1);
}

ShardWait::ShardWait(RecipeCall& call, uint32_t shard, Connection* connection)
    : BlockedMark(call),
      backend_(call.routes().backend(shard)),
      shard_(shard),
      connection_(connection) {}

ShardWait::~ShardWait() {
  if (connection_ != nullptr) backend_.Return(connection_);
}

Task<std::optional<std::string>> ShardWait::Run(std::string wire) {
  if (connection_ == nullptr) {
    co_return errors::NotApplied(call_.routes().shard_name(shard_),
                                 "too many clients wait for data of it");
  }
  // Both at once: the sooner the shard knows, the better its order is that of the clients.
  const AskOptions options{.no_timeout = true};
  auto both = All(LearnId(), call_.AskOver(*connection_, std::move(wire), options));
  auto [known, answer] = co_await both;
  id_ = 0;
  if (gave_way_ && ReadReply(answer.reply).is_null()) co_return std::nullopt;
  co_return std::move(answer.reply);
}

Task<void> ShardWait::LearnId() {
  std::string request = MakeRequest({"CLIENT", "ID"});
  const Answer id = co_await call_.AskOver(*connection_, std::move(request));
  if (id.outcome != Outcome::kReplied) co_return;
  id_ = ReadReply(id.reply).count;
  if (unblock_) EndWait(*unblock_);
}

void ShardWait::Unblock(bool with_error) {
  gave_way_ = false;  // somebody wants it to end for good
  EndWait(with_error);
}

void ShardWait::GiveWay() {
  if (unblock_) return;
  gave_way_ = true;
  EndWait(false);
}

void ShardWait::EndWait(bool with_error) {
  if (connection_ == nullptr) return;
  if (id_ == 0) {
    unblock_ = with_error;
    return;
  }
  const std::string request =
      MakeRequest({"CLIENT", "UNBLOCK", std::to_string(id_), with_error ? "ERROR" : "TIMEOUT"});
  call_.context().router.context().asides.Send(backend_.Shared(call_.database(), call_.resp()),
                                               Slice{request, {}}, {.nobody_waits = true}, {});
}

// It may have been the shared one: then what others asked before is still under way there.
void ShardWait::Leave() {
  if (connection_ == nullptr) return;
  if (!connection_->waits_for_data()) return EndWait(false);
  backend_.Discard(std::exchange(connection_, nullptr));
}

}  // namespace ringmaster
