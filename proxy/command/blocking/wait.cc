// WAIT over all shards.
#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>

#include "command/blocking/handlers.h"
#include "command/serve/recipe.h"
#include "coro/all.h"
#include "resp/errors.h"
#include "resp/reply_reader.h"
#include "resp/reply_writer.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;

// One WAIT of a shard blocks for so long at most; then we look whether the client is still there
// and how the other shards are getting on.
constexpr milliseconds kRound(1000);

struct WaitArguments {
  int64_t replicas = 0;
  std::optional<TimePoint> deadline;
};

// A connection to one shard that the waiting has for itself. The shard counts the replicas that
// have what it had written when this connection's last command ran (Redis keeps that offset for
// each client, and moves it with every command), so a PING behind the client's writes makes it
// cover them, and the shared connections are never blocked.
class LentConnection {
 public:
  LentConnection(Backend& backend, int database, int resp)
      : backend_(backend), connection_(backend.Borrow(database, resp)) {}
  LentConnection(const LentConnection&) = delete;
  LentConnection& operator=(const LentConnection&) = delete;
  ~LentConnection() {
    if (connection_ != nullptr) backend_.Return(connection_);
  }

  Connection* get() { return connection_; }
  // Grows each time it comes up: one that came back knows nothing of our writes.
  uint32_t generation() const { return connection_->generation(); }

 private:
  Backend& backend_;
  Connection* const connection_;
};

// What one shard says: how many replicas, or an error.
struct Acknowledged {
  int64_t replicas = 0;
  std::string error;
};

std::optional<WaitArguments> ParseArguments(RecipeCall& call, std::string& error) {
  const auto replicas = ParseInteger(call.args()[1]);
  const auto timeout = ParseInteger(call.args()[2]);
  if (!replicas) {
    error = errors::NotAnInteger();
  } else if (!timeout) {
    error = "-ERR timeout is not an integer or out of range\r\n";
  } else if (*timeout < 0) {
    error = "-ERR timeout is negative\r\n";
  }
  if (!error.empty()) return std::nullopt;
  WaitArguments arguments{.replicas = *replicas, .deadline = std::nullopt};
  // What is longer than a century is for ever, as 0 is.
  constexpr int64_t kCentury = int64_t{100} * 366 * 24 * 3600 * 1000;
  if (*timeout > 0 && *timeout < kCentury) {
    arguments.deadline = call.context().proxy.Now() + milliseconds(*timeout);
  }
  return arguments;
}

// How long the next round may take: never longer than a shard may be silent.
int64_t RoundMillis(RecipeCall& call, const WaitArguments& wait, Backend& backend) {
  Duration round = kRound;
  const Duration silence = backend.link().limits().command_timeout;
  if (silence > Duration(0)) round = std::min<Duration>(round, silence / 2);
  if (wait.deadline) round = std::min(round, *wait.deadline - call.context().proxy.Now());
  return std::max<int64_t>(Milliseconds(round), 1);
}

// Apart from the coroutine: GCC 12 does not take an initializer list within an awaited expression.
std::string WaitRequest(int64_t replicas, int64_t millis) {
  return MakeRequest({"WAIT", std::to_string(replicas), std::to_string(millis)});
}

Task<Acknowledged> WaitForShard(RecipeCall& call, uint32_t shard, WaitArguments wait) {
  Backend& backend = call.routes().backend(shard);
  const std::string name = call.routes().shard_name(shard);
  LentConnection lent(backend, call.database(), call.resp());
  if (lent.get() == nullptr) {
    co_return Acknowledged{0, errors::NotApplied(name, "all connections to it are lent out")};
  }
  std::optional<uint32_t> covered;  // the generation whose offset covers the client's writes
  const std::string ping_request = MakeRequest({"PING"});
  for (;;) {
    if (covered != lent.generation()) {
      const Answer ping = co_await call.AskOver(*lent.get(), ping_request);
      if (ping.is_error()) co_return Acknowledged{0, ping.reply};
      covered = lent.generation();
    }
    std::string request = WaitRequest(wait.replicas, RoundMillis(call, wait, backend));
    const Answer answer = co_await call.AskOver(*lent.get(), std::move(request));
    if (answer.is_error()) co_return Acknowledged{0, answer.reply};
    // A count of what another stream wrote says nothing.
    const int64_t count = covered == lent.generation() ? ReadReply(answer.reply).count : 0;
    const bool late = wait.deadline && call.context().proxy.Now() >= *wait.deadline;
    if (count >= wait.replicas || late || call.client_gone()) co_return Acknowledged{count, ""};
  }
}

}  // namespace

// The least count of all shards: so many replicas have whatever the client wrote, wherever it
// lives. A shard that cannot be asked makes the answer an error.
Task<std::string> WaitRecipe(RecipeCall& call) {
  std::string error;
  const std::optional<WaitArguments> wait = ParseArguments(call, error);
  if (!wait) co_return error;
  std::vector<Task<Acknowledged>> tasks;
  for (uint32_t shard = 0; shard < call.routes().shard_count(); ++shard) {
    tasks.push_back(WaitForShard(call, shard, *wait));
  }
  const std::vector<Acknowledged> all = co_await All(std::move(tasks));
  int64_t least = std::numeric_limits<int64_t>::max();
  for (const Acknowledged& one : all) {
    if (!one.error.empty()) co_return one.error;
    least = std::min(least, one.replicas);
  }
  std::string reply;
  ReplyWriter(reply, call.resp()).Integer(least);
  co_return reply;
}

}  // namespace ringmaster
