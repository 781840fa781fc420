// A real redis-server in a temporary folder, on a free loopback port or a Unix socket, with nothing
// kept on disk unless asked for. It ends with the object, and with the test program.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "support/child_process.h"
#include "support/client.h"
#include "support/port.h"
#include "support/temp_folder.h"

namespace ringmaster::integration {

class RedisServer {
 public:
  struct Options {
    std::vector<std::string> config = {};  // more lines of redis.conf
    bool unix_socket = false;              // listens there, and on no port
    bool ipv6 = false;                     // on ::1
    std::string username = {};             // with the password: who Command() logs in as
    std::string password = {};
    std::string program = {};  // none: Program()
  };
  // What is started: "redis-server", or what RINGMASTER_REDIS_SERVER names (scripts/servers fetches
  // newer ones).
  static std::string Program();
  // One of those that scripts/servers fetches ("redis-server-8.0"); empty: it is not there, and a
  // test that needs it skips.
  static std::string Fetched(const std::string& name);
  // Serving when the constructor returns; otherwise the test has failed and serving() is false.
  RedisServer() : RedisServer(Options()) {}
  explicit RedisServer(Options options);
  ~RedisServer();

  bool serving() const { return serving_; }
  const Address& address() const { return address_; }
  uint16_t port() const { return address_.port; }
  std::string folder() const { return folder_.path().string(); }
  pid_t pid() const { return process_.pid(); }
  std::string Log() const;

  Client Connect() const { return Client(address_); }
  // One command over a new connection, after AUTH when there is a password.
  std::string Command(const std::vector<std::string>& words) const;

  void Stop();  // SIGTERM, and wait
  void Kill();  // SIGKILL
  void Pause();
  void Resume();
  // At the same address: with the data it had, or empty.
  enum class Data { kKept, kLost };
  bool Restart(Data data = Data::kLost);

 private:
  bool Start();

  const Options options_;
  TempFolder folder_;
  std::unique_ptr<Port> reserved_;
  Address address_;
  ChildProcess process_;
  bool serving_ = false;
};

}  // namespace ringmaster::integration

// First in a test, or in its SetUp, that needs a server of scripts/servers.
#define RM_SKIP_WITHOUT_SERVER(name)                                 \
  if (::ringmaster::integration::RedisServer::Fetched(name).empty()) \
  GTEST_SKIP() << "needs " << (name) << ": scripts/servers fetches it"
