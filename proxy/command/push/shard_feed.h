// One worker's subscriptions at one shard, over one connection for all its clients. What is added
// stays subscribed until it is removed: after a loss it is subscribed again, with a line in the
// log.
//
// Owner: the worker's PushHub, on its thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "backend/backend.h"
#include "command/call/push_client.h"
#include "coro/event.h"

namespace ringmaster {

// One answer from each shard asked, that a subscription is there, or gone; and who waits for all.
struct Confirmation {
  size_t left = 0;
  std::string error;  // the first error reply; empty: all went well
  Event done;

  void Arrive(Bytes problem) {
    if (error.empty()) error = std::string(problem);
    if (--left == 0) done.Set();
  }
};

struct NameHash : std::hash<std::string_view> {
  using is_transparent = void;
};
template <typename Value>
using NameMap = std::unordered_map<std::string, Value, NameHash, std::equal_to<>>;

class ShardFeed {
 public:
  // Gets every message of the shard, complete, as RESP3 sends it.
  using OnMessage = std::function<void(const Slice& message)>;
  using Wait = std::shared_ptr<Confirmation>;

  ShardFeed(Backend& backend, BlockPool& blocks, size_t max_message, OnMessage on_message);
  ~ShardFeed();
  ShardFeed(const ShardFeed&) = delete;
  ShardFeed& operator=(const ShardFeed&) = delete;

  // Subscribes, or waits for the subscription under way. The wait, if there is one, arrives when
  // the shard has confirmed, or with an error reply. Nothing is sent before Send().
  void Add(PushKind kind, Bytes name, const Wait& wait);
  // Unsubscribes; a lost connection counts as done.
  void Remove(PushKind kind, Bytes name, const Wait& wait);
  void Send();

  // Several times a second: subscribes again what a loss took, looks whether the shard is there.
  void Tick(TimePoint now);
  Backend& backend() { return backend_; }
  uint64_t losses() const { return losses_; }

 private:
  struct Entry {
    bool active = false;
    uint64_t request = 0;  // that subscribes it, under way; 0: none
    std::vector<Wait> waiting;
  };
  struct Request;  // one to the shard: (un)subscribes some names

  void Submit(PushKind kind, bool subscribe, std::vector<std::string> names,
              std::vector<Wait> waiting);
  void Answered(Request& request, bool succeeded, Bytes error);
  Connection* Open();
  void Drop();
  void OnPush(const Slice& part, bool complete);
  void OnLost();
  void SubscribeAgain();
  bool empty() const;

  Backend& backend_;
  BlockPool& blocks_;
  const size_t max_message_;
  const OnMessage on_message_;
  Connection* connection_ = nullptr;
  NameMap<Entry> entries_[kPushKinds];
  std::vector<std::string> adding_[kPushKinds];
  std::vector<std::string> removing_[kPushKinds];
  std::vector<Wait> removal_waits_[kPushKinds];
  std::vector<std::unique_ptr<Request>> requests_;
  std::string collected_;  // of a message that comes in parts
  bool too_large_ = false;
  bool again_ = false;  // something is to be subscribed again
  uint64_t next_request_ = 1;
  uint64_t losses_ = 0;
  TimePoint last_asked_{};
};

}  // namespace ringmaster
