// A named connection to one shard for the steps of sagas (docs/sagas.md). Each time it
// comes up it learns its id and which server answers, and kills what its predecessor had left: what
// was sent there and not answered is then done, or never will be.
//
// Owner: a SagaSet, on its worker's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "backend/ask.h"
#include "backend/connection.h"
#include "coro/event.h"
#include "coro/task.h"

namespace ringmaster {

class FencedConnection {
 public:
  // `lost` is told when it was up and is gone, after everything asked was answered.
  FencedConnection(BackendContext& context, std::shared_ptr<ShardLink> link, ShardMetrics& metrics,
                   int database, int resp, const std::string& name, std::function<void()> lost);
  FencedConnection(const FencedConnection&) = delete;
  FencedConnection& operator=(const FencedConnection&) = delete;

  const std::string& shard() const { return link_->name(); }
  const std::shared_ptr<ShardLink>& link() const { return link_; }
  int database() const { return database_; }
  int resp() const { return resp_; }
  // Of the server that answered last; empty before that.
  const std::string& run_id() const { return run_id_; }
  // It is up, and its predecessor is fenced.
  bool ready() const { return connection_.ready() && connection_.generation() == generation_; }
  uint32_t generation() const { return generation_; }
  bool idle() const { return connection_.idle() && preparing_ == nullptr; }
  // A mark of its user's on the stream that is up: what he told the shard, it knows.
  bool marked() const { return marked_ == generation_; }
  void set_marked(bool marked) { marked_ = marked ? std::optional(generation_) : std::nullopt; }
  // Somebody is bringing it up.
  bool preparing() const { return preparing_ != nullptr; }
  TimePoint last_used() const { return connection_.last_used(); }

  // Brings it up if need be. False: the shard cannot be reached, or refuses what a fence takes.
  Task<bool> Ready();
  // Over the stream that Ready left; never sent over another. So many replies; if they are larger
  // than `max_reply` together, ReplyTooLarge in their place.
  Task<Answer> Ask(std::string request, uint32_t replies, size_t max_reply = kMaxReply);
  // The same without a coroutine. REQUIRES: ready().
  void Send(Asking& asking, Bytes request, uint32_t replies);
  // Bytes of a reply beyond which it is none.
  static constexpr size_t kMaxReply = 64U << 20;

  void Tick(TimePoint now) { connection_.Tick(now); }
  void Close(const std::string& why) { connection_.Close(why); }

 private:
  Task<bool> Prepare();

  const std::shared_ptr<ShardLink> link_;
  const int database_;
  const int resp_;
  std::function<void()> on_lost_;
  Connection connection_;
  uint32_t generation_ = 0;  // of the stream that is fenced
  std::optional<uint32_t> marked_;
  std::string id_;  // the shard's for that stream; empty: there was none
  std::string run_id_;
  std::shared_ptr<Event> preparing_;
};

}  // namespace ringmaster
