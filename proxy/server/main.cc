// The command line: see README.md and `ringmaster --help`.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

#include "base/descriptors.h"
#include "base/log.h"
#include "command/rows/all_rows.h"
#include "config/config_file.h"
#include "server/compile.h"
#include "server/demo.h"
#include "server/server.h"

namespace ringmaster {
namespace {

int Fail(const std::string& text) {
  fmt::print(stderr, "{}\n", text);
  return 1;
}

int TestConfig(const std::string& path) {
  Result<ConfigFile> file = ConfigFile::Load(path, FileKind::kAnyKind);
  if (!file) return Fail(file.error().text);
  const CommandTable table(AllCommands());
  const auto compiled = Compile(table, std::move(*file));
  if (!compiled) return Fail(compiled.error().text);
  for (const PoolConfig& pool : (*compiled)->config().pools) {
    fmt::print("pool {}: {} shards, {} with {}\n", pool.name, pool.shards.size(),
               pool.ring.distribution, pool.ring.hash);
  }
  const std::string& state = (*compiled)->state.path;
  fmt::print("state database: {}\n", state.empty() ? "none" : state);
  for (const std::string& note : (*compiled)->notes) fmt::print("note: {}\n", note);
  fmt::print("{} is correct\n", path);
  return 0;
}

int Serve(ConfigFile file, const std::string& path) {
  Result<std::unique_ptr<Server>> server = Server::Create(std::move(file), path);
  if (!server) return Fail(server.error().text);
  (*server)->Run();
  LogInfo("stopped");
  return 0;
}

int Demo(int count, uint16_t port) {
  Result<std::unique_ptr<DemoServers>> servers = DemoServers::Start(count);
  if (!servers) return Fail(servers.error().text);
  fmt::print("{} redis-servers run behind 127.0.0.1:{}; try: redis-cli -p {}\n", count, port, port);
  std::fflush(stdout);
  return Serve(ConfigFile::Of((*servers)->MakeConfig(port), "the demo"), "");
}

int Main(int argc, char** argv) {
  CLI::App app("Ringmaster: a sharding proxy for Redis");
  std::string config;
  std::string tested;
  int demo = 0;
  uint16_t port = 6380;
  app.add_option("--config", config, "run with this configuration (YAML)");
  app.add_option("--test-config", tested, "say whether this configuration is correct");
  app.add_option("--demo", demo, "start this many local redis-servers and serve them")
      ->check(CLI::Range(1, 64));
  app.add_option("--port", port, "port of the demo")
      ->check(CLI::Range(1, 65535))
      ->default_val(6380);
  app.set_version_flag("--version", "ringmaster 0.1.0");
  CLI11_PARSE(app, argc, argv);
  signal(SIGPIPE, SIG_IGN);
  RaiseDescriptorLimit();
  if (!tested.empty()) return TestConfig(tested);
  if (demo > 0) return Demo(demo, port);
  if (config.empty()) return Fail("say --config FILE or --demo N; --help explains");
  Result<ConfigFile> loaded = ConfigFile::Load(config, FileKind::kAnyKind);
  if (!loaded) return Fail(loaded.error().text);
  return Serve(std::move(*loaded), config);
}

}  // namespace
}  // namespace ringmaster

int main(int argc, char** argv) { return ringmaster::Main(argc, argv); }
