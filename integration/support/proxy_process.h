// The proxy under test as a process of its own, with a configuration that a test builds, and its
// log at hand.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "support/child_process.h"
#include "support/client.h"
#include "support/port.h"
#include "support/temp_folder.h"

namespace ringmaster::integration {

// The program under test: the one built along with the tests, or what RINGMASTER_PROGRAM names
// (a build with a sanitizer, say).
std::string ProxyProgram();

// Whether its memory says anything about the program: not in a build with a sanitizer, which
// RINGMASTER_SANITIZED announces (scripts/sanitize).
bool MemoryIsItsOwn();

// One pool of a configuration. Texts are YAML as it stands in the file.
struct PoolText {
  std::string name = "main";
  std::vector<std::string> listen = {};  // none: ProxyProcess takes a free port
  std::string ring = {};                 // "distribution: ketama"
  std::vector<std::string> shards = {};  // "{name: a, address: 127.0.0.1:7001}"
  std::string more = {};                 // "databases: 4"

  PoolText& Shard(const std::string& shard_name, const Address& address,
                  const std::string& more_keys = "");
};

struct ConfigText {
  std::vector<PoolText> pools = std::vector<PoolText>(1);
  int workers = 2;
  std::string timeouts = {};  // "command: 300ms, connect: 200ms"
  std::string limits = {};    // "clients: 10"
  std::string log = "level: debug";
  std::string saga = {};                  // none: a state database in a folder of the proxy's own
  std::optional<std::string> admin = {};  // admin.listen; none: a port of the proxy's own
  std::string more = {};                  // whole lines

  PoolText& pool() { return pools.front(); }
};

class ProxyProcess {
 public:
  // Serving when the constructor returns; otherwise the test has failed and serving() is false.
  explicit ProxyProcess(ConfigText config);
  // For a proxy that is to be started with other arguments.
  ProxyProcess(const std::vector<std::string>& arguments, const Address& serves);
  // Shows the log when the test has failed.
  ~ProxyProcess();

  bool serving() const { return serving_; }
  // Of the first pool's first listener.
  const Address& address() const { return address_; }
  uint16_t port() const { return address_.port; }
  Client Connect() const { return Client(address_); }
  // One command over a new connection.
  std::string Command(const std::vector<std::string>& words) const;

  // Waits until CLIENT LIST has a command of this name, in small letters, as some client's last.
  bool AwaitCommand(const std::string& command) const;

  // What is configured now; change it and hand it to Reload().
  const ConfigText& config() const { return config_; }
  // Writes the file, sends SIGHUP and waits until the log says that it was taken or refused; the
  // lines it logged meanwhile. Empty: it said nothing in time.
  std::string Reload(const ConfigText& config);
  std::string ReloadText(const std::string& yaml);
  std::string Yaml(const ConfigText& config) const;

  uint16_t admin_port() const { return admin_.number(); }
  pid_t pid() const { return process_.pid(); }
  bool running() { return process_.running(); }
  void Signal(int signal) const { process_.Signal(signal); }
  // SIGTERM, and the exit status; nullopt: it did not end.
  std::optional<int> Terminate(Duration patience = kPatience);
  std::optional<int> Wait(Duration patience = kPatience) { return process_.Wait(patience); }
  void Kill9() { process_.Kill(); }
  int64_t ResidentKib() const { return ProcessStatusKib(pid(), "VmRSS"); }
  int64_t PeakKib() const { return ProcessStatusKib(pid(), "VmHWM"); }
  int Threads() const { return static_cast<int>(ProcessStatusKib(pid(), "Threads")); }
  std::string Log() const;
  bool LogSays(const std::string& text, Duration patience = kPatience) const;
  const TempFolder& folder() const { return folder_; }

 private:
  bool AwaitService();

  TempFolder folder_;
  Port reserved_;
  Port admin_;
  ConfigText config_;
  Address address_;
  ChildProcess process_;
  bool serving_ = false;
};

}  // namespace ringmaster::integration
