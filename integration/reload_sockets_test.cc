// The promise: a reload changes all that the file says or nothing. Sockets whose address stays are
// kept, whatever is served behind them; what is refused leaves sockets, log and descriptors as they
// were; nothing is left behind by any number of reloads and rotations.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/cluster.h"

namespace ringmaster::integration {
namespace {

size_t OpenFiles(pid_t pid) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& each :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    ++count;
  }
  return count;
}

std::string At(const std::string& host, const Port& port) {
  return host + ":" + std::to_string(port.number());
}

class ReloadSocketsTest : public testing::Test {
 protected:
  void SetUp() override { MakeCertificate("one"); }

  void MakeCertificate(const std::string& name) {
    const Finished made = RunProgram(
        {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-subj", "/CN=" + name, "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
         "-keyout", folder_.File(name + "-key.pem"), "-out", folder_.File(name + ".pem")},
        std::chrono::seconds(30));
    ASSERT_EQ(made.status, 0) << made.output;
  }
  std::string Tls(const Port& port, const std::string& name = "one") const {
    return "{address: \"" + At("127.0.0.1", port) +
           "\", tls: {cert: " + folder_.File(name + ".pem") +
           ", key: " + folder_.File(name + "-key.pem") + "}}";
  }
  // What a client hears that trusts only this certificate.
  std::string PingWithTls(const Port& port, const std::string& name = "one") const {
    return RunProgram({"redis-cli", "-p", std::to_string(port.number()), "--tls", "--cacert",
                       folder_.File(name + ".pem"), "PING"})
        .output;
  }
  static std::string Ping(const std::string& address) {
    return Client(*ParseAddress(address)).Command({"PING"});
  }
  static std::string Ping(const Port& port) { return Ping(At("127.0.0.1", port)); }
  std::unique_ptr<ProxyProcess> Start(const std::vector<std::string>& listen) {
    ConfigText config;
    config.pool().listen = listen;
    config.pool().Shard("a", shard_.address());
    return std::make_unique<ProxyProcess>(config);
  }
  static void Taken(ProxyProcess& proxy, const ConfigText& config) {
    const std::string said = proxy.Reload(config);
    ASSERT_NE(said.find("read again"), std::string::npos) << said;
  }
  static void Refused(ProxyProcess& proxy, const ConfigText& config, const std::string& why) {
    const std::string said = proxy.Reload(config);
    EXPECT_NE(said.find("reload refused"), std::string::npos) << said;
    EXPECT_NE(said.find(why), std::string::npos) << said;
  }

  const TempFolder folder_;
  const RedisServer shard_;
  const Port plain_, secure_, other_, free_;
};

// The second reload lost the plain listener and the third was a crash.
TEST_F(ReloadSocketsTest, EveryKindOfListenerStaysOverManyReloads) {
  const Port v6(true);
  const std::string six = "[::1]:" + std::to_string(v6.number());
  const std::string path = folder_.File("clients.sock");
  const auto proxy =
      Start({At("127.0.0.1", plain_), Tls(secure_), path, "\"" + six + "\"", Tls(other_)});
  Client client = proxy->Connect();
  for (int i = 0; i < 6; ++i) {
    ConfigText next = proxy->config();
    std::rotate(next.pool().listen.begin(), next.pool().listen.begin() + i % 3,
                next.pool().listen.end());
    Taken(*proxy, next);
    ASSERT_TRUE(proxy->running());
    EXPECT_EQ(Ping(plain_), "PONG");
    EXPECT_EQ(Ping(path), "PONG");
    EXPECT_EQ(Ping(six), "PONG");
    EXPECT_EQ(PingWithTls(secure_), "PONG\n");
    EXPECT_EQ(PingWithTls(other_), "PONG\n");
    EXPECT_EQ(client.Command({"PING"}), "PONG");
  }
}

TEST_F(ReloadSocketsTest, RenewedCertificateIsShownFromTheReloadOnAndABrokenOneChangesNothing) {
  const auto proxy = Start({At("127.0.0.1", plain_), Tls(secure_)});
  MakeCertificate("two");
  const auto put = [&](const std::string& from) {
    for (const char* end : {".pem", "-key.pem"}) {
      std::filesystem::copy_file(folder_.File(from + end), folder_.File("one" + std::string(end)),
                                 std::filesystem::copy_options::overwrite_existing);
    }
  };
  put("two");
  Taken(*proxy, proxy->config());
  EXPECT_EQ(PingWithTls(secure_, "two"), "PONG\n");
  // Another's key, no key at all, no file.
  MakeCertificate("three");
  std::filesystem::copy_file(folder_.File("three-key.pem"), folder_.File("one-key.pem"),
                             std::filesystem::copy_options::overwrite_existing);
  Refused(*proxy, proxy->config(), "one-key.pem");
  EXPECT_EQ(PingWithTls(secure_, "two"), "PONG\n");
  std::ofstream(folder_.File("one.pem")) << "no certificate\n";
  Refused(*proxy, proxy->config(), "one.pem");
  EXPECT_EQ(PingWithTls(secure_, "two"), "PONG\n");
  std::filesystem::remove(folder_.File("one.pem"));
  Refused(*proxy, proxy->config(), "one.pem");
  EXPECT_EQ(PingWithTls(secure_, "two"), "PONG\n");
  EXPECT_EQ(Ping(plain_), "PONG");
}

TEST_F(ReloadSocketsTest, TlsComesAndGoesAtAnAddressThatStays) {
  const auto proxy = Start({At("127.0.0.1", plain_), At("127.0.0.1", other_)});
  ConfigText next = proxy->config();
  next.pool().listen[1] = Tls(other_);
  Taken(*proxy, next);
  EXPECT_EQ(PingWithTls(other_), "PONG\n");
  next.pool().listen[1] = At("127.0.0.1", other_);
  Taken(*proxy, next);
  EXPECT_EQ(Ping(other_), "PONG");
}

// The old one holds the port until the new one has it.
TEST_F(ReloadSocketsTest, AnAddressThatCoversAnotherTakesItsPlace) {
  const auto proxy = Start({At("127.0.0.1", plain_), At("127.0.0.1", other_)});
  ConfigText next = proxy->config();
  for (const char* host : {"0.0.0.0", "localhost", "127.0.0.1", "0.0.0.0"}) {
    next.pool().listen[1] = At(host, other_);
    Taken(*proxy, next);
    EXPECT_EQ(Ping(other_), "PONG") << host;
  }
  // Nobody else is let in beside it.
  const RedisServer stranger;
  EXPECT_NE(stranger.Command({"CONFIG", "SET", "port", std::to_string(other_.number())}), "OK");
}

TEST_F(ReloadSocketsTest, PoolsAndAdminPagesChangePlaces) {
  const auto proxy = Start({At("127.0.0.1", plain_), At("127.0.0.1", other_)});
  ConfigText next = proxy->config();
  next.pool().listen[1] = At("127.0.0.1", free_);
  next.admin = At("127.0.0.1", other_);
  Taken(*proxy, next);
  EXPECT_EQ(Ping(free_), "PONG");
  Client operator_(other_.number());
  operator_.Send("GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
  EXPECT_NE(operator_.ReadToEnd().find("200"), std::string::npos);
  next.pool().listen[1] = At("127.0.0.1", other_);
  next.admin = At("127.0.0.1", free_);
  Taken(*proxy, next);
  EXPECT_EQ(Ping(other_), "PONG");
}

TEST_F(ReloadSocketsTest, WhatIsRefusedLeavesSocketsLogAndDescriptorsAsTheyWere) {
  const RedisServer taken;  // its port is
  const auto proxy = Start({At("127.0.0.1", plain_), Tls(secure_), folder_.File("old.sock")});
  const ConfigText good = proxy->config();
  ASSERT_TRUE(proxy->LogSays("the shards' commands are known"));
  const size_t files = OpenFiles(proxy->pid());
  const std::string bad_file = folder_.Write("file", "") + "/below.log";
  const std::string good_file = folder_.File("new.log");
  struct Case {
    std::string listen, admin, log, why;
  };
  const std::string admin = "127.0.0.1:" + std::to_string(proxy->admin_port());
  const std::string fresh = At("127.0.0.1", other_);
  for (const Case& each : std::vector<Case>{
           {fresh, taken.address().ToString(), "level: debug", "admin.listen"},
           {fresh, At("127.0.0.1", free_), "file: \"" + bad_file + "\"", "below.log"},
           {taken.address().ToString(), At("127.0.0.1", free_), "file: \"" + good_file + "\"",
            taken.address().ToString()},
           {folder_.File("file"), At("127.0.0.1", free_), "level: error", "not a socket"}}) {
    ConfigText bad = good;
    bad.pool().listen = {fresh, each.listen == fresh ? folder_.File("new.sock") : each.listen};
    bad.admin = each.admin;
    bad.log = each.log;
    Refused(*proxy, bad, each.why);
    EXPECT_EQ(Ping(plain_), "PONG") << each.why;
    EXPECT_EQ(Ping(folder_.File("old.sock")), "PONG") << each.why;
    EXPECT_EQ(PingWithTls(secure_), "PONG\n") << each.why;
    EXPECT_FALSE(Client(other_.number()).connected()) << each.why;
    EXPECT_FALSE(Client(free_.number()).connected()) << each.why;
    EXPECT_TRUE(Client(*ParseAddress(admin)).connected()) << each.why;
    EXPECT_FALSE(std::filesystem::exists(folder_.File("new.sock"))) << each.why;
    EXPECT_FALSE(std::filesystem::exists(good_file)) << each.why;
  }
  EXPECT_TRUE(Eventually([&] { return OpenFiles(proxy->pid()) <= files; }))
      << files << " descriptors before, " << OpenFiles(proxy->pid()) << " after";
}

// A thread and a loop for pages that were never shown stayed.
TEST_F(ReloadSocketsTest, RefusedAdminPagesLeaveNothingWhereThereWereNone) {
  const RedisServer taken;  // its port is
  ConfigText config;
  config.pool().Shard("a", shard_.address());
  config.admin = "";
  ProxyProcess proxy(config);
  const size_t files = OpenFiles(proxy.pid());
  config = proxy.config();
  config.admin = taken.address().ToString();
  Refused(proxy, config, "admin.listen");
  EXPECT_TRUE(Eventually([&] { return OpenFiles(proxy.pid()) <= files; }))
      << files << " descriptors before, " << OpenFiles(proxy.pid()) << " after";
}

TEST_F(ReloadSocketsTest, ASocketFileThatSomebodyRemovedIsThereAgain) {
  const std::string path = folder_.File("clients.sock");
  const auto proxy = Start({At("127.0.0.1", plain_), path});
  std::filesystem::remove(path);
  Taken(*proxy, proxy->config());
  EXPECT_EQ(Ping(path), "PONG");
}

TEST_F(ReloadSocketsTest, FiftyReloadsAndFiftyRotationsLeaveNoDescriptorBehind) {
  const auto proxy = Start({At("127.0.0.1", plain_), Tls(secure_), folder_.File("clients.sock")});
  ASSERT_TRUE(proxy->LogSays("the shards' commands are known"));
  ConfigText config = proxy->config();
  config.log = "level: info, file: \"" + folder_.File("rotated.log") + "\"";
  folder_.Write("taken", "");
  ASSERT_NE(proxy->Reload(proxy->config()), "");
  proxy->folder().Write("ringmaster.yml", proxy->Yaml(config));
  Client client = proxy->Connect();
  const auto reload = [&] { return client.Command({"PROXY", "RELOAD"}); };
  ASSERT_EQ(reload().find("(error)"), std::string::npos);
  const size_t files = OpenFiles(proxy->pid());
  for (int i = 0; i < 50; ++i) ASSERT_EQ(reload().find("(error)"), std::string::npos);
  for (int i = 0; i < 50; ++i) {
    std::filesystem::rename(folder_.File("rotated.log"), folder_.File("old.log"));
    proxy->Signal(SIGUSR1);
    ASSERT_TRUE(Eventually([&] { return std::filesystem::exists(folder_.File("rotated.log")); }));
  }
  ASSERT_EQ(reload().find("(error)"), std::string::npos);
  EXPECT_TRUE(Eventually([&] { return OpenFiles(proxy->pid()) <= files; }))
      << files << " descriptors before, " << OpenFiles(proxy->pid()) << " after";
  EXPECT_NE(ReadFile(folder_.File("rotated.log")).find("read again"), std::string::npos);
}

}  // namespace
}  // namespace ringmaster::integration
