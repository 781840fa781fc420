#include "saga/recovering_sagas.h"

#include <utility>

#include "base/log.h"
#include "resp/reply_reader.h"
#include "resp/request_writer.h"
#include "saga/running_saga.h"

namespace ringmaster {

Task<bool> EndEarlierLives(FencedConnection& connection, std::string family, std::string own) {
  std::string request = MakeRequest({"CLIENT", "LIST"});
  const Answer list = co_await connection.Ask(std::move(request), 1);
  if (list.outcome != Outcome::kReplied || list.is_error()) co_return false;
  Bytes rest = ReadReply(list.reply).text;
  std::vector<std::string> ids;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const Bytes line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.find(" name=" + family) == Bytes::npos) continue;
    if (line.find(" name=" + own) != Bytes::npos) continue;
    ids.emplace_back(line.substr(3, line.find(' ') - 3));  // "id=7 ..."
  }
  for (const std::string& id : ids) {
    std::string kill = MakeRequest({"CLIENT", "KILL", "ID", id});
    const Answer killed = co_await connection.Ask(std::move(kill), 1);
    if (killed.outcome != Outcome::kReplied || killed.is_error()) co_return false;
  }
  co_return true;
}

RecoveringSagas::RecoveringSagas(SagaSet& set, std::vector<OpenSaga> open,
                                 const std::vector<Recovery::Shard>& shards,
                                 std::function<void()> opened)
    : set_(set), recovery_(std::move(open), shards, set.pool().limits), opened_(std::move(opened)) {
  for (size_t i = 0; i < recovery_.size(); ++i) {
    set_.Adopt(recovery_.saga(i), i, *this, recovery_.notes(i));
  }
}

void RecoveringSagas::Start() {
  RecoveryActions out;
  recovery_.Start(out);
  Carry(std::move(out));
}

void RecoveringSagas::Take(size_t index, SagaActions actions) {
  RecoveryActions out;
  recovery_.Take(index, std::move(actions), out);
  Carry(std::move(out));
}

// What an action brings at once is carried out behind what was there.
void RecoveringSagas::Carry(RecoveryActions actions) {
  for (RecoveryAction& action : actions) actions_.push_back(std::move(action));
  if (carrying_) return;
  carrying_ = true;
  while (!actions_.empty()) {
    RecoveryAction action = std::move(actions_.front());
    actions_.pop_front();
    switch (action.kind) {
      case RecoveryAction::Kind::kFence:
        set_.After(action.delay, [this, shard = action.shard, address = action.address] {
          set_.Spawn(Fence(shard, address));
        });
        break;
      case RecoveryAction::Kind::kSaga:
        set_.CarryOut(recovery_.saga(action.saga).plan().id, std::move(action.action));
        break;
      case RecoveryAction::Kind::kOpen:
        if (const auto opened = std::exchange(opened_, nullptr)) opened();
        break;
    }
  }
  carrying_ = false;
}

Task<void> RecoveringSagas::Fence(std::string shard, std::string address) {
  FencedConnection* connection = set_.Reach(shard, address);
  bool reached = connection != nullptr && co_await connection->Ready();
  if (reached) {
    const SagaPool& pool = set_.pool();
    reached = co_await EndEarlierLives(*connection, pool.family_name, pool.own_name);
    if (!reached) {
      LogWarning(
          "shard {}: what an earlier life of this proxy left there cannot be ended: it "
          "refuses CLIENT LIST or CLIENT KILL, or does not answer",
          shard);
    }
  }
  RecoveryActions out;
  recovery_.OnFenced(shard, reached, out);
  Carry(std::move(out));
}

}  // namespace ringmaster
