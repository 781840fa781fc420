#include "server/demo.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/log.h"

namespace ringmaster {
namespace {

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return name;
}

// A port that was free a moment ago.
Result<uint16_t> FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name = Loopback(0);
  socklen_t length = sizeof(name);
  const bool ok = fd >= 0 && bind(fd, reinterpret_cast<sockaddr*>(&name), length) == 0 &&
                  getsockname(fd, reinterpret_cast<sockaddr*>(&name), &length) == 0;
  if (fd >= 0) close(fd);
  if (!ok) return Error{ErrorCode::kIo, std::string("no free port: ") + std::strerror(errno)};
  return ntohs(name.sin_port);
}

bool IsFree(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  const sockaddr_in name = Loopback(port);
  const bool free = bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0;
  close(fd);
  return free;
}

bool Answers(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in name = Loopback(port);
  char reply[8] = {};
  const bool ok = connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0 &&
                  send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6 && recv(fd, reply, 7, 0) > 0 &&
                  reply[0] == '+';
  close(fd);
  return ok;
}

}  // namespace

Result<std::unique_ptr<DemoServers>> DemoServers::Start(int count) {
  std::unique_ptr<DemoServers> servers(new DemoServers);
  char folder[] = "/tmp/ringmaster-demo-XXXXXX";
  if (mkdtemp(folder) == nullptr) {
    return Error{ErrorCode::kIo, std::string("no temporary folder: ") + std::strerror(errno)};
  }
  servers->folder_ = folder;
  for (int i = 0; i < count; ++i) {
    const Status started = servers->StartOne(i);
    if (!started) return started.error();
  }
  for (const uint16_t port : servers->ports_) {
    const Status ready = servers->WaitUntilReady(port);
    if (!ready) return ready.error();
  }
  return servers;
}

Status DemoServers::StartOne(int index) {
  const Result<uint16_t> port = FreePort();
  if (!port) return port.error();
  const std::string port_text = std::to_string(*port);
  const std::string log = folder_ + "/redis-" + std::to_string(index) + ".log";
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return Error{ErrorCode::kIo, std::string("fork: ") + std::strerror(errno)};
  if (child == 0) {
    // Ends with us, however we end.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    setpgid(0, 0);  // a Ctrl-C at the terminal is for the proxy, which then ends us in order
    execlp("redis-server", "redis-server", "--port", port_text.c_str(), "--bind", "127.0.0.1",
           "--dir", folder_.c_str(), "--save", "", "--appendonly", "no", "--logfile", log.c_str(),
           "--daemonize", "no", nullptr);
    _exit(127);
  }
  processes_.push_back(child);
  ports_.push_back(*port);
  return Done();
}

Status DemoServers::WaitUntilReady(uint16_t port) const {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < deadline) {
    if (Answers(port)) return Done();
    for (const pid_t process : processes_) {
      int status = 0;
      if (waitpid(process, &status, WNOHANG) == process) {
        return Error{ErrorCode::kUnavailable,
                     WEXITSTATUS(status) == 127
                         ? "redis-server is not installed; on Debian: apt-get install redis-server"
                         : "a redis-server ended at once; its log is in " + folder_};
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return Error{ErrorCode::kTimeout, "a redis-server does not answer"};
}

DemoServers::~DemoServers() {
  for (const pid_t process : processes_) kill(process, SIGTERM);
  for (const pid_t process : processes_) {
    int status = 0;
    waitpid(process, &status, 0);
  }
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

Config DemoServers::MakeConfig(uint16_t port) const {
  Config config;
  PoolConfig pool;
  pool.name = "demo";
  pool.listen = {{Address{Address::kTcp, "127.0.0.1", port, ""}, {}}};
  for (size_t i = 0; i < ports_.size(); ++i) {
    ShardConfig shard;
    shard.name =
        std::string(1, static_cast<char>('a' + i % 26)) + (i < 26 ? "" : std::to_string(i / 26));
    shard.address = Address{Address::kTcp, "127.0.0.1", ports_[i], ""};
    pool.shards.push_back(std::move(shard));
  }
  config.pools.push_back(std::move(pool));
  // A second demo is welcome to do without its pages.
  if (config.admin.listen && !IsFree(config.admin.listen->port)) config.admin.listen.reset();
  config.saga.journal = folder_ + "/state.db";
  return config;
}

}  // namespace ringmaster
