// A Redis client that is nothing but a socket: what it sends and reads are the very bytes. Every
// wait has a deadline, and what went wrong on the way is a text among the replies: "<closed>",
// "<reset>", "<timeout>", "<refused>", so that it shows up in the comparison.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "support/wait.h"

namespace ringmaster::integration {

class Client {
 public:
  explicit Client(const Address& address, Duration patience = kPatience);
  explicit Client(uint16_t port) : Client(Address{Address::kTcp, "127.0.0.1", port, ""}) {}
  ~Client() { Close(); }
  Client(Client&& other) noexcept { *this = std::move(other); }
  Client& operator=(Client&& other) noexcept;

  bool connected() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  void set_patience(Duration patience) { patience_ = patience; }

  // Sends all of it; what arrives meanwhile is kept, so that a pipeline of any size gets through.
  // False when the peer is gone or takes nothing any more.
  bool Send(Bytes bytes);
  // Sends each piece as a segment of its own.
  bool SendInPieces(Bytes bytes, size_t piece);
  // Sends without ever reading, until the peer takes no more for `patience`. Bytes taken.
  size_t SendUnread(Bytes bytes, Duration patience);

  // The bytes of the next reply; empty when it failed, and then failure() says how.
  std::string ReadRaw();
  const std::string& failure() const { return failure_; }
  // The next reply, rendered, or the failure.
  std::string Read();
  std::vector<std::string> Read(size_t count);
  // The raw bytes of `count` replies, and the failure, if any, behind them.
  std::string ReadRaw(size_t count);
  // Everything until the peer closes, and how it did: "...<closed>".
  std::string ReadToEnd();
  // True when the peer closes (or resets) within the patience; what it sends before is dropped.
  bool PeerCloses();
  // True when no byte arrives for that long.
  bool Silent(Duration duration);

  // Sends one command and reads its reply.
  std::string Command(const std::vector<std::string>& words);
  // The same, as bytes.
  std::string CommandRaw(const std::vector<std::string>& words);
  // Sends all, then reads all.
  std::vector<std::string> Pipeline(const std::vector<std::vector<std::string>>& commands);

  void HalfClose();
  void Reset();  // the peer sees RST
  void Close();

 private:
  // One read; false at the end, with failure_ set.
  bool Fill(TimePoint deadline);
  bool WaitFor(short events, TimePoint deadline, short* ready);
  bool Fail(const std::string& how);

  int fd_ = -1;
  Duration patience_ = kPatience;
  std::string buffer_;  // read and not yet handed out, from start_ on
  size_t start_ = 0;
  std::string failure_;
};

}  // namespace ringmaster::integration
