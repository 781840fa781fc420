#include "ring/hash.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/random.h"

namespace ringmaster {
namespace {

std::string Hex(uint64_t value, int digits) {
  char text[20];
  std::snprintf(text, sizeof(text), "%0*llx", digits, static_cast<unsigned long long>(value));
  return text;
}

// Each is a border of some function: nothing, tails of one to three bytes, a whole Jenkins block
// and one byte more, bytes that a plain char holds as negative numbers, and a zero.
const std::vector<std::string> kKeys = {
    "",
    "a",
    "ab",
    "abc",
    "abcd",
    "user:1000",
    "0123456789ab",
    "0123456789abc",
    "the quick brown fox jumps over the lazy dog",
    "\xff",
    "caf\xc3\xa9",
    std::string("\x80\x81\x82\xfd\xfe\xff\x00", 7),
};

struct TwemproxyCase {
  HashKind kind;
  const char* of_keys;  // of kKeys, in order
  const char* of_many;  // of RandomKeys(), folded into one
};

// What the functions of twemproxy 60aaf85 return on x86-64.
constexpr TwemproxyCase kTwemproxy[] = {
    {HashKind::kMurmur,
     "00000000 4b41757c e3b54dfb 7b0cc428 ef6a86af 8e24aec7 0d4e2821 c23faf3e 65e55ac2 db530a9c "
     "da11981f ba2382ca",
     "e543bdd062d47c18"},
    {HashKind::kCrc16,
     "00000000 00007c87 007c74ff 7c749dd6 749da836 e1644671 9c66f284 66f21798 5cea7025 00001ef0 "
     "f6269667 b7e3014d",
     "344568031a4b493c"},
    {HashKind::kCrc32,
     "00000000 000068b7 00001e83 00003524 00006d82 00001f74 00000623 00004e68 00004e0c 00007f00 "
     "000018ad 000053c2",
     "5ecc660668cc6b28"},
    {HashKind::kCrc32a,
     "00000000 e8b7be43 9e83486d 352441c2 ed82cd11 9f7417e3 0623c932 ce68ad26 ce0c5114 ff000000 "
     "98ad42b5 53c27cd1",
     "d1bd7c738b719bf1"},
    {HashKind::kMd5,
     "d98c1dd4 b975c10c 43f47e18 98500190 4c71fce2 2e986207 bf520cb6 71d9312d d5d1ad77 d44f5900 "
     "e47f1107 30d48c69",
     "4085f693e9c951f0"},
    {HashKind::kFnv1_64,
     "84222325 8601b7be b4eb37b8 6bafadcb fb844f95 d39e3d21 a4cfc71d 0d0f5624 d2fcc6ee 79fe4820 "
     "8a06fef1 68424d12",
     "05aa2d6e58f43da2"},
    {HashKind::kFnv1a_64,
     "84222325 8601ec8c b545986a 0541574b ee0724dd ae7b4289 43b49151 0bd2b7f6 3ff89bb0 79fe466e "
     "cef6bb89 8385d8fc",
     "db5a71c024ca2962"},
    {HashKind::kFnv1_32,
     "811c9dc5 050c5d7e 70772d38 439c2f4b b9de7375 a6affca1 1963825d 54a63804 dc3f548e faf3a2e0 "
     "d682f171 61e66bb2",
     "56894629bdee5682"},
    {HashKind::kFnv1a_32,
     "811c9dc5 e40c292c 4d2505ca 1a47e90b ce3479bd 507c1d89 2d4c5d51 8136b5b6 ef693ff0 f9f3a14e "
     "7572c049 f6f3a93c",
     "db7d366cbe70dcc2"},
    {HashKind::kHsieh,
     "00000000 93642e87 5b8c0ec3 e5186b3a 3ab452d8 ddec1969 abe296d7 9aefedfa f9ea1db0 02a6dba8 "
     "de3f8855 8d629c10",
     "2325525baca49205"},
    {HashKind::kJenkins,
     "deadbefc e0a38690 c1b5695b 8f415600 d512151a 048c4d84 6d223753 37f93ead 1e87cff9 e1964da8 "
     "cb6225ad a70b4d2b",
     "2a72993debcf9a08"},
    {HashKind::kOneAtATime,
     "00000000 ca2e9442 45e61e58 ed131f5b cd8b6206 b563b74f f6361f26 cae77770 2d1643ce ae65a494 "
     "d99c709e 143fbe57",
     "867d5ebafd1ced29"},
};

// 5,000 keys of 0 to 79 bytes of any value.
std::vector<std::string> RandomKeys() {
  Random random(7);
  std::vector<std::string> keys(5000);
  for (std::string& key : keys) {
    const uint64_t size = random.Below(80);
    while (key.size() < size) key.push_back(static_cast<char>(random.Below(256)));
  }
  return keys;
}

class TwemproxyHashTest : public testing::TestWithParam<TwemproxyCase> {};

TEST_P(TwemproxyHashTest, GivesTwemproxysValuesAtTheBorders) {
  std::string values;
  for (const std::string& key : kKeys) {
    values += (values.empty() ? "" : " ") + Hex(Hash(GetParam().kind, key), 8);
  }
  EXPECT_EQ(values, GetParam().of_keys);
}

TEST_P(TwemproxyHashTest, GivesTwemproxysValuesForAnyBytes) {
  uint64_t folded = 0;
  for (const std::string& key : RandomKeys()) {
    folded = folded * 0x9e3779b97f4a7c15ULL + Hash(GetParam().kind, key);
  }
  EXPECT_EQ(Hex(folded, 16), GetParam().of_many);
}

// An exact-size heap block at an odd address, so that a sanitizer sees any byte read outside, and
// any load that relies on alignment.
TEST_P(TwemproxyHashTest, ReadsOnlyTheKeyWhereverItLies) {
  const std::string key = "0123456789abcdefghijklmn";
  for (size_t size = 0; size <= key.size(); ++size) {
    const std::vector<char> block(key.begin() + static_cast<std::ptrdiff_t>(key.size() - size),
                                  key.end());
    const Bytes inside = Bytes(key).substr(key.size() - size);
    EXPECT_EQ(Hash(GetParam().kind, Bytes(block.data(), block.size())),
              Hash(GetParam().kind, inside));
  }
}

INSTANTIATE_TEST_SUITE_P(All, TwemproxyHashTest, testing::ValuesIn(kTwemproxy),
                         [](const auto& info) { return std::string(HashName(info.param.kind)); });

TEST(HashTest, Xxh3GivesThePublishedValues) {
  EXPECT_EQ(Hex(Hash(HashKind::kXxh3, ""), 16), "2d06800538d394c2");
  EXPECT_EQ(Hex(Hash(HashKind::kXxh3, "a"), 16), "e6c632b61e964e1f");
  EXPECT_EQ(Hex(Hash(HashKind::kXxh3, kKeys[8]), 16), "e4541a9cacf545aa");
}

TEST(HashTest, EveryNameLeadsBackToItsKind) {
  std::string names;
  for (int i = 0; i <= static_cast<int>(HashKind::kOneAtATime); ++i) {
    const auto kind = static_cast<HashKind>(i);
    names += std::string(HashName(kind)) + " ";
    EXPECT_EQ(ParseHashKind(HashName(kind)), kind);
  }
  EXPECT_EQ(names,
            "xxh3 murmur crc16 crc32 crc32a md5 fnv1_64 fnv1a_64 fnv1_32 fnv1a_32 hsieh jenkins "
            "one_at_a_time ");
}

TEST(HashTest, UnknownNamesHaveNoKind) {
  EXPECT_EQ(ParseHashKind("sha1"), std::nullopt);
  EXPECT_EQ(ParseHashKind("XXH3"), std::nullopt);
  EXPECT_EQ(ParseHashKind(""), std::nullopt);
}

TEST(HashTest, Md5WordsAreTheDigestInItsOrder) {
  // RFC 1321: MD5("abc") = 900150983cd24fb0d6963f7d28e17f72.
  std::string words;
  for (const uint32_t word : Md5Words("abc")) words += Hex(word, 8) + " ";
  EXPECT_EQ(words, "98500190 b04fd23c 7d3f96d6 727fe128 ");
}

}  // namespace
}  // namespace ringmaster
