#include "config/dump.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace ringmaster {
namespace {

std::string FileText(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// A configuration with every key of the schema and with texts that are hard to write.
std::string Everything() {
  const std::string file = RM_SOURCE_DIR "/CMakeLists.txt";  // any that can be read
  const std::string tls = "enabled: true, cert: " + file + ", key: " + file + ", ca: " + file;
  return R"(
pools:
  - name: "p\u00e9\u0085\ufeff\U0001F600\\\"#:"
    listen: [{address: "h.l:1", tls: {)" +
         tls + R"(, verify_client: true}}]
    ring: {hash: crc32a, distribution: ketama, virtual_nodes: 3, hash_tag: "$$",
           together: ["bull:{queue}:*", "q,{#}:\u00e9"]}
    shards:
      - {name: "a,b", address: "[::1]:2", weight: 9, username: "null", password: "hidden: {",
         replicas: [/run/a, "h:3"], tls: {)" +
         tls + R"(, server_name: s, verify: false}}
      - {name: "~", address: "/run/b c", weight: 2}
      - {name: m, address: "h:4", master: "group:m"}
    sentinels: {addresses: ["h:5", "[::1]:6"], username: "s: u", password: "hidden,"}
    databases: 1
    users:
      - {name: default, nopass: true, commands: "", keys: [], channels: []}
      - {name: u, passwords: [hidden], commands: -@all, keys: ["a b", '%R~c'], channels: ["[x]"],
         password_sha256: 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b}
workers: 5
balance: {push: false, pull: true, interval: 1500ms, threshold: 0.333}
schedule: {quantum: 1, window: 1, background_share: 0.1, background: [keys]}
saga: {journal: "./a b", fsync: always, modes: {DEL: saga, MSET: reject}}
commands:
  M.A: {keys: {first: 2, last: -1, step: 3}, write: true, arity: 4}
  M.B: {keys: shard, serve: forward}
  M.C: {keys: none, serve: concat}
  KEYS: {serve: refuse, why: "is: slow"}
rebalance: {batch: 1, max_keys_per_second: 1000, durable_move: off}
timeouts: {connect: 1ms, command: 61s, idle_client: 1d, drain: 90m}
limits: {clients: 1, query_buffer: 1025, reply_buffer: 1kb, memory: 3gb, max_args: 1, max_bulk: 2k,
         nesting: 8}
admin: {listen: "", hosts: [a.example, "*"]}
watchdog: 0s
log: {level: "off", file: "a: b", format: json}
)";
}

bool IsWordCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

// The keys of a dump: words with a colon and a space or a line end behind.
std::set<std::string> Keys(const std::string& yaml) {
  std::set<std::string> keys;
  for (size_t i = 1; i + 1 < yaml.size(); ++i) {
    if (yaml[i] != ':' || (yaml[i + 1] != ' ' && yaml[i + 1] != '\n')) continue;
    size_t start = i;
    while (start > 0 && IsWordCharacter(yaml[start - 1])) --start;
    if (start < i) keys.insert(yaml.substr(start, i - start));
  }
  return keys;
}

bool HasWord(const std::string& text, const std::string& word) {
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || !IsWordCharacter(text[at - 1])) &&
        (end == text.size() || !IsWordCharacter(text[end]))) {
      return true;
    }
  }
  return false;
}

Config Parsed(const std::string& text, const std::string& name = "f") {
  Result<Config> config = ParseConfig(text, name);
  if (!config) {
    ADD_FAILURE() << config.error().text << "\n" << text;
    return {};
  }
  return *std::move(config);
}

TEST(DumpConfigTest, ReadsBackAsTheSameConfiguration) {
  const Config config = Parsed(Everything());
  const std::string dump = DumpConfig(config, Secrets::kShown);
  EXPECT_TRUE(Parsed(dump) == config) << dump;
}

// Texts that mean something else, or nothing, where they are not quoted: each indicator of YAML
// alone, in front, behind, between and next to the spaces that give it its meaning, and words.
std::vector<std::string> HardTexts() {
  std::vector<std::string> texts = {
      " ",      "null",   "~",      "true",    "no",     "off",        ".",      "...", "---",
      "--- a",  "0",      "0x1f",   "1e9",     "1_0",    ".inf",       ".nan",   "<<",  "=",
      "\\x41",  "''",     "\"\"",   "%YAML 1", "1:30",   "!!str",      "*a",     "&a",  "a: b, c",
      "{a: b}", "\u00e9", "\u0085", "\u2028",  "\ufeff", "\U0001F600", "[a, b]", "#a"};
  for (const char c : std::string("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")) {
    const std::string mark(1, c);
    for (const char* form : {"%", "%a", "a%", "a%b", "% a", "a %", "a % b", "a% b", "a %b", " %",
                             "% ", "%%", "%%a", "%% a"}) {
      std::string text;
      for (const char* at = form; *at != 0; ++at) text += *at == '%' ? mark : std::string(1, *at);
      texts.push_back(text);
    }
  }
  return texts;
}

// In a block, in a list and in a map on one line.
TEST(DumpConfigTest, TextsThatNeedQuotesReadBackAsTheyWere) {
  Config config = Parsed("pools: [{shards: ['h:1'], users: [{name: default, passwords: [x]}]}]");
  CommandConfig refused;
  refused.name = "KEYS";
  refused.serve = CommandService::kRefuse;
  for (const std::string& text : HardTexts()) {
    PoolConfig& pool = config.pools[0];
    pool.shards[0].password = text;
    pool.shards[0].username = text;
    pool.users[0].passwords = {text, "b", text + "c"};
    config.log.file = text;
    refused.why = text;
    config.commands = {refused};
    const std::string dump = DumpConfig(config, Secrets::kShown);
    EXPECT_TRUE(Parsed(dump) == config) << "'" << text << "'\n" << dump;
  }
}

TEST(DumpConfigTest, ShowsNoSecretUnlessAskedTo) {
  const Config config = Parsed(Everything());
  const std::string dump = DumpConfig(config);
  EXPECT_EQ(dump.find("hidden"), std::string::npos) << dump;
  EXPECT_EQ(dump.find("2bb80d53"), std::string::npos) << dump;
  EXPECT_NE(dump.find("password: \"<redacted>\""), std::string::npos) << dump;
  EXPECT_NE(DumpConfig(config, Secrets::kShown).find("hidden"), std::string::npos);
}

TEST(ShippedConfigTest, IsAcceptedInEveryFileOfConf) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(RM_SOURCE_DIR "/conf")) {
    if (entry.path().extension() != ".yml") continue;
    const Result<Config> config = LoadConfig(entry.path());
    EXPECT_TRUE(config) << config.error().text;
    ++files;
  }
  EXPECT_GE(files, 4);
}

TEST(ShippedConfigTest, ShowsTheDefaultOfEveryKey) {
  const Result<Config> full = LoadConfig(RM_SOURCE_DIR "/conf/ringmaster.yml");
  ASSERT_TRUE(full) << full.error().text;
  const Config defaults = Parsed(
      "pools: [{shards: [{name: a, address: '127.0.0.1:7001'}, "
      "{name: b, address: '127.0.0.1:7002'}, {name: c, address: '127.0.0.1:7003'}]}]");
  EXPECT_EQ(DumpConfig(*full), DumpConfig(defaults));
}

TEST(ShippedConfigTest, ExplainsEveryKeyOfTheSchema) {
  const std::string text = FileText(RM_SOURCE_DIR "/conf/ringmaster.yml");
  const std::set<std::string> keys = Keys(DumpConfig(Parsed(Everything())));
  EXPECT_GT(keys.size(), 50U);
  for (const std::string& key : keys) {
    EXPECT_TRUE(HasWord(text, key)) << key;
  }
}

TEST(ShippedConfigTest, HasExamplesOfUsersThatAreAccepted) {
  std::istringstream lines(FileText(RM_SOURCE_DIR "/conf/ringmaster.yml"));
  std::string text = "pools:\n  - shards: ['h:1']\n";
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line == "    # users:") inside = true;
    if (inside && !line.starts_with("    #")) break;
    if (inside) text += "    " + line.substr(6) + "\n";
  }
  EXPECT_EQ(Parsed(text).pools.at(0).users.size(), 3U) << text;
}

TEST(ShippedConfigTest, PlacesKeysAsTwemproxyInItsReplacement) {
  const Result<Config> config = LoadConfig(RM_SOURCE_DIR "/conf/twemproxy.yml");
  ASSERT_TRUE(config) << config.error().text;
  const PoolConfig& pool = config->pools.at(0);
  EXPECT_EQ(pool.ring.hash + " " + pool.ring.distribution + " " + pool.ring.hash_tag,
            "fnv1a_64 ketama {}");
  EXPECT_EQ(pool.shards.at(2).name + " " + std::to_string(pool.shards[2].weight), "server3 2");
}

}  // namespace
}  // namespace ringmaster
