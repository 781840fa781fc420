// Between MULTI and EXEC.
#pragma once

namespace ringmaster {

struct Call;

// For a client with a transaction: queues the call and answers it. False when it is to run now.
bool QueueInTransaction(Call& call);

}  // namespace ringmaster
