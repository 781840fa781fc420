#include "net/blocking_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace ringmaster {
namespace {

constexpr size_t kMost = 1U << 30;  // OpenSSL counts in int

// Of this call alone: OpenSSL keeps errors for whoever asks next on the thread.
void Forget() {
  ERR_clear_error();
  errno = 0;
}

}  // namespace

Result<std::unique_ptr<BlockingTls>> BlockingTls::Connect(std::shared_ptr<TlsContext> context,
                                                          int socket,
                                                          const std::string& server_name) {
  Result<std::unique_ptr<TlsState>> tls = StartTls(*context, socket, server_name);
  if (!tls) return tls.error();
  Forget();
  const int done = SSL_do_handshake((*tls)->ssl);
  if (done != 1) return Error{ErrorCode::kUnavailable, "TLS: " + TlsErrorOf(**tls, done)};
  return std::unique_ptr<BlockingTls>(new BlockingTls(std::move(context), std::move(*tls)));
}

Status BlockingTls::Write(Bytes bytes) {
  while (!bytes.empty()) {
    Forget();
    const int wrote =
        SSL_write(tls_->ssl, bytes.data(), static_cast<int>(std::min(bytes.size(), kMost)));
    if (wrote <= 0) return Error{ErrorCode::kIo, TlsErrorOf(*tls_, wrote)};
    bytes.remove_prefix(static_cast<size_t>(wrote));
  }
  return Done();
}

Result<size_t> BlockingTls::Read(char* to, size_t most) {
  Forget();
  const int got = SSL_read(tls_->ssl, to, static_cast<int>(std::min(most, kMost)));
  if (got <= 0) return Error{ErrorCode::kIo, TlsErrorOf(*tls_, got)};
  return static_cast<size_t>(got);
}

}  // namespace ringmaster
