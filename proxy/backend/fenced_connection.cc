#include "backend/fenced_connection.h"

#include <optional>
#include <utility>

#include "resp/info_text.h"
#include "resp/reply_reader.h"
#include "resp/request_writer.h"

namespace ringmaster {
FencedConnection::FencedConnection(BackendContext& context, std::shared_ptr<ShardLink> link,
                                   ShardMetrics& metrics, int database, int resp,
                                   const std::string& name, std::function<void()> lost)
    : link_(std::move(link)),
      database_(database),
      resp_(resp),
      on_lost_(std::move(lost)),
      connection_(context, *link_, metrics, nullptr, database, resp) {
  connection_.SetPrologue(MakeRequest({"CLIENT", "SETNAME", name}), 1);
  connection_.SetLost([](void* self) { static_cast<FencedConnection*>(self)->on_lost_(); }, this);
}

Task<bool> FencedConnection::Ready() {
  // Everybody waits for the one who brings it up.
  while (preparing_ != nullptr) {
    const std::shared_ptr<Event> prepared = preparing_;
    co_await *prepared;
  }
  if (ready()) co_return true;
  preparing_ = std::make_shared<Event>();
  const bool up = co_await Prepare();
  const std::shared_ptr<Event> prepared = std::exchange(preparing_, nullptr);
  prepared->Set();
  co_return up;
}

Task<bool> FencedConnection::Prepare() {
  std::string request = MakeRequest({"CLIENT", "ID"});
  request += MakeRequest({"INFO", "server"});
  Question question(kMaxReply);
  const AskOptions options{.read_only = true, .replies = 2};
  question.Send(connection_, request, options);
  const Answer answer = co_await question.answer();
  if (answer.outcome != Outcome::kReplied) co_return false;
  ReplyReader reader(answer.reply);
  const std::optional<ReplyElement> id = reader.Next();
  const std::optional<ReplyElement> info = reader.Next();
  if (!id || !info || id->is_error() || info->is_error()) co_return false;
  const uint32_t generation = connection_.generation();
  std::string run_id(FieldOfInfo(info->text, "run_id"));
  if (!id_.empty() && run_id == run_id_ && generation != generation_) {
    // 0 killed is as final as 1: the server has closed it, and read what it had sent.
    Question kill(kMaxReply);
    const AskOptions bound{.bound = true};
    const std::string killing = MakeRequest({"CLIENT", "KILL", "ID", id_});
    kill.Send(connection_, killing, bound);
    const Answer killed = co_await kill.answer();
    if (killed.outcome != Outcome::kReplied || killed.is_error()) co_return false;
  }
  if (!connection_.ready() || connection_.generation() != generation) co_return false;
  generation_ = generation;
  id_ = std::to_string(id->count);
  run_id_ = std::move(run_id);
  co_return true;
}

Task<Answer> FencedConnection::Ask(std::string request, uint32_t replies, size_t max_reply) {
  if (!ready()) {
    co_return Answer{Outcome::kNotApplied, errors::NotApplied(shard(), "its connection was lost")};
  }
  Question question(max_reply);
  const AskOptions options{.bound = true, .replies = replies};
  question.Send(connection_, request, options);
  co_return co_await question.answer();
}

void FencedConnection::Send(Asking& asking, Bytes request, uint32_t replies) {
  const AskOptions options{.bound = true, .replies = replies};
  asking.Send(connection_, request, options);
}

}  // namespace ringmaster
