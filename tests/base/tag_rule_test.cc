#include "base/tag_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;

TagRule Rule(Bytes text) { return TagRule::Parse(text).value(); }

TEST(TagRuleTest, ThePartInBracesIsTheTag) {
  struct Case {
    Bytes rule, key, tag;
  };
  const Case cases[] = {
      {"bull:{queue}:*", "bull:mail:wait", "mail"},
      {"bull:{queue}:*", "bull:mail:", "mail"},
      {"bull:{queue}:*", "bull:mail", ""},
      {"bull:{queue}:*", "bull::wait", ""},
      {"bull:{queue}:*", "xbull:mail:wait", ""},
      {"bull:{queue}:*", "bull:{a}:wait", "{a}"},
      {"bull:{queue}:*", "", ""},
      {"queues:{queue}", "queues:a:b", "a:b"},
      {"queues:{queue}", "queues:", ""},
      {"{user}", "whole", "whole"},
      {"{user}:cart", "7:cart", "7"},
      {"{user}:cart", "7:cart:old", ""},
      {"{user}:cart", "7:8:cart", ""},
      {"*:bull:{queue}:*", "app:bull:mail:wait", "mail"},
      {"*:bull:{queue}:*", "app:x:bull:mail:wait", "mail"},
      {"*:bull:{queue}:*", "bull:mail:wait", ""},
      {"*:bull:{queue}:*", "a:bull::bull:mail:wait", ""},
      {"a{b}cde*", "a1cde", "1"},
      {"a{b}cde*", "a1cxcde", ""},
  };
  for (const Case& each : cases)
    EXPECT_EQ(Rule(each.rule).TagOf(each.key), each.tag) << each.rule << " " << each.key;
}

TEST(TagRuleTest, WhatMakesNoSenseIsRefusedWithWhatToWrite) {
  const auto why = [](const std::string& rule) {
    const Result<TagRule> parsed = TagRule::Parse(rule);
    return parsed ? "taken" : parsed.error().text;
  };
  EXPECT_THAT(why(""), HasSubstr("names no part"));
  EXPECT_THAT(why("bull:*"), HasSubstr("names no part"));
  EXPECT_THAT(why("bull:{}:*"), HasSubstr("names no part"));
  EXPECT_THAT(why("bull:}{"), HasSubstr("names no part"));
  EXPECT_THAT(why("bull:{queue}*"), HasSubstr("where {queue} ends"));
  EXPECT_THAT(why("*{queue}:x"), HasSubstr("before {queue}"));
  EXPECT_THAT(why("a*b:{queue}"), HasSubstr("everything else"));
  EXPECT_THAT(why("a:{b}:{c}"), HasSubstr("everything else"));
  EXPECT_THAT(why("a:{b*}:c"), HasSubstr("everything else"));
  EXPECT_THAT(why("a:{b}:c**"), HasSubstr("everything else"));
  EXPECT_THAT(why(std::string(600, 'a') + "{b}"), HasSubstr("longer than 512"));
}

// What it says of a prefix holds for every key that begins with it.
TEST(TagRuleTest, CoverOfAPrefixIsRight) {
  const Bytes alphabet = "ab:";
  Random random(1);
  size_t all = 0, none = 0;
  const auto draw = [&](size_t most) {
    std::string text;
    for (size_t n = random.Below(most + 1); n > 0; --n)
      text += alphabet[random.Below(alphabet.size())];
    return text;
  };
  for (int round = 0; round < 20000; ++round) {
    std::string pattern = random.Below(4) == 0 ? "*" : "";
    pattern += draw(2) + "{x}" + draw(2) + (random.Below(2) == 0 ? "*" : "");
    const Result<TagRule> rule = TagRule::Parse(pattern);
    if (!rule) continue;
    const std::string prefix = draw(6);
    const TagRule::Covers cover = rule->CoverOf(prefix);
    all += cover == TagRule::Covers::kAll ? 1 : 0;
    none += cover == TagRule::Covers::kNone ? 1 : 0;
    const Bytes tag = rule->TagOf(prefix);
    for (int i = 0; i < 20; ++i) {
      const std::string key = prefix + draw(5);
      const Bytes one = rule->TagOf(key);
      const bool right = cover == TagRule::Covers::kAll    ? !one.empty() && one == tag
                         : cover == TagRule::Covers::kNone ? one.empty()
                                                           : true;
      ASSERT_TRUE(right) << pattern << " " << prefix << " " << key;
    }
  }
  EXPECT_GT(all, 200U);
  EXPECT_GT(none, 500U);
}

}  // namespace
}  // namespace ringmaster
