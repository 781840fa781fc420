// A client that waits for data in a blocking command (BLPOP and its kin, XREAD with BLOCK), for
// whoever ends its wait. Owner: the command's recipe; on its worker's thread.
//
// How they wait: first the command is tried inside a MULTI and EXEC of Redis's own, where nothing
// blocks, over the shared connection. When there is nothing yet and all keys live on one shard, it
// is sent over a borrowed connection, and the shard serves those who wait in their order: one
// connection for each waiting client. With keys on several shards these are asked in turn, up to
// thirty times a second, so that nothing is ever popped that is not delivered.
#pragma once

namespace ringmaster {

class BlockedClient {
 public:
  // CLIENT UNBLOCK: the reply is what it would be after the timeout, or an error.
  virtual void Unblock(bool with_error) = 0;
  // A freeze begins (command/gate/move_gate.h), or another ring came: it ends its wait and enters
  // again, with what time is left.
  virtual void GiveWay() = 0;
  // The client is gone: nobody wants the reply.
  virtual void Leave() = 0;

 protected:
  ~BlockedClient() = default;
};

}  // namespace ringmaster
