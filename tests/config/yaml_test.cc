#include "config/yaml.h"

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

// The tree in one line: {key: value}, [list], 'quoted', ~ for nothing.
std::string Shown(const YamlValue& value) {
  switch (value.kind) {
    case YamlValue::Kind::kNull:
      return "~";
    case YamlValue::Kind::kText:
      return value.quoted ? "'" + value.text + "'" : value.text;
    case YamlValue::Kind::kList: {
      std::string out = "[";
      for (const YamlValue& element : value.values) {
        out += (out.size() > 1 ? ", " : "") + Shown(element);
      }
      return out + "]";
    }
    case YamlValue::Kind::kMap:
      break;
  }
  std::string out = "{";
  for (size_t i = 0; i < value.keys.size(); ++i) {
    out += (out.size() > 1 ? ", " : "") + Shown(value.keys[i]) + ": " + Shown(value.values[i]);
  }
  return out + "}";
}

// The tree or what is wrong with the text.
std::string Parsed(Bytes text) {
  Problems problems;
  const std::optional<YamlValue> tree = ParseYaml(text, problems);
  if (!problems.empty()) return problems.ToError("f").text;
  return tree ? Shown(*tree) : "neither";
}

TEST(YamlTest, KeepsTextsAsTheyAreWritten) {
  EXPECT_EQ(Parsed("a: 010\nb: no\nc: \"1\"\nd: 'x y'\ne: 1.50\n"),
            "{a: 010, b: no, c: '1', d: 'x y', e: 1.50}");
}

TEST(YamlTest, TellsNothingFromAnEmptyText) {
  EXPECT_EQ(Parsed("a:\nb: ~\nc: null\nd: ''\n"), "{a: ~, b: ~, c: ~, d: ''}");
  EXPECT_EQ(Parsed(""), "~");
  EXPECT_EQ(Parsed("# only a comment\n"), "~");
}

TEST(YamlTest, RemembersWhereEverythingStood) {
  Problems problems;
  const auto tree = ParseYaml("a:\n  - {b: c}\n", problems);
  ASSERT_TRUE(tree);
  const YamlValue& b = tree->values[0].values[0].keys[0];
  EXPECT_EQ(b.text + " " + std::to_string(b.at.line) + ":" + std::to_string(b.at.column), "b 2:6");
}

TEST(YamlTest, UnfoldsAliasesAndMergeKeys) {
  EXPECT_EQ(Parsed("a: &x {p: 1, q: 2}\nb: *x\nc: {<<: *x, q: 3}\n"),
            "{a: {p: 1, q: 2}, b: {p: 1, q: 2}, c: {q: 3, p: 1}}");
  EXPECT_EQ(Parsed("- &x {p: 1}\n- &y {p: 2, r: 3}\n- {<<: [*x, *y]}\n"),
            "[{p: 1}, {p: 2, r: 3}, {p: 1, r: 3}]");
  EXPECT_EQ(Parsed("{'<<': 1}"), "{'<<': 1}");
}

TEST(YamlTest, TellsOfKeysThatStandTwice) {
  EXPECT_EQ(Parsed("a: 1\nb: 2\na: 3\n"),
            "f:3:1: the key 'a' stands on line 1 already: remove one of them");
}

TEST(YamlTest, TellsWhereTheSyntaxIsWrong) {
  EXPECT_EQ(Parsed("a: 1\nb: [1, 2\n"), "f:3:1: this is no YAML: end of sequence flow not found");
  EXPECT_EQ(Parsed("a: *nobody\n"), "f:1:4: this is no YAML: the referenced anchor is not defined");
  EXPECT_EQ(Parsed("? [a]\n: 1\n"), "f:1:3: a key has to be plain text");
  EXPECT_EQ(Parsed("a: 1\n---\nb: 2\n"),
            "f:2:1: a second document starts here: one file holds one document");
  EXPECT_EQ(Parsed("a: {<<: 1}\n"), "f:1:9: the merge key << takes a map or a list of maps");
  EXPECT_EQ(Parsed("a: !mine 1\n"), "f:1:4: the tag '!mine' means nothing here: remove it");
  EXPECT_EQ(Parsed("a: &x [*x]\n"), "f:1:8: this alias stands inside the value that it names");
}

TEST(YamlTest, RefusesWhatIsNoText) {
  EXPECT_EQ(Parsed(Bytes("a: \0b", 5)),
            "f:1:1: the file holds a zero byte: it is no text file, or not in UTF-8");
}

TEST(YamlTest, BoundsSizeAndNesting) {
  EXPECT_EQ(Parsed(std::string(kMaxYamlText + 1, '#')),
            "f:1:1: the file is larger than the 1 MiB that a configuration may have");
  const std::string deep = std::string(kMaxYamlDepth, '[') + std::string(kMaxYamlDepth, ']');
  EXPECT_EQ(Parsed(deep), deep);
  EXPECT_EQ(Parsed("[" + deep + "]"), "f:1:33: the file is nested too deep");
  EXPECT_TRUE(Parsed(std::string(500'000, '[')).ends_with("the file is nested too deep"));
}

TEST(YamlTest, BoundsWhatAliasesUnfoldInto) {
  std::string values = "- &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string alias = "*a" + std::to_string(i - 1);
    values += "- &a" + std::to_string(i) + " [" + alias;
    for (int j = 1; j < 10; ++j) values += ", " + alias;
    values += "]\n";
  }
  EXPECT_TRUE(Parsed(values).ends_with("the file has too many values")) << Parsed(values);

  std::string bytes = "- &a " + std::string(500'000, 'x') + "\n";
  for (int i = 0; i < 20; ++i) bytes += "- *a\n";
  EXPECT_TRUE(Parsed(bytes).ends_with("the file unfolds into too much text"));
}

TEST(YamlTest, ShowsNoMoreProblemsThanAPersonReads) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "a: 1\n";
  const std::string shown = Parsed(text);
  EXPECT_EQ(std::count(shown.begin(), shown.end(), '\n'), 50);
  EXPECT_TRUE(shown.ends_with("\n... and 4949 more")) << shown.substr(shown.rfind('\n'));
}

}  // namespace
}  // namespace ringmaster
