#include "command/table/table.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "command/rows/all_rows.h"

namespace ringmaster {
namespace {

class CommandTableTest : public testing::Test {
 protected:
  // The full name of what Find gives for these words; "none" for nothing.
  std::string Find(const std::vector<Bytes>& words) const {
    const Command* command = table_.Find(words);
    return command == nullptr ? "none" : command->full_name;
  }
  std::string FindByName(Bytes name) const {
    const Command* command = table_.FindByName(name);
    return command == nullptr ? "none" : command->full_name;
  }
  // "first last step / single"
  std::string Span(Bytes name) const {
    const Command& command = *table_.FindByName(name);
    return std::to_string(command.first_key) + " " + std::to_string(command.last_key) + " " +
           std::to_string(command.key_step) + " / " + std::to_string(command.single_key);
  }

  const CommandTable table_{AllCommands()};
};

TEST_F(CommandTableTest, FindsEveryCommandInAnyCase) {
  std::string wrong;
  for (const auto& command : table_.all()) {
    std::string mixed = command->full_name;
    for (size_t i = 0; i < mixed.size(); i += 2) mixed[i] = ToUpper(mixed[i]);
    for (const std::string& name : {command->full_name, Uppercase(command->full_name), mixed}) {
      if (table_.FindByName(name) != command.get()) wrong += name + " ";
    }
  }
  EXPECT_EQ(wrong, "");
}

// Names differ from others in the bit that tells the cases of a letter.
TEST_F(CommandTableTest, IsNotFooledByLookalikes) {
  std::string found;
  for (const auto& command : table_.all()) {
    if (command->parent != nullptr) continue;
    for (size_t i = 0; i < command->full_name.size(); ++i) {
      std::string name = command->full_name;
      for (const int bit : {0x80, 0x40, 0x20, 0x01}) {
        name[i] = static_cast<char>(command->full_name[i] ^ bit);
        const Command* other = table_.FindByName(name);
        if (other != nullptr && !EqualsIgnoreCase(other->full_name, name)) found += name + " ";
      }
    }
  }
  EXPECT_EQ(found, "");
}

TEST_F(CommandTableTest, FindsNothingForOtherNames) {
  EXPECT_EQ(Find({""}), "none");
  EXPECT_EQ(Find({"g"}), "none");
  EXPECT_EQ(Find({"getx"}), "none");
  EXPECT_EQ(Find({std::string("get\0", 4)}), "none");
  EXPECT_EQ(Find({std::string(100000, 'g')}), "none");
  EXPECT_EQ(Find({"client|id"}), "none");
}

TEST_F(CommandTableTest, FindsSubcommandByItsSecondWord) {
  EXPECT_EQ(Find({"Client", "SetName", "x"}), "client|setname");
  EXPECT_EQ(Find({"OBJECT", "FREQ"}), "object|freq");
}

TEST_F(CommandTableTest, GivesContainerWhenTheSubcommandIsMissingOrUnknown) {
  EXPECT_EQ(Find({"client"}), "client");
  EXPECT_EQ(Find({"client", ""}), "client");
  EXPECT_EQ(Find({"client", "nonsense"}), "client");
  EXPECT_EQ(Find({"command"}), "command");
}

TEST_F(CommandTableTest, TakesFullNamesAsTheyAreListed) {
  EXPECT_EQ(FindByName("config|GET"), "config|get");
  EXPECT_EQ(FindByName("config"), "config");
  EXPECT_EQ(FindByName("config|"), "none");
  EXPECT_EQ(FindByName("config|nonsense"), "none");
  EXPECT_EQ(FindByName("config|get|x"), "none");
  EXPECT_EQ(FindByName("get|x"), "none");
  EXPECT_EQ(FindByName(""), "none");
}

TEST_F(CommandTableTest, NumbersCommandsDensely) {
  std::string wrong;
  for (size_t i = 0; i < table_.size(); ++i) {
    if (table_.all()[i]->id != i) wrong += table_.all()[i]->full_name + " ";
  }
  EXPECT_EQ(wrong, "");
}

TEST_F(CommandTableTest, DerivesKeySpanFromSpecifications) {
  EXPECT_EQ(Span("get"), "1 1 1 / 1");
  EXPECT_EQ(Span("set"), "1 1 1 / 1");
  EXPECT_EQ(Span("object|freq"), "2 2 1 / 2");
  EXPECT_EQ(Span("mset"), "1 -1 2 / 0");
  EXPECT_EQ(Span("rename"), "1 2 1 / 0");
  EXPECT_EQ(Span("bitop"), "2 -1 1 / 0");
  EXPECT_EQ(Span("blpop"), "1 -2 1 / 0");
  EXPECT_EQ(Span("sort"), "1 1 1 / 0");
  EXPECT_EQ(Span("zunionstore"), "1 1 1 / 0");
  EXPECT_EQ(Span("eval"), "0 0 0 / 0");
  EXPECT_EQ(Span("ping"), "0 0 0 / 0");
}

// A channel is no key, though Redis Cluster places it like one.
TEST_F(CommandTableTest, TakesNoChannelForAKey) { EXPECT_EQ(Span("spublish"), "1 1 1 / 0"); }

TEST_F(CommandTableTest, ChecksArityAsRedisCounts) {
  const Command& get = *table_.FindByName("get");
  EXPECT_FALSE(get.ArityFits(1));
  EXPECT_TRUE(get.ArityFits(2));
  EXPECT_FALSE(get.ArityFits(3));
  const Command& del = *table_.FindByName("del");
  EXPECT_FALSE(del.ArityFits(1));
  EXPECT_TRUE(del.ArityFits(1000));
}

TEST_F(CommandTableTest, WhatOperatorsAskAndWhatWaitsSaysNothingOfHowClientsFare) {
  std::string wrong;
  for (const Bytes name : {"get", "set", "mget", "hgetall", "eval", "exec", "lpop", "msetnx"}) {
    if (!table_.FindByName(name)->of_clients) wrong += std::string(name) + " ";
  }
  for (const Bytes name : {"info", "config|get", "client|list", "proxy|workers", "ping", "blpop",
                           "xreadgroup", "slowlog|get", "keys", "subscribe", "time", "multi"}) {
    if (table_.FindByName(name)->of_clients) wrong += std::string(name) + " ";
  }
  EXPECT_EQ(wrong, "");
}

}  // namespace
}  // namespace ringmaster
