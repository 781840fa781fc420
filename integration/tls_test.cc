// The promise: TLS between clients and the proxy and between the proxy and its shards, with
// certificates checked. The clients are redis-cli and redis-benchmark.
#include <gtest/gtest.h>

#include "support/cluster.h"
#include "support/rebalance_status.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

// An authority, a certificate of it for 127.0.0.1 and localhost, and another authority.
class TlsTest : public testing::Test {
 protected:
  void SetUp() override {
    MakeAuthority("ca");
    MakeAuthority("other");
    OpenSsl({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
             "/CN=ringmaster", "-keyout", File("key.pem"), "-out", File("request.pem")});
    const std::string names =
        folder_.Write("names.cnf", "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
    OpenSsl({"x509", "-req", "-in", File("request.pem"), "-CA", File("ca.pem"), "-CAkey",
             File("ca-key.pem"), "-CAcreateserial", "-days", "2", "-extfile", names, "-out",
             File("cert.pem")});
  }
  std::string File(const std::string& name) const { return folder_.File(name); }
  void MakeAuthority(const std::string& name) {
    OpenSsl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-subj", "/CN=" + name, "-days", "2", "-keyout", File(name + "-key.pem"), "-out",
             File(name + ".pem")});
  }
  static void OpenSsl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "openssl");
    const Finished done = RunProgram(arguments, std::chrono::seconds(30));
    ASSERT_EQ(done.status, 0) << done.output;
  }
  // A pool that listens with TLS on a port of its own, and one without.
  ConfigText WithTlsListener(const std::string& more = "") {
    ConfigText config;
    config.pool().listen = {"127.0.0.1:" + std::to_string(plain_.number()),
                            "{address: \"127.0.0.1:" + std::to_string(secure_.number()) +
                                "\", tls: {cert: " + File("cert.pem") +
                                ", key: " + File("key.pem") + more + "}}"};
    return config;
  }
  std::string Cli(std::vector<std::string> words, const std::string& authority = "ca.pem",
                  bool certificate = false) {
    std::vector<std::string> argv = {"redis-cli", "-p",       std::to_string(secure_.number()),
                                     "--tls",     "--cacert", File(authority)};
    if (certificate) {
      argv.insert(argv.end(), {"--cert", File("cert.pem"), "--key", File("key.pem")});
    }
    argv.insert(argv.end(), words.begin(), words.end());
    return RunProgram(argv).output;
  }
  // A real server that speaks only TLS, on this port.
  RedisServer::Options TlsServer(const Port& port, bool clients_need_certificates) {
    return {
        .config = {"tls-port " + std::to_string(port.number()), "tls-cert-file " + File("cert.pem"),
                   "tls-key-file " + File("key.pem"), "tls-ca-cert-file " + File("ca.pem"),
                   std::string("tls-auth-clients ") + (clients_need_certificates ? "yes" : "no")}};
  }

  TempFolder folder_;
  Port plain_, secure_;
};

TEST_F(TlsTest, ClientsAreServedWithTlsBesideThoseWithout) {
  const RedisServer shard;
  ConfigText config = WithTlsListener();
  config.pool().Shard("a", shard.address());
  ProxyProcess proxy(config);
  EXPECT_EQ(Cli({"SET", "key", "over tls"}), "OK\n");
  EXPECT_EQ(Cli({"GET", "key"}), "over tls\n");
  EXPECT_EQ(proxy.Command({"GET", "key"}), "\"over tls\"");
  // An authority that did not sign the certificate: the client refuses us.
  EXPECT_EQ(Cli({"GET", "key"}, "other.pem").find("over tls"), std::string::npos);
  // A client that speaks no TLS on that port harms nobody.
  Client plain(secure_.number());
  plain.Send("PING\r\n");
  EXPECT_TRUE(plain.PeerCloses());
  EXPECT_EQ(Cli({"PING"}), "PONG\n");
}

TEST_F(TlsTest, LargeValuesAndDeepPipelinesPassThroughTls) {
  const RedisServer shard;
  ConfigText config = WithTlsListener();
  config.pool().Shard("a", shard.address());
  ProxyProcess proxy(config);
  const std::string value(5 << 20, 'v');
  ASSERT_EQ(proxy.Command({"SET", "large", value}), "OK");
  EXPECT_TRUE(Cli({"GET", "large"}) == value + "\n");
  for (const char* size : {"3", "20000"}) {
    const Finished bench = RunProgram(
        {"redis-benchmark", "-p", std::to_string(secure_.number()), "--tls", "--cacert",
         File("ca.pem"), "-t", "set,get", "-n", "20000", "-c", "20", "-P", "16", "-d", size, "-q"},
        std::chrono::seconds(60));
    EXPECT_EQ(bench.status, 0) << bench.output;
    EXPECT_EQ(bench.output.find("rror"), std::string::npos) << bench.output;
  }
}

TEST_F(TlsTest, ClientsThatMoveBetweenWorkersKeepTheirTls) {
  const RedisServer shard;
  ConfigText config = WithTlsListener();
  config.pool().Shard("a", shard.address());
  config.more = "balance: {interval: 10ms}";
  setenv("RINGMASTER_SHUFFLE_CLIENTS", "1", 1);
  ProxyProcess proxy(config);
  unsetenv("RINGMASTER_SHUFFLE_CLIENTS");
  const Finished bench = RunProgram(
      {"redis-benchmark", "-p", std::to_string(secure_.number()), "--tls", "--cacert",
       File("ca.pem"), "-t", "set,get", "-n", "20000", "-c", "20", "-P", "4", "-d", "3000", "-q"},
      std::chrono::seconds(60));
  EXPECT_EQ(bench.status, 0) << bench.output;
  EXPECT_EQ(bench.output.find("rror"), std::string::npos) << bench.output;
  const std::string workers = proxy.Command({"PROXY", "WORKERS"});
  EXPECT_EQ(workers.find("moved_in=0,"), std::string::npos) << workers;
}

TEST_F(TlsTest, ClientsWithoutACertificateAreRefusedWhenOneIsWanted) {
  const RedisServer shard;
  ConfigText config = WithTlsListener(", ca: " + File("ca.pem") + ", verify_client: true");
  config.pool().Shard("a", shard.address());
  ProxyProcess proxy(config);
  EXPECT_EQ(Cli({"PING"}, "ca.pem", true), "PONG\n");
  EXPECT_NE(Cli({"PING"}), "PONG\n");
}

TEST_F(TlsTest, ShardsAreReachedByTls) {
  const Port a_port, b_port;
  const RedisServer a(TlsServer(a_port, false));
  const RedisServer b(TlsServer(b_port, true));
  ConfigText config;
  config.pool().Shard("a", Address{Address::kTcp, "127.0.0.1", a_port.number(), ""},
                      "tls: {ca: " + File("ca.pem") + "}");
  config.pool().Shard("b", Address{Address::kTcp, "localhost", b_port.number(), ""},
                      "tls: {ca: " + File("ca.pem") + ", cert: " + File("cert.pem") +
                          ", key: " + File("key.pem") + "}");
  ProxyProcess proxy(config);
  Client client = proxy.Connect();
  std::string sets, gets, oks, values;
  for (int i = 0; i < 500; ++i) {
    const std::string key = "key" + std::to_string(i);
    sets += Encode({"SET", key, std::string(1000, 'v')});
    oks += "+OK\r\n";
    gets += Encode({"GET", key});
    values += "$1000\r\n" + std::string(1000, 'v') + "\r\n";
  }
  client.Send(sets);
  EXPECT_EQ(Quoted(client.ReadRaw(500)), Quoted(oks));
  client.Send(gets);
  EXPECT_TRUE(client.ReadRaw(500) == values);
  const std::string large(4 << 20, 'x');
  EXPECT_EQ(client.Command({"MSET", "a", large, "b", large, "c", large, "d", large}), "OK");
  EXPECT_EQ(client.CommandRaw({"MGET", "a", "b", "c", "d"}).size(), 4 * (large.size() + 12) + 4);
  EXPECT_EQ(client.Command({"SET", "a", large}), "OK");
  EXPECT_NE(a.Command({"DBSIZE"}), "(integer) 0");
  EXPECT_NE(b.Command({"DBSIZE"}), "(integer) 0");
}

TEST_F(TlsTest, KeysMoveBetweenShardsBehindTls) {
  const Port a_port, b_port;
  const RedisServer a(TlsServer(a_port, false));
  const RedisServer b(TlsServer(b_port, true));
  const Address b_address{Address::kTcp, "localhost", b_port.number(), ""};
  ConfigText config;
  config.pool().Shard("a", Address{Address::kTcp, "127.0.0.1", a_port.number(), ""},
                      "tls: {ca: " + File("ca.pem") + "}");
  ProxyProcess proxy(config);
  Client client = proxy.Connect();
  constexpr int kKeys = 3000;
  std::vector<std::vector<std::string>> sets;
  for (int i = 0; i < kKeys; ++i) {
    sets.push_back({"SET", "key:" + std::to_string(i), "value " + std::to_string(i)});
  }
  client.Pipeline(sets);
  const std::string large(8 << 20, 'x');
  const std::string fill =
      "for i = 1, 50000 do redis.call('HSET', KEYS[1], 'f' .. i, 'value ' .. i) end return 1";
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(client.Command({"SET", "large:" + std::to_string(i), large}), "OK");
    EXPECT_EQ(client.Command({"EVAL", fill, "1", "hash:" + std::to_string(i)}), "(integer) 1");
  }

  // A certificate that cannot be trusted is said before anything moves.
  const ConfigText before = proxy.config();
  ConfigText distrusted = before;
  distrusted.pool().Shard("b", b_address, "tls: {ca: " + File("other.pem") + "}");
  proxy.Reload(distrusted);
  EXPECT_TRUE(Eventually([&] {
    return proxy.Command({"PROXY", "REBALANCE", "STATUS"}).find("certificate") != std::string::npos;
  })) << proxy.Command({"PROXY", "REBALANCE", "STATUS"});
  EXPECT_EQ(b.Command({"DBSIZE"}), "(integer) 0");

  ConfigText more = before;
  more.pool().Shard("b", b_address,
                    "tls: {ca: " + File("ca.pem") + ", cert: " + File("cert.pem") +
                        ", key: " + File("key.pem") + "}");
  proxy.Reload(more);
  ASSERT_TRUE(Eventually(
      [&] {
        return StatusField(proxy, "state") == "stable" && b.Command({"DBSIZE"}) != "(integer) 0";
      },
      kMovePatience))
      << proxy.Command({"PROXY", "REBALANCE", "STATUS"});
  EXPECT_EQ(client.Command({"DBSIZE"}), "(integer) " + std::to_string(kKeys + 12));
  for (int i = 0; i < kKeys; ++i) {
    EXPECT_EQ(client.Command({"GET", "key:" + std::to_string(i)}),
              "\"value " + std::to_string(i) + "\"");
  }
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(client.Command({"STRLEN", "large:" + std::to_string(i)}), "(integer) 8388608");
    EXPECT_EQ(client.Command({"HLEN", "hash:" + std::to_string(i)}), "(integer) 50000");
  }
}

TEST_F(TlsTest, ShardWhoseCertificateCannotBeTrustedIsNotTalkedTo) {
  const Port port;
  const RedisServer shard(TlsServer(port, false));
  const Address address{Address::kTcp, "127.0.0.1", port.number(), ""};
  const auto reply = [&](const std::string& tls) {
    ConfigText config;
    config.timeouts = "connect: 500ms, command: 1s";
    config.pool().Shard("a", address, "tls: {" + tls + "}");
    return ProxyProcess(config).Command({"SET", "key", "secret"});
  };
  const std::string wrong_authority = reply("ca: " + File("other.pem"));
  EXPECT_TRUE(wrong_authority.starts_with("(error) NOTAPPLIED shard a: ")) << wrong_authority;
  const std::string wrong_name =
      reply("ca: " + File("ca.pem") + ", server_name: elsewhere.example");
  EXPECT_TRUE(wrong_name.starts_with("(error) NOTAPPLIED shard a: ")) << wrong_name;
  EXPECT_EQ(shard.Command({"EXISTS", "key"}), "(integer) 0");
  EXPECT_EQ(reply("ca: " + File("other.pem") + ", verify: false"), "OK");
}

}  // namespace
}  // namespace ringmaster::integration
