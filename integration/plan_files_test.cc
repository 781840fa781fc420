// The promise: PROXY REBALANCE PLAN reads a configuration in the folder of the one in force, or the
// text that it is given, and nothing else: no pipe, no terminal, no foreign file, and none of it
// keeps anybody waiting.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "support/cluster.h"
#include "support/http.h"

namespace ringmaster::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class PlanFilesTest : public testing::Test {
 protected:
  PlanFilesTest() {
    ConfigText next = proxy_.config();
    next.pool().Shard("extra", Address{Address::kTcp, "127.0.0.1", 1, ""});
    text_ = proxy_.Yaml(next);
  }
  std::string Plan(const std::string& what) {
    return proxy_.Connect().CommandRaw({"PROXY", "REBALANCE", "PLAN", what});
  }
  // The main thread is there for everybody.
  void ExpectServing() {
    EXPECT_EQ(HttpGet(proxy_.admin_port(), "/metrics").status, 200);
    EXPECT_THAT(proxy_.Connect().CommandRaw({"PROXY", "REBALANCE", "STATUS"}),
                HasSubstr("state: stable"));
  }

  Cluster cluster_{ClusterOptions{.shards = 2}};
  ProxyProcess& proxy_ = cluster_.proxy();
  std::string text_;
};

TEST_F(PlanFilesTest, AFileOfTheFolderOrATextIsPlanned) {
  const std::string file = proxy_.folder().Write("next.yml", text_);
  std::filesystem::create_symlink("next.yml", proxy_.folder().File("link.yml"));
  for (const std::string& what : {std::string("next.yml"), file, std::string("link.yml"), text_}) {
    EXPECT_THAT(Plan(what),
                AllOf(HasSubstr("share_moving: 0."), HasSubstr("name=extra"), HasSubstr("joins")))
        << what;
  }
  ExpectServing();
}

TEST_F(PlanFilesTest, APipeKeepsNobodyWaiting) {
  ASSERT_EQ(mkfifo(proxy_.folder().File("fifo").c_str(), 0600), 0);
  EXPECT_THAT(Plan("fifo"), HasSubstr("it is no regular file"));
  EXPECT_THAT(Plan(proxy_.folder().File("fifo")), HasSubstr("it is no regular file"));
  EXPECT_THAT(Plan("/dev/tty"), HasSubstr("no such file"));
  ExpectServing();
}

TEST_F(PlanFilesTest, NothingIsToldOfOtherFiles) {
  const TempFolder elsewhere;
  const std::string secret = elsewhere.Write("secret.yml", "password: hunter2\n");
  std::filesystem::create_symlink(secret, proxy_.folder().File("out.yml"));
  for (const std::string& what : {secret, std::string("out.yml"), std::string("/etc/passwd"),
                                  std::string("../ringmaster.yml"), std::string("missing")}) {
    EXPECT_THAT(Plan(what), AllOf(HasSubstr("no such file in the configuration's folder"),
                                  Not(HasSubstr("hunter2")), Not(HasSubstr("root"))))
        << what;
  }
  proxy_.folder().Write("users.yml", "hunter2: {x: hunter2}\n");
  EXPECT_THAT(Plan("users.yml"), AllOf(HasSubstr("it is no valid configuration"),
                                       HasSubstr("line 1"), Not(HasSubstr("hunter2"))));
  ExpectServing();
}

// Certificates that a text names are not looked for.
TEST_F(PlanFilesTest, ATextReadsNoFiles) {
  std::string text = text_;
  const std::string extra = "name: extra,";
  text.replace(text.find(extra), extra.size(), "name: extra, tls: {ca: /nothing/here.pem},");
  EXPECT_THAT(Plan(text), HasSubstr("name=extra"));
  EXPECT_THAT(Plan("pools: [{shards: nonsense: 1"), HasSubstr("text:1:"));
  EXPECT_THAT(Plan(std::string(3 << 20, ':')), HasSubstr("ERR"));
  ExpectServing();
}

// What an operator's reload finds in place of its file.
TEST_F(PlanFilesTest, AReloadDoesNotWaitForAPipe) {
  const std::string file = proxy_.folder().File("ringmaster.yml");
  std::filesystem::remove(file);
  ASSERT_EQ(mkfifo(file.c_str(), 0600), 0);
  EXPECT_THAT(proxy_.Command({"PROXY", "RELOAD"}), HasSubstr("it is no regular file"));
  ExpectServing();
}

}  // namespace
}  // namespace ringmaster::integration
