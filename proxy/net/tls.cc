#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cerrno>
#include <cstring>

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

Result<std::unique_ptr<TlsState>> StartTls(const TlsContext& context, int fd,
                                           const std::string& server_name) {
  SSL* ssl = SSL_new(context.raw());
  if (ssl == nullptr || SSL_set_fd(ssl, fd) != 1) {
    SSL_free(ssl);
    return Error{ErrorCode::kIo, "cannot start TLS"};
  }
  auto tls = std::make_unique<TlsState>(ssl);
  if (context.server()) {
    SSL_set_accept_state(ssl);
    return tls;
  }
  SSL_set_connect_state(ssl);
  if (!server_name.empty()) {
    SSL_set_tlsext_host_name(ssl, server_name.c_str());
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(ssl, server_name.c_str()) != 1) {
      return Error{ErrorCode::kInvalid, "TLS server_name is not a host name: " + server_name};
    }
  }
  return tls;
}

std::string TlsErrorOf(const TlsState& tls, int result) {
  switch (SSL_get_error(tls.ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return "no answer in time";
    case SSL_ERROR_ZERO_RETURN:
      return "TLS session was closed";
    case SSL_ERROR_SYSCALL:
      return errno == 0 ? "connection closed during TLS" : std::strerror(errno);
    default: {
      const long verify = SSL_get_verify_result(tls.ssl);
      if (verify != X509_V_OK) return X509_verify_cert_error_string(verify);
      const char* reason = ERR_reason_error_string(ERR_peek_last_error());
      return reason != nullptr ? reason : "TLS failed";
    }
  }
}

}  // namespace ringmaster
