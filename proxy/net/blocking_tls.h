// A client's TLS session over a connected blocking socket, for a thread that may wait. The socket's
// own timeouts (SO_RCVTIMEO, SO_SNDTIMEO) bound each wait; another thread ends one with shutdown().
//
// Owner: one thread. The socket stays the caller's and must outlive it.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "net/tls.h"

namespace ringmaster {

class BlockingTls {
 public:
  // Shakes hands. `server_name`: expected in the certificate; empty: nobody looks.
  static Result<std::unique_ptr<BlockingTls>> Connect(std::shared_ptr<TlsContext> context,
                                                      int socket, const std::string& server_name);
  BlockingTls(const BlockingTls&) = delete;
  BlockingTls& operator=(const BlockingTls&) = delete;

  // All of it, or the session is of no more use.
  Status Write(Bytes bytes);
  // What is there, at least one byte. At the end of the stream: an error.
  Result<size_t> Read(char* to, size_t most);

 private:
  BlockingTls(std::shared_ptr<TlsContext> context, std::unique_ptr<TlsState> tls)
      : context_(std::move(context)), tls_(std::move(tls)) {}

  std::shared_ptr<TlsContext> context_;
  std::unique_ptr<TlsState> tls_;
};

}  // namespace ringmaster
