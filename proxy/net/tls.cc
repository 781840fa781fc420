#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace ringmaster {
namespace {

std::string LastTlsError() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown reason";
  char text[256];
  ERR_error_string_n(code, text, sizeof(text));
  return text;
}

}  // namespace

TlsState::~TlsState() { SSL_free(ssl); }

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

Result<std::shared_ptr<TlsContext>> TlsContext::Server(const TlsOptions& options) {
  if (options.certificate.empty() || options.key.empty()) {
    return Error{ErrorCode::kInvalid, "TLS for a listener needs both a certificate and a key"};
  }
  return Make(options, true);
}

Result<std::shared_ptr<TlsContext>> TlsContext::Client(const TlsOptions& options) {
  return Make(options, false);
}

Result<std::shared_ptr<TlsContext>> TlsContext::Make(const TlsOptions& options, bool server) {
  SSL_CTX* raw = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
  if (raw == nullptr) return Error{ErrorCode::kIo, "TLS: " + LastTlsError()};
  std::shared_ptr<TlsContext> context(new TlsContext(raw, server));
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  // Our buffers move between attempts, and a short write is an answer, not a failure.
  SSL_CTX_set_mode(raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
  if (!options.certificate.empty() &&
      SSL_CTX_use_certificate_chain_file(raw, options.certificate.c_str()) != 1) {
    return Error{ErrorCode::kInvalid,
                 "cannot use certificate " + options.certificate + ": " + LastTlsError()};
  }
  if (!options.key.empty() &&
      (SSL_CTX_use_PrivateKey_file(raw, options.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
       SSL_CTX_check_private_key(raw) != 1)) {
    return Error{ErrorCode::kInvalid, "cannot use key " + options.key + ": " + LastTlsError()};
  }
  const int trusted = options.authorities.empty() ? SSL_CTX_set_default_verify_paths(raw)
                                                  : SSL_CTX_load_verify_locations(
                                                        raw, options.authorities.c_str(), nullptr);
  if (trusted != 1) {
    return Error{ErrorCode::kInvalid,
                 "cannot use authorities " + options.authorities + ": " + LastTlsError()};
  }
  int mode = SSL_VERIFY_NONE;
  if (options.verify_peer) {
    mode = server ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_PEER;
  }
  SSL_CTX_set_verify(raw, mode, nullptr);
  return context;
}

}  // namespace ringmaster
