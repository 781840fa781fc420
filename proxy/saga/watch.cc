#include "saga/watch.h"

#include <optional>
#include <utility>

#include "resp/reply_reader.h"
#include "resp/request_writer.h"
#include "saga/saga_set.h"

namespace ringmaster {
namespace {

constexpr uint32_t kBefore = 2;  // replies that come before those to the request

// What is left of the answer when WATCH is done.
void TakeOffWatch(Answer& answer) {
  ReplyReader reader(answer.reply);
  size_t taken = 0;
  for (uint32_t i = 0; i < kBefore; ++i) {
    const std::optional<ReplyElement> said = reader.Next();
    if (!said) return;
    if (said->is_error()) {
      answer.reply = std::string(said->raw);
      return;
    }
    taken += said->raw.size();
  }
  answer.reply.erase(0, taken);
}

}  // namespace

Watch::Watch(SagaSet& set, const std::string& shard, int database)
    : set_(set), alive_(set.alive()), connection_(set.Lend(shard, database, 2)) {}

Watch::~Watch() {
  if (connection_ != nullptr && *alive_) set_.Return(std::move(connection_));
}

Task<Answer> Watch::Read(std::string words, size_t keys, Bytes request, uint32_t replies,
                         size_t max_reply) {
  const bool ready = connection_ != nullptr && co_await connection_->Ready();
  if (!ready) {
    const Bytes shard = connection_ != nullptr ? Bytes(connection_->shard()) : Bytes();
    co_return Answer{Outcome::kNotApplied, errors::NotApplied(shard, "it cannot be reached")};
  }
  generation_ = connection_->generation();
  // Who had the connection before may have left watches.
  std::string whole = MakeRequest({"UNWATCH"});
  AppendRequestHeader(whole, 1 + keys);
  AppendRequestArg(whole, "WATCH");
  whole += words;
  whole += request;
  Answer answer = co_await connection_->Ask(std::move(whole), kBefore + replies, max_reply);
  if (answer.outcome == Outcome::kReplied) TakeOffWatch(answer);
  co_return answer;
}

}  // namespace ringmaster
