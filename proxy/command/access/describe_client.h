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

// Fields that came after Redis 7.0, whose fields are always there.
struct ClientFields {
  bool library = false;  // lib-name, lib-ver: Redis 7.2
  bool watch = false;    // Redis 7.4
  bool thread = false;   // io-thread: Redis 8.0
  bool valkey = false;   // capa, tot-net-in, tot-net-out, tot-cmds: Valkey 8.1
  int worker = 0;        // that is asked, for io-thread
};

// Appends one line of CLIENT LIST, its fields in the servers' order. `own_request`: bytes of the
// request that asks, which Redis still has in its buffer.
void DescribeClient(ClientView& client, TimePoint now, const ClientFields& fields,
                    size_t own_request, std::string& out);

// Letters for what a client is doing, as in flags=, and for what it can (CLIENT CAPA), as in capa=.
std::string FlagsOf(const ClientState& client);
std::string CapabilitiesOf(const ClientState& client);

// Which client gets the invalidations of this one; -1: it does not track; 0: itself.
int64_t RedirectionOf(const ClientState& client);

}  // namespace ringmaster
