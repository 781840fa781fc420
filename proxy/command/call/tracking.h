// CLIENT TRACKING of one client: connections of its own to every shard, each with tracking switched
// on there, so that the shard itself knows what the client read, wrote and wants, and its messages
// come in order with the client's replies. What it costs: one connection to each shard; a client in
// RESP2, whose messages cannot share a connection with replies, takes two.
//
// Owner: the client's PushClient, on its worker's thread.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/lane.h"
#include "base/clock.h"

namespace ringmaster {

class Router;

struct TrackingOptions {
  bool bcast = false;
  bool optin = false;
  bool optout = false;
  bool noloop = false;
  uint64_t redirect = 0;  // a client's id; 0: none
  std::set<std::string> prefixes;

  bool operator==(const TrackingOptions&) const = default;
};

class Tracking final : public ConnectionLane {
 public:
  // Gets what is no longer valid, as RESP sends it behind "invalidate": an array of keys or a null
  // for all of them.
  using OnInvalid = std::function<void(Bytes keys)>;
  // Calls back when all shards have answered; the first error reply, or empty. An error may come
  // from within TopologyChanged or the destructor: whoever is told so must not end it at once.
  using Done = std::function<void(std::string error)>;

  Tracking(Router& router, OnInvalid on_invalid, std::function<void()> on_refused);
  ~Tracking();
  Tracking(const Tracking&) = delete;
  Tracking& operator=(const Tracking&) = delete;

  // Switches it on at every shard for a client in `database` speaking `resp`, or changes the
  // options. One at a time.
  void Start(const TrackingOptions& options, int database, int resp, Done done);
  const TrackingOptions& options() const { return options_; }
  bool on() const { return on_; }

  // CLIENT CACHING: for the next command, or all of the next transaction.
  bool caching = false;
  bool broken_redirect = false;
  // Before each command of the client but CLIENT itself.
  void BeginCommand() { with_caching_ = caching; }

  Connection& For(Backend& backend, int database, int resp) override;
  // Several times a second: brings back what was lost.
  void Tick(TimePoint now);
  // After Router::Use: connections to shards that left are closed.
  void TopologyChanged();

 private:
  // A connection of ours; a RESP2 one has a listener, to whom its shard sends the messages.
  struct Lane {
    Tracking* tracking = nullptr;
    Backend* backend = nullptr;
    int database = 0;
    int resp = 3;
    Connection* connection = nullptr;
    Connection* listener = nullptr;
    std::string listener_id;  // empty: not known
    bool asking = false;      // for listener_id, or whether it is up
    bool clean = false;       // the client has nothing of it since it was told to drop all
    bool emptied = false;     // BCAST: it is among those that said so since emptied_at_
    std::string collected;    // of a message that comes in parts
  };

  Lane* Find(Backend& backend, int database, int resp);
  Lane* Make(Backend& backend, int database, int resp);
  Connection* Borrow(Lane& lane, int resp, bool messages);
  void BringUp(Lane& lane, const Done& done);
  void SwitchOn(Lane& lane, const Done& done);
  void Ask(Lane& lane, Connection& connection, const std::string& request,
           std::function<void(Lane&, std::string)> then);
  std::string Prologue(const Lane& lane) const;
  void OnPush(Lane& lane, const Slice& part, bool complete);
  void OnLost(Lane& lane);
  bool HasHeardOf(Lane& emptied);
  void AskWhetherThere();
  void Close(Lane& lane);
  // None of them is in lanes_ any more.
  void CloseAll(const std::vector<std::unique_ptr<Lane>>& lanes);

  Router& router_;
  const OnInvalid on_invalid_;
  const std::function<void()> on_refused_;
  TrackingOptions options_;
  bool on_ = false;
  bool with_caching_ = false;
  TimePoint last_asked_{};
  TimePoint emptied_at_{};  // BCAST: when the client was told last that all is gone
  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace ringmaster
