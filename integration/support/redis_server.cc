#include "support/redis_server.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

namespace ringmaster::integration {

std::string RedisServer::Program() {
  const char* other = std::getenv("RINGMASTER_REDIS_SERVER");
  return other == nullptr ? "redis-server" : other;
}

std::string RedisServer::Fetched(const std::string& name) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  if (cache == nullptr && home == nullptr) return "";
  const std::filesystem::path folder =
      cache != nullptr ? std::filesystem::path(cache) : std::filesystem::path(home) / ".cache";
  const std::filesystem::path program = folder / "ringmaster" / "servers" / name;
  return std::filesystem::exists(program) ? program.string() : "";
}

RedisServer::RedisServer(Options options) : options_(std::move(options)) {
  if (options_.unix_socket) {
    address_ = Address{Address::kUnix, "", 0, folder_.File("redis.sock")};
  } else {
    reserved_ = std::make_unique<Port>(options_.ipv6);
    address_ = Address{Address::kTcp, options_.ipv6 ? "::1" : "127.0.0.1", reserved_->number(), ""};
  }
  Start();
}

RedisServer::~RedisServer() {
  Resume();  // a stopped process would keep its end waiting
  process_.Kill();
}

bool RedisServer::Start() {
  std::string config = "save \"\"\nappendonly no\nenable-debug-command yes\n";
  config += "dir " + folder() + "\n";
  if (options_.unix_socket) {
    config += "port 0\nunixsocket " + address_.path + "\n";
  } else {
    config += "port " + std::to_string(address_.port) + "\nbind " + address_.host + "\n";
  }
  for (const std::string& line : options_.config) config += line + "\n";
  const std::string program = options_.program.empty() ? Program() : options_.program;
  process_ =
      ChildProcess({program, folder_.Write("redis.conf", config)}, folder_.File("redis.log"));
  serving_ = Eventually([this] {
    if (!process_.running()) return true;
    return Command({"PING"}) == "PONG";
  });
  serving_ = serving_ && process_.running();
  if (!serving_) ADD_FAILURE() << "redis-server does not start:\n" << Log();
  return serving_;
}

std::string RedisServer::Log() const { return ReadFile(folder_.File("redis.log")); }

std::string RedisServer::Command(const std::vector<std::string>& words) const {
  Client client = Connect();
  std::vector<std::string> login = {"AUTH"};
  if (!options_.username.empty()) login.push_back(options_.username);
  login.push_back(options_.password);
  if (!options_.password.empty()) client.Command(login);
  return client.Command(words);
}

void RedisServer::Stop() {
  serving_ = false;
  process_.Signal(SIGTERM);
  if (!process_.Wait()) process_.Kill();
}

void RedisServer::Kill() {
  serving_ = false;
  process_.Kill();
}

void RedisServer::Pause() { process_.Signal(SIGSTOP); }
void RedisServer::Resume() { process_.Signal(SIGCONT); }

bool RedisServer::Restart(Data data) {
  if (data == Data::kKept && process_.running()) Command({"SAVE"});
  Kill();
  if (data == Data::kLost) std::filesystem::remove(folder_.File("dump.rdb"));
  return Start();
}

}  // namespace ringmaster::integration
