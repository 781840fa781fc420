#include "config/yaml_mistakes.h"

#include <gtest/gtest.h>

#include "config/config.h"

namespace ringmaster {
namespace {

// What the configuration's reader says of a text that is no YAML.
std::string Said(const std::string& text) {
  const Result<Config> config = ParseConfig(text, "f");
  return config ? "fine" : config.error().text;
}

struct Case {
  const char* text;
  const char* said;
};

TEST(YamlMistakesTest, ATabIsCalledATab) {
  for (const Case& each :
       {Case{"pools:\n\t- name: a\n",
             "f:2:1: a tab stands in the indentation: YAML takes spaces only there"},
        Case{"pools:\n  - name: a\n\tlisten: [x]\n",
             "f:3:1: a tab stands in the indentation: YAML takes spaces only there"},
        Case{"limits:\n  clients: 1\n \tmemory: 0\n",
             "f:3:1: a tab stands in the indentation: YAML takes spaces only there"}}) {
    EXPECT_EQ(Said(each.text), each.said) << each.text;
  }
}

TEST(YamlMistakesTest, AWrongIndentationIsCalledThatAndTheRightColumnsAreNamed) {
  for (const Case& each :
       {Case{"pools:\n  - name: a\n   listen: [x]\n",
             "f:3:4: wrong indentation: the line begins in column 4, where no line above it "
             "does; begin in column 1, 3 or 5"},
        Case{"pools:\n  - name: a\n      listen: [x]\n",
             "f:3:7: wrong indentation: the line begins in column 7, deeper than line 2, which "
             "is complete; begin in column 5 to go on behind it"},
        Case{"limits:\n    clients: 1\n  memory: 0\n",
             "f:3:3: wrong indentation: the line begins in column 3, where no line above it "
             "does; begin in column 1 or 5"},
        Case{"workers: 1\n  log: {}\n",
             "f:2:3: wrong indentation: the line begins in column 3, deeper than line 1, which "
             "is complete; begin in column 1 to go on behind it"},
        Case{"  workers: 1\nlog: {}\n",
             "f:2:1: wrong indentation: the line begins in column 1, where no line above it "
             "does; begin in column 3"},
        Case{"pools:\n - name: a\n  - name: b\n",
             "f:3:3: wrong indentation: the line begins in column 3, where no line above it "
             "does; begin in column 1, 2 or 4"}}) {
    EXPECT_EQ(Said(each.text), each.said) << each.text;
  }
}

TEST(YamlMistakesTest, AMissingSpaceBehindTheColonIsNamed) {
  EXPECT_EQ(Said("workers:4\nlog: {}\n"), "f:1:8: a colon and a space belong behind 'workers'");
  EXPECT_EQ(Said("workers 4\nlog: {}\n"), "f:1:8: a colon and a space belong behind 'workers'");
}

// What is wrong in another way keeps the parser's words, and what is right is not looked at.
TEST(YamlMistakesTest, OtherMistakesAreNotTakenForThese) {
  EXPECT_EQ(Said("a: 1\n---\nb: 2\n"),
            "f:2:1: a second document starts here: one file holds one document");
  EXPECT_EQ(Said("workers: [1, 2\n"), "f:2:1: this is no YAML: end of sequence flow not found");
  EXPECT_EQ(Said("workers: *nobody\n"),
            "f:1:10: this is no YAML: the referenced anchor is not defined");
  EXPECT_EQ(Said("workers:\t1\npools:\n- shards: ['h:1']\n"), "fine");
}

TEST(YamlMistakesTest, AnyPlaceInAnyTextIsFine) {
  const std::string texts[] = {
      "", "\n", "\t", "-", "- ", "a:", "'", "\"\n", "# x\n\t# y\n", "a: 'b\n"};
  for (const std::string& text : texts) {
    for (int line = 1; line < 5; ++line) {
      const auto mistake = NameYamlMistake(text, {line, 1});
      EXPECT_TRUE(!mistake || mistake->at.line >= 1) << text;
    }
  }
}

}  // namespace
}  // namespace ringmaster
