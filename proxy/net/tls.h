// Certificates and policy for TLS 1.2 and later, shared by all streams of a listener or a shard.
// Immutable after making; any thread may start streams with it.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace ringmaster {

struct TlsOptions {
  std::string certificate;  // PEM files; empty: none
  std::string key;
  std::string authorities;  // who may sign the peer's certificate; empty: the system's
  bool verify_peer =
      true;  // client side: the shard's certificate; server side: ask clients for one
};

class TlsContext {
 public:
  static Result<std::shared_ptr<TlsContext>> Server(const TlsOptions& options);
  static Result<std::shared_ptr<TlsContext>> Client(const TlsOptions& options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  bool server() const { return server_; }
  ssl_ctx_st* raw() const { return context_; }

 private:
  TlsContext(ssl_ctx_st* context, bool server) : context_(context), server_(server) {}
  static Result<std::shared_ptr<TlsContext>> Make(const TlsOptions& options, bool server);

  ssl_ctx_st* context_;
  bool server_;
};

// One stream's TLS session.
struct TlsState {
  explicit TlsState(ssl_st* session) : ssl(session) {}
  ~TlsState();
  TlsState(const TlsState&) = delete;
  TlsState& operator=(const TlsState&) = delete;
  ssl_st* ssl;
};

// A session over a connected socket, which stays the caller's; nothing is sent yet. Clients expect
// `server_name` in the certificate, if it is not empty.
Result<std::unique_ptr<TlsState>> StartTls(const TlsContext& context, int fd,
                                           const std::string& server_name);
// Why the call that returned `result` failed, for a user; never empty.
std::string TlsErrorOf(const TlsState& tls, int result);

}  // namespace ringmaster
