// The promise: the program's flags do what the README says, starting with the demo.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "support/cluster.h"

namespace ringmaster::integration {
namespace {

// The processes that `parent` started.
std::vector<pid_t> ChildrenOf(pid_t parent) {
  std::vector<pid_t> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const int pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    if (ProcessStatusKib(pid, "PPid") == parent) children.push_back(pid);
  }
  return children;
}

// Where they keep their files. Others on this machine may run demos as well.
std::set<std::filesystem::path> FoldersOf(const std::vector<pid_t>& processes) {
  std::set<std::filesystem::path> folders;
  for (const pid_t pid : processes) {
    folders.insert(std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/cwd"));
  }
  return folders;
}

bool AllGone(const std::vector<pid_t>& processes) {
  return Eventually([&] {
    for (const pid_t pid : processes) {
      if (kill(pid, 0) == 0) return false;
    }
    return true;
  });
}

class DemoTest : public testing::Test {
 protected:
  std::vector<std::string> Arguments() const {
    return {"--demo", "3", "--port", std::to_string(port_.number())};
  }
  Address At() const { return Address{Address::kTcp, "127.0.0.1", port_.number(), ""}; }

  Port port_;
};

TEST_F(DemoTest, ServesThreeServersAndRemovesAllOfItWhenItStops) {
  ProxyProcess demo(Arguments(), At());
  Client client(At());
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(client.Command({"SET", "key" + std::to_string(i), "v"}), "OK");
  }
  EXPECT_EQ(client.Command({"DBSIZE"}), "(integer) 300");
  const std::vector<pid_t> servers = ChildrenOf(demo.pid());
  EXPECT_EQ(servers.size(), 3U);
  const std::set<std::filesystem::path> folders = FoldersOf(servers);
  EXPECT_EQ(folders.size(), 1U);
  EXPECT_EQ(demo.Terminate(), 0);
  EXPECT_TRUE(AllGone(servers));
  for (const auto& folder : folders) {
    EXPECT_NE(folder.string().find("ringmaster-demo-"), std::string::npos) << folder;
    EXPECT_FALSE(std::filesystem::exists(folder)) << folder << " is left";
  }
}

TEST_F(DemoTest, ServersEndWithADemoThatIsKilled) {
  ProxyProcess demo(Arguments(), At());
  const std::vector<pid_t> servers = ChildrenOf(demo.pid());
  ASSERT_EQ(servers.size(), 3U);
  const std::set<std::filesystem::path> folders = FoldersOf(servers);
  demo.Kill9();
  EXPECT_TRUE(AllGone(servers));
  for (const auto& folder : folders) std::filesystem::remove_all(folder);
}

TEST_F(DemoTest, PortInUseIsSaidAndNothingIsLeft) {
  RedisServer other;
  const Finished demo =
      RunProgram({ProxyProgram(), "--demo", "2", "--port", std::to_string(other.port())});
  EXPECT_EQ(demo.status, 1) << demo.output;
  EXPECT_NE(demo.output.find(std::to_string(other.port())), std::string::npos) << demo.output;
}

TEST(CommandLineTest, TestConfigSaysWhatIsWrongWithLineAndColumn) {
  const TempFolder folder;
  const std::string good =
      folder.Write("good.yml", "pools:\n  - shards: [127.0.0.1:7001, 127.0.0.1:7002]\n");
  const Finished right = RunProgram({ProxyProgram(), "--test-config", good});
  EXPECT_EQ(right.status, 0) << right.output;
  const std::string bad = folder.Write(
      "bad.yml", "pools:\n  - shards: [127.0.0.1:7001]\n    wieght: 3\nworkers: none\n");
  const Finished wrong = RunProgram({ProxyProgram(), "--test-config", bad});
  EXPECT_EQ(wrong.status, 1);
  EXPECT_NE(wrong.output.find("bad.yml:3:5: "), std::string::npos) << wrong.output;
  EXPECT_NE(wrong.output.find("bad.yml:4:"), std::string::npos) << wrong.output;
  EXPECT_EQ(RunProgram({ProxyProgram(), "--test-config", folder.File("missing.yml")}).status, 1);
}

TEST(CommandLineTest, ConfigurationsThatComeWithItAreCorrect) {
  for (const auto& entry : std::filesystem::directory_iterator(RM_SOURCE_DIR "/conf")) {
    if (entry.path().extension() != ".yml") continue;
    const Finished done = RunProgram({ProxyProgram(), "--test-config", entry.path().string()});
    EXPECT_EQ(done.status, 0) << done.output;
  }
}

TEST(CommandLineTest, VersionAndHelpAnswerAndNonsenseIsRefused) {
  const Finished version = RunProgram({ProxyProgram(), "--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_TRUE(version.output.starts_with("ringmaster ")) << version.output;
  const Finished help = RunProgram({ProxyProgram(), "--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* flag : {"--config", "--test-config", "--demo", "--port", "--version"}) {
    EXPECT_NE(help.output.find(flag), std::string::npos) << flag;
  }
  EXPECT_NE(RunProgram({ProxyProgram()}).status, 0);
  EXPECT_NE(RunProgram({ProxyProgram(), "--bogus"}).status, 0);
  EXPECT_NE(RunProgram({ProxyProgram(), "--config", "/no/such/file.yml"}).status, 0);
}

TEST(CommandLineTest, LogGoesToItsFileAndIsOpenedAgainBySignal) {
  const RedisServer shard;
  const TempFolder folder;
  ConfigText config;
  config.log = "level: info, format: json, file: \"" + folder.File("proxy.log") + "\"";
  config.pool().Shard("a", shard.address());
  ProxyProcess proxy(config);
  const auto lines = [&](const std::string& name) { return ReadFile(folder.File(name)); };
  ASSERT_TRUE(
      Eventually([&] { return lines("proxy.log").find("listens on") != std::string::npos; }));
  EXPECT_TRUE(lines("proxy.log").starts_with("{\"")) << lines("proxy.log");
  std::filesystem::rename(folder.File("proxy.log"), folder.File("old.log"));
  proxy.Signal(SIGUSR1);
  ASSERT_TRUE(Eventually([&] { return std::filesystem::exists(folder.File("proxy.log")); }));
  EXPECT_EQ(proxy.Command({"PROXY", "LOGLEVEL", "warning"}), "OK");
  EXPECT_TRUE(
      Eventually([&] { return lines("proxy.log").find("log level") != std::string::npos; }));
}

}  // namespace
}  // namespace ringmaster::integration
