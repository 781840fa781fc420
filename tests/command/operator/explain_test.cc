#include "command/operator/explain.h"

#include <gtest/gtest.h>

#include "command/fixture.h"
#include "support/idle_sagas.h"

namespace ringmaster {
namespace {

class ExplainTest : public CommandTest {
 protected:
  // What it says behind "name: ".
  std::string Says(const std::vector<Bytes>& command, const std::string& name) {
    const std::string text = Explain(context(), client(), command);
    const size_t at = ("\n" + text).find("\n" + name + ": ");
    if (at == std::string::npos) return "nothing: " + text;
    const size_t begin = at + name.size() + 2;
    return text.substr(begin, text.find('\n', begin) - begin);
  }
};

TEST_F(ExplainTest, OneKeyGoesToItsShardAsItIs) {
  EXPECT_EQ(Says({"get", "k"}, "command"), "get");
  EXPECT_EQ(Says({"get", "k"}, "served"), "as it is by its shard");
  EXPECT_EQ(Says({"get", "k"}, "atomic"), "as in Redis");
  EXPECT_EQ(Says({"get", "k"}, "shards").substr(0, 2), "1 ");
  EXPECT_EQ(Says({"mget", "{t}1", "{t}2"}, "served"), "as it is by its shard");
}

TEST_F(ExplainTest, KeysOfSeveralShardsAreSaidToBe) {
  const std::vector<Bytes> keys = {"a", "b", "c", "d", "e", "f", "g", "h"};
  std::vector<Bytes> del = {"del"}, sunion = {"sunionstore"}, mset = {"mset"};
  for (const Bytes key : keys) {
    del.push_back(key);
    sunion.push_back(key);
    mset.push_back(key);
    mset.push_back("v");
  }
  EXPECT_EQ(Says(del, "shards").substr(0, 1), "3");
  EXPECT_EQ(Says(del, "atomic"), "each shard for itself");
  EXPECT_EQ(Says(sunion, "atomic"), "all or nothing, for all that is written lives there");
  EXPECT_EQ(Says(mset, "served"), "a part to each shard, replies merged");
  const IdleSagas sagas(context());
  EXPECT_EQ(Says(mset, "atomic"), "all or nothing, also when the proxy is killed");
  EXPECT_EQ(Says(mset, "served"),
            "a saga: its keys are locked, and each of 3 shards does its part");
}

TEST_F(ExplainTest, WhatIsNotServedSaysWhy) {
  EXPECT_EQ(Says({"nonsense"}, "served"), "refused, there is no such command");
  EXPECT_EQ(Says({"get"}, "served"), "refused, the number of arguments is wrong");
  EXPECT_EQ(Says({"failover"}, "served"),
            "refused: ERR FAILOVER is not served by a proxy; run it on a shard");
  EXPECT_EQ(Says({"ping"}, "served"), "by the proxy itself");
  EXPECT_EQ(Says({"dbsize"}, "served"), "as it is by every shard, replies merged");
}

}  // namespace
}  // namespace ringmaster
