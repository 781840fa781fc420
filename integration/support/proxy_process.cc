#include "support/proxy_process.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <utility>

namespace ringmaster::integration {

std::string ProxyProgram() {
  const char* other = std::getenv("RINGMASTER_PROGRAM");
  return other != nullptr ? other : RM_PROXY;
}

PoolText& PoolText::Shard(const std::string& shard_name, const Address& address,
                          const std::string& more_keys) {
  shards.push_back("{name: " + shard_name + ", address: \"" + address.ToString() + "\"" +
                   (more_keys.empty() ? "" : ", " + more_keys) + "}");
  return *this;
}

bool MemoryIsItsOwn() { return !Sanitized(); }

ProxyProcess::ProxyProcess(ConfigText config) : config_(std::move(config)) {
  if (config_.pool().listen.empty()) {
    address_ = Address{Address::kTcp, "127.0.0.1", reserved_.number(), ""};
    config_.pool().listen.push_back("\"" + address_.ToString() + "\"");
  } else {
    std::string first = config_.pool().listen.front();
    std::erase(first, '"');
    if (const Result<Address> parsed = ParseAddress(first)) address_ = *parsed;
  }
  const std::string file = folder_.Write("ringmaster.yml", Yaml(config_));
  process_ = ChildProcess({ProxyProgram(), "--config", file}, folder_.File("proxy.log"));
  AwaitService();
}

ProxyProcess::ProxyProcess(const std::vector<std::string>& arguments, const Address& serves)
    : address_(serves) {
  std::vector<std::string> argv = {ProxyProgram()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  process_ = ChildProcess(argv, folder_.File("proxy.log"));
  AwaitService();
}

ProxyProcess::~ProxyProcess() {
  process_.Signal(SIGCONT);
  process_.Kill();
  if (Log().find("Sanitizer") != std::string::npos) ADD_FAILURE() << "a sanitizer found something";
  if (testing::Test::HasFailure()) {
    constexpr size_t kShown = 20000;
    const std::string log = Log();
    ADD_FAILURE() << "the proxy's log" << (log.size() > kShown ? " (its end)" : "") << ":\n"
                  << log.substr(log.size() > kShown ? log.size() - kShown : 0);
  }
}

std::string ProxyProcess::Yaml(const ConfigText& config) const {
  std::string yaml = "pools:\n";
  for (const PoolText& pool : config.pools) {
    yaml += "  - name: " + pool.name + "\n    listen:\n";
    for (const std::string& listen : pool.listen) yaml += "      - " + listen + "\n";
    if (!pool.ring.empty()) yaml += "    ring: {" + pool.ring + "}\n";
    if (!pool.more.empty()) yaml += "    " + pool.more + "\n";
    yaml += "    shards:\n";
    for (const std::string& shard : pool.shards) yaml += "      - " + shard + "\n";
  }
  yaml += "workers: " + std::to_string(config.workers) + "\n";
  if (!config.timeouts.empty()) yaml += "timeouts: {" + config.timeouts + "}\n";
  if (!config.limits.empty()) yaml += "limits: {" + config.limits + "}\n";
  if (!config.log.empty()) yaml += "log: {" + config.log + "}\n";
  // A disk that is busy with others' data must not decide what a test sees: nobody cuts the power.
  const std::string state = "journal: \"" + folder_.File("state.db") + "\", fsync: \"no\"";
  yaml += "saga: {" + (config.saga.empty() ? state : config.saga) + "}\n";
  const std::string own = "127.0.0.1:" + std::to_string(admin_.number());
  yaml += "admin: {listen: \"" + config.admin.value_or(own) + "\"}\n";
  // A test has few clients, and wants them on all workers.
  if (config.more.find("balance:") == std::string::npos) yaml += "balance: {gather: 0}\n";
  if (!config.more.empty()) yaml += config.more + "\n";
  return yaml;
}

bool ProxyProcess::AwaitService() {
  const auto serves = [this] {
    const std::string reply = Client(address_).Command({"PING"});
    return reply == "PONG" || reply.starts_with("(error) NOAUTH");
  };
  serving_ = Eventually([&] { return !process_.running() || serves(); });
  serving_ = serving_ && process_.running();
  if (!serving_) ADD_FAILURE() << "the proxy does not serve " << address_.ToString();
  return serving_;
}

std::string ProxyProcess::Command(const std::vector<std::string>& words) const {
  return Connect().Command(words);
}

bool ProxyProcess::AwaitCommand(const std::string& command) const {
  return Eventually([&] {
    return Connect().CommandRaw({"CLIENT", "LIST"}).find("cmd=" + command) != std::string::npos;
  });
}

std::string ProxyProcess::Reload(const ConfigText& config) {
  config_ = config;
  return ReloadText(Yaml(config));
}

std::string ProxyProcess::ReloadText(const std::string& yaml) {
  const size_t before = Log().size();
  folder_.Write("ringmaster.yml", yaml);
  process_.Signal(SIGHUP);
  std::string said;
  const bool taken = Eventually([&] {
    said = Log().substr(before);
    const bool answered = said.find("read again") != std::string::npos ||
                          said.find("reload refused") != std::string::npos;
    return answered && said.ends_with("\n");
  });
  return taken ? said : "";
}

std::optional<int> ProxyProcess::Terminate(Duration patience) {
  process_.Signal(SIGTERM);
  return process_.Wait(patience);
}

std::string ProxyProcess::Log() const { return ReadFile(folder_.File("proxy.log")); }

bool ProxyProcess::LogSays(const std::string& text, Duration patience) const {
  return Eventually([&] { return Log().find(text) != std::string::npos; }, patience);
}

}  // namespace ringmaster::integration
