#include "command/fixture.h"

namespace ringmaster {
namespace {

class ClientCommandsTest : public CommandTest {
 protected:
  ClientCommandsTest() {
    AddClient(near_, 0);
    AddClient(far_, 1);
  }
  // Who was killed, and how.
  std::string Killed() const {
    std::string text;
    const std::pair<const char*, const FakeClient*> clients[] = {
        {"me", &me_}, {"near", &near_}, {"far", &far_}};
    for (const auto& [name, client] : clients) {
      if (!client->killed.empty()) text += std::string(name) + " " + client->killed + ". ";
    }
    return text;
  }

  FakeClient near_{6};
  FakeClient far_{7};
};

TEST_F(ClientCommandsTest, DescribesAClientWithTheFieldsOfRedis) {
  Run({"CLIENT", "SETNAME", "worker"});
  client().database = 2;
  proxy_.now += std::chrono::seconds(9);
  EXPECT_EQ(Run({"CLIENT", "INFO"}),
            "$252|id=5 addr=10.0.0.1:1005 laddr=127.0.0.1:6380 fd=12 name=worker age=9 idle=9 "
            "flags=N db=2 sub=0 psub=0 ssub=0 multi=-1 qbuf=52 qbuf-free=0 argv-mem=0 multi-mem=0 "
            "rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=1024 events=r cmd=NULL user=default redir=-1 "
            "resp=2||");
}

TEST_F(ClientCommandsTest, ListsTheClientsOfAllWorkersById) {
  // The second worker's client is the older one.
  FakeClient older(1);
  AddClient(older, 1);
  const std::string list = Run({"CLIENT", "LIST"});
  EXPECT_LT(list.find("id=1 "), list.find("id=5 "));
  EXPECT_LT(list.find("id=5 "), list.find("id=6 "));
  EXPECT_LT(list.find("id=6 "), list.find("id=7 "));
}

TEST_F(ClientCommandsTest, ListsThoseThatWereAskedFor) {
  const std::string list = Run({"CLIENT", "LIST", "ID", "7", "99"});
  EXPECT_NE(list.find("id=7 "), std::string::npos);
  EXPECT_EQ(list.find("id=5 "), std::string::npos);
  EXPECT_EQ(Run({"CLIENT", "LIST", "TYPE", "replica"}), "$0||");
  EXPECT_EQ(Run({"CLIENT", "LIST", "TYPE", "alien"}), "-ERR Unknown client type 'alien'|");
  EXPECT_EQ(Run({"CLIENT", "LIST", "ID", "x"}), "-ERR Invalid client ID|");
  EXPECT_EQ(Run({"CLIENT", "LIST", "BOGUS"}), "-ERR syntax error|");
}

TEST_F(ClientCommandsTest, KillsByAddressAsInOldDays) {
  EXPECT_EQ(Run({"CLIENT", "KILL", "10.0.0.1:1007"}), "+OK|");
  EXPECT_EQ(Killed(), "far at once. ");
  EXPECT_EQ(Run({"CLIENT", "KILL", "1.2.3.4:5"}), "-ERR No such client|");
}

TEST_F(ClientCommandsTest, KillsByFiltersButSparesTheAsker) {
  EXPECT_EQ(Run({"CLIENT", "KILL", "TYPE", "normal"}), ":2|");
  EXPECT_EQ(Killed(), "near at once. far at once. ");
}

TEST_F(ClientCommandsTest, KillsTheAskerBehindItsReplyWhenItWantsTo) {
  EXPECT_EQ(Run({"CLIENT", "KILL", "USER", "default", "ID", "5", "SKIPME", "no"}), ":1|");
  EXPECT_EQ(Killed(), "me after its reply. ");
}

TEST_F(ClientCommandsTest, KillsOnlyWhatAllFiltersFit) {
  EXPECT_EQ(Run({"CLIENT", "KILL", "ID", "6", "ADDR", "10.0.0.1:1007"}), ":0|");
  EXPECT_EQ(Run({"CLIENT", "KILL", "ID", "6", "LADDR", "127.0.0.1:6380"}), ":1|");
  EXPECT_EQ(Killed(), "near at once. ");
}

TEST_F(ClientCommandsTest, RefusesFiltersThatMakeNoSense) {
  EXPECT_EQ(Run({"CLIENT", "KILL", "ID", "0"}), "-ERR client-id should be greater than 0|");
  EXPECT_EQ(Run({"CLIENT", "KILL", "USER", "bob"}), "-ERR No such user 'bob'|");
  EXPECT_EQ(Run({"CLIENT", "KILL", "SKIPME", "maybe"}), "-ERR syntax error|");
  EXPECT_EQ(Run({"CLIENT", "KILL", "ID", "1", "ADDR"}), "-ERR syntax error|");
  EXPECT_EQ(Killed(), "");
}

TEST_F(ClientCommandsTest, KeepsNameAndLibrary) {
  EXPECT_EQ(Run({"CLIENT", "GETNAME"}), "$-1|");
  EXPECT_EQ(Run({"CLIENT", "SETNAME", "n"}), "+OK|");
  EXPECT_EQ(Run({"CLIENT", "GETNAME"}), "$1|n|");
  EXPECT_EQ(Run({"CLIENT", "SETNAME", "a b"}),
            "-ERR Client names cannot contain spaces, newlines or special characters.|");
  EXPECT_EQ(Run({"CLIENT", "SETNAME", ""}), "+OK|");
  EXPECT_EQ(Run({"CLIENT", "GETNAME"}), "$-1|");
  EXPECT_EQ(Run({"CLIENT", "SETINFO", "LIB-NAME", "hiredis"}), "+OK|");
  EXPECT_EQ(client().details->lib_name, "hiredis");
  EXPECT_EQ(Run({"CLIENT", "ID"}), ":5|");
}

TEST_F(ClientCommandsTest, ReplyModesSilenceWhatFollows) {
  EXPECT_EQ(Run({"CLIENT", "REPLY", "SKIP"}), "");
  EXPECT_EQ(client().reply_mode, ClientState::ReplyMode::kSkipNext);
  EXPECT_EQ(Run({"CLIENT", "REPLY", "OFF"}), "");
  EXPECT_EQ(client().reply_mode, ClientState::ReplyMode::kOff);
  EXPECT_EQ(Run({"CLIENT", "REPLY", "SKIP"}), "");
  EXPECT_EQ(client().reply_mode, ClientState::ReplyMode::kOff);
  EXPECT_EQ(Run({"CLIENT", "REPLY", "ON"}), "+OK|");
  EXPECT_EQ(client().reply_mode, ClientState::ReplyMode::kOn);
  EXPECT_EQ(Run({"CLIENT", "REPLY", "LOUD"}), "-ERR syntax error|");
}

TEST_F(ClientCommandsTest, TrackingOptionsThatDoNotGoTogetherAreRefusedInRedissWords) {
  const auto refusal = [this](std::vector<Bytes> options) {
    std::vector<Bytes> words = {"CLIENT", "TRACKING", "ON"};
    words.insert(words.end(), options.begin(), options.end());
    return Run(words);
  };
  EXPECT_EQ(refusal({"PREFIX", "a"}), "-ERR PREFIX option requires BCAST mode to be enabled|");
  EXPECT_EQ(refusal({"BCAST", "OPTIN"}), "-ERR OPTIN and OPTOUT are not compatible with BCAST|");
  EXPECT_EQ(refusal({"OPTIN", "OPTOUT"}),
            "-ERR You can't specify both OPTIN mode and OPTOUT mode|");
  EXPECT_EQ(
      refusal({"BCAST", "PREFIX", "FOO", "PREFIX", "FOOBAR"}),
      "-ERR Prefix 'FOO' overlaps with another provided prefix 'FOOBAR'. Prefixes for a single "
      "client must not overlap.|");
  EXPECT_EQ(refusal({"REDIRECT", "77"}), "-ERR The client ID you want redirect to does not exist|");
  EXPECT_EQ(refusal({"REDIRECT", "x"}), "-ERR value is not an integer or out of range|");
  EXPECT_EQ(refusal({"REDIRECT"}), "-ERR syntax error|");
  EXPECT_EQ(Run({"CLIENT", "TRACKING", "MAYBE"}), "-ERR syntax error|");
  EXPECT_EQ(client().push, nullptr);
}

TEST_F(ClientCommandsTest, TrackingIsOffAndSaysSo) {
  EXPECT_EQ(Run({"CLIENT", "GETREDIR"}), ":-1|");
  EXPECT_EQ(Run({"CLIENT", "TRACKINGINFO"}),
            "*6|$5|flags|*1|$3|off|$8|redirect|:-1|$8|prefixes|*0|");
  EXPECT_EQ(Run({"CLIENT", "TRACKING", "OFF"}), "+OK|");
  EXPECT_EQ(Run({"CLIENT", "CACHING", "YES"}).substr(0, 20), "-ERR CLIENT CACHING ");
}

TEST_F(ClientCommandsTest, APauseLastsUntilItIsEndedOrOver) {
  EXPECT_EQ(Run({"CLIENT", "PAUSE", "x"}), "-ERR timeout is not an integer or out of range|");
  EXPECT_EQ(Run({"CLIENT", "PAUSE", "-1"}), "-ERR timeout is negative|");
  EXPECT_EQ(Run({"CLIENT", "PAUSE", "5", "some"}).substr(0, 25), "-ERR CLIENT PAUSE mode mu");
  EXPECT_EQ(Run({"CLIENT", "PAUSE", "1000", "write"}), "+OK|");
  EXPECT_EQ(proxy_.paused.what(), Pause::What::kWrites);
  EXPECT_FALSE(proxy_.paused.over(proxy_.now));
  EXPECT_TRUE(proxy_.paused.over(proxy_.now + std::chrono::seconds(1)));
  EXPECT_EQ(Run({"CLIENT", "UNPAUSE"}), "+OK|");
  EXPECT_EQ(proxy_.paused.what(), Pause::What::kNothing);
  EXPECT_TRUE(proxy_.workers[1]->pause_ended);
}

}  // namespace
}  // namespace ringmaster
