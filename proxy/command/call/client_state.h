// What commands see and change of a client's connection. Owned by its session; travels with it when
// the session moves to another worker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/block.h"
#include "base/clock.h"
#include "command/call/client_ref.h"

namespace ringmaster {

struct AclUser;
class BlockedClient;
struct Command;
struct PushClient;
struct Transaction;

struct ClientState {
  enum class ReplyMode : uint8_t { kOn, kOff, kSkipNext };

  // What most clients never set, kept apart so that an idle connection stays small.
  struct Details {
    std::string name;
    std::string lib_name;
    std::string lib_version;
    MemoryCharge charge;

    // Again after each change, and on each worker.
    void Charge(BlockPool& blocks) {
      charge.Set(blocks, name.size() + lib_name.size() + lib_version.size());
    }
  };

  // In a mode that ties it to its worker (a transaction, a subscription, a wait): it is not moved
  // to another. Whatever brings such a mode adds itself here.
  bool tied() const { return transaction != nullptr || blocked != nullptr || push != nullptr; }

  uint64_t id = 0;  // unique in the process, growing
  int database = 0;
  int resp = 2;
  ReplyMode reply_mode = ReplyMode::kOn;
  bool authenticated = true;
  bool no_evict = false;
  bool no_touch = false;
  bool takes_redirects = false;  // CLIENT CAPA redirect
  // The command at hand turned out to take several steps: later ones wait for its reply.
  bool goes_alone = false;
  bool close_after_reply = false;  // QUIT, or a CLIENT KILL of itself
  bool in_exec = false;            // its commands come from an EXEC of its own: none of them waits
  // Who is logged in, as the user was when last looked up; empty: the default user, who may do
  // everything.
  std::shared_ptr<const AclUser> user;
  // The user, when there is anything that it may not do.
  const AclUser* limits = nullptr;
  const Command* last_command = nullptr;
  TimePoint connected_at{};
  TimePoint last_active_at{};
  uint64_t requests = 0;
  uint64_t bytes_in = 0;  // read of it
  uint64_t bytes_out = 0;
  // Between MULTI and EXEC, or watching keys; shared with the recipe that ends it.
  std::shared_ptr<Transaction> transaction;
  // While a blocking command of it waits.
  BlockedClient* blocked = nullptr;
  // The slow log's next entry when its EXEC began: what ended since then ended behind it.
  uint64_t exec_log_id = 0;
  // Of a client that gets messages out of turn: it subscribes, monitors, tracks keys or is told of
  // another's. Made and dropped by the PushHub.
  std::shared_ptr<PushClient> push;
  std::unique_ptr<Details> details;
  // Of those who wait for it; told when it leaves.
  ClientRefs refs;

  const std::string& name() const {
    static const std::string kNone;
    return details == nullptr ? kNone : details->name;
  }
  Details& MutableDetails() {
    if (details == nullptr) details = std::make_unique<Details>();
    return *details;
  }
};

}  // namespace ringmaster
