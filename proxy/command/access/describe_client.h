// What operators read of a client: CLIENT LIST, CLIENT INFO and the log of what users were denied.
// On the client's worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/clock.h"

namespace ringmaster {

class ClientView;
struct ClientState;

// Appends one line of CLIENT LIST, with Redis 7.0's fields in its order. `own_request`: bytes of
// the request that asks, which Redis still has in its buffer.
void DescribeClient(ClientView& client, TimePoint now, std::string& out, size_t own_request = 0);

// Which client gets the invalidations of this one; -1: it does not track; 0: itself.
int64_t RedirectionOf(const ClientState& client);

}  // namespace ringmaster
