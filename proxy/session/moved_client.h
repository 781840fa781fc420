// A client on its way from one worker to another: nothing is under way for it, and nobody else
// holds any of it.
#pragma once

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "command/call/client_state.h"
#include "net/tls.h"

namespace ringmaster {

struct MovedClient {
  MovedClient(int socket, std::unique_ptr<TlsState> session, ClientState&& client,
              std::string bytes)
      : fd(socket), tls(std::move(session)), state(std::move(client)), input(std::move(bytes)) {}
  // Hangs up when nobody took it: the proxy is stopping.
  ~MovedClient() {
    if (fd >= 0) close(fd);
  }
  MovedClient(const MovedClient&) = delete;
  MovedClient& operator=(const MovedClient&) = delete;

  int fd;
  std::unique_ptr<TlsState> tls;
  ClientState state;
  std::string input;  // read and not yet served
};

}  // namespace ringmaster
