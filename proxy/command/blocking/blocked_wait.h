// The two ways in which a recipe waits for its blocked client (command/call/blocked_client.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "command/call/blocked_client.h"
#include "command/call/client_state.h"
#include "coro/task.h"

namespace ringmaster {

class Backend;
class Connection;
class RecipeCall;

// Makes its client known as blocked for as long as it lives; neither locks nor freezes wait for it.
// REQUIRES: RecipeCall::LeaveMoves said yes.
class BlockedMark : public BlockedClient {
 public:
  explicit BlockedMark(RecipeCall& call);
  BlockedMark(const BlockedMark&) = delete;
  BlockedMark& operator=(const BlockedMark&) = delete;

 protected:
  ~BlockedMark();
  RecipeCall& call_;
};

// Asks again and again; learns here that it need not go on.
class PollingWait final : public BlockedMark {
 public:
  explicit PollingWait(RecipeCall& call) : BlockedMark(call) {}
  bool unblocked() const { return unblocked_; }
  bool gave_way() const { return gave_way_; }
  bool unblocked_with_error() const { return with_error_; }

 private:
  void Unblock(bool with_error) override {
    unblocked_ = true;
    with_error_ = with_error;
  }
  void GiveWay() override { gave_way_ = true; }
  void Leave() override { unblocked_ = true; }

  bool unblocked_ = false;
  bool with_error_ = false;
  bool gave_way_ = false;
};

// Lets the shard wait, over a borrowed connection.
class ShardWait final : public BlockedMark {
 public:
  // `connection` was borrowed from the shard's backend; nullptr: none is to be had.
  ShardWait(RecipeCall& call, uint32_t shard, Connection* connection);
  ~ShardWait();
  // The reply to `wire`, or nullopt: it gave way before there was one. Once.
  Task<std::optional<std::string>> Run(std::string wire);

 private:
  void Unblock(bool with_error) override;
  void GiveWay() override;
  void Leave() override;
  void EndWait(bool with_error);
  Task<void> LearnId();

  Backend& backend_;
  const uint32_t shard_;
  Connection* connection_;  // nullptr: none was to be had, or it was given up
  int64_t id_ = 0;          // the shard's for it; 0: not known yet
  bool gave_way_ = false;
  std::optional<bool> unblock_;  // asked for before it was known, with an error or without
};

}  // namespace ringmaster
