// A connected non-blocking socket on a loop: TCP, Unix, or either with TLS on top. It only says
// when there may be something to do; whoever owns it reads and writes, so that one read and one
// write each turn is the owner's choice.
//
// Owner: a session or a connection to a shard. Destruction closes the socket at once.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"

namespace ringmaster {

class Loop;
class TlsContext;
struct TlsState;

enum class IoStatus : uint8_t {
  kOk,     // some bytes went through
  kAgain,  // none now; the next callback says when
  kEnd,    // the peer closed its side (reads only)
  kError,  // the connection is gone; errno-style text in Stream::error()
};

class Stream {
 public:
  using Callback = void (*)(void* owner);

  // Takes over `fd`, which must be a socket; makes it non-blocking, without Nagle's delay.
  Stream(Loop& loop, int fd);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // The callbacks may destroy the stream. Reading is watched from now on.
  void Attach(void* owner, Callback readable, Callback writable);
  void WatchReads(bool on);
  // Calls `writable` when the socket takes bytes again. Also signals the end of connecting.
  void WatchWrites(bool on);
  // Calls `readable` when the peer closes its side, also while reads are not watched.
  void WatchHangup(bool on);
  // What has become of the peer. One that closed its sending side may still read, and over TCP one
  // that left altogether looks the same until we send or it had left bytes of ours unread.
  enum class Peer : uint8_t { kThere, kHalfClosed, kGone };
  Peer LookAtPeer() const;

  IoStatus Read(char* to, size_t capacity, size_t* read);
  // Writes as much as the socket takes; *written may be less than the sum, with kOk.
  IoStatus Write(const iovec* parts, int count, size_t* written);
  // TLS holds decrypted bytes that no socket event will announce: read again.
  bool HasBuffered() const;
  // Closes our sending side after what was written; the peer sees the end.
  void ShutdownWrites();

  // Speaks TLS from here on; the handshake happens inside Read and Write. `server_name` (client
  // side) is checked against the certificate and sent as SNI when not empty.
  Status StartTls(TlsContext& context, const std::string& server_name);
  bool tls() const { return tls_ != nullptr; }

  // TLS is not in the middle of a handshake or a write. Always so without TLS.
  bool AtRest() const;
  // Gives the socket away (to another worker's loop); the stream is then only good for destruction.
  // REQUIRES: AtRest(), and ReleaseTls() came before.
  int Release();
  // A TLS session travels whole: what Release() would lose is in here.
  std::unique_ptr<TlsState> ReleaseTls();
  void AdoptTls(std::unique_ptr<TlsState> tls);

  int fd() const { return fd_; }
  std::string error() const { return error_ == nullptr ? std::string() : *error_; }

 private:
  struct Watcher;
  void Update();
  void Arm(int events);
  void Disarm();
  bool WantsReads() const;
  IoStatus Fail(const char* what);
  IoStatus TlsResult(int result, bool reading);

  Loop& loop_;
  Watcher* watcher_;  // freed by the loop after closing
  int fd_;
  int wanted_ = 0;
  int armed_ = 0;
  bool hangup_ = false;
  bool tls_wants_write_ = false;
  bool tls_wants_read_ = false;  // a write waits for bytes of the peer: being writable is no news
  std::unique_ptr<TlsState> tls_;
  std::unique_ptr<std::string> error_;  // few ever have one
};

}  // namespace ringmaster
