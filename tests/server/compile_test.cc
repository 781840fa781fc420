#include "server/compile.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "command/rows/all_rows.h"
#include "support/temp_folder.h"

namespace ringmaster {
namespace {

class CompileTest : public testing::Test {
 protected:
  using Made = Result<std::shared_ptr<const CompiledConfig>>;
  Made Compiled(const std::string& text) const {
    return Compile(table_, ConfigFile::Parse(text, "f"));
  }
  std::string Top(const std::string& more) const {
    return "pools: [{shards: [{name: a, address: 'h:1'}]}]\n" +
           (more.find("saga:") == std::string::npos ? "saga: {journal: ''}\n" : std::string()) +
           more;
  }
  // "fine", or every mistake.
  std::string Wrong(const std::string& text) const {
    const Made made = Compiled(text);
    return made ? "fine" : made.error().text;
  }

  const CommandTable table_{AllCommands()};
  const TempFolder temporary_;
  const std::string folder_ = temporary_.path();
};

TEST_F(CompileTest, EveryMistakeIsToldAtOnceWithItsPlace) {
  std::ofstream(folder_ + "/cert.pem") << "no certificate\n";
  const std::string cert = folder_ + "/cert.pem";
  const std::string all = Wrong(R"(pools:
  - listen: [{address: '127.0.0.1:2', tls: {cert: )" +
                                cert + ", key: " + cert + R"(}}]
    shards:
      - {name: a, address: 'h:1', wieght: 3}
    users:
      - {name: one, nopass: true, commands: +@all +nosuch}
      - name: two
        nopass: true
        keys: ['*', 'app:*']
schedule: {background: [keys, nothing]}
saga:
  journal: ''
  modes:
    DEL: saga
    PING: saga
commands:
  M.A: {keys: 1}
  M.B: {serve: sum}
)");
  for (const char* said :
       {"f:2:44: pools[0].listen[0].tls: cannot use certificate",
        "f:4:35: unknown key 'wieght' in pools[0].shards[0]",
        "f:9:15: pools[0].users[1].keys: '~app:*': ",
        "f:10:31: schedule.background[1]: there is no command 'nothing'",
        "f:15:11: saga.modes.PING: ", "f:18:8: commands.M.B: say where its keys are"}) {
    EXPECT_NE(all.find(said), std::string::npos) << said << "\nin\n" << all;
  }
}

// Another reload may find other rows in force than the start did.
TEST_F(CompileTest, CommandsCountAsTheFileMakesThem) {
  const std::string both =
      Top("commands: {KEYS: {serve: refuse}}\nschedule: {background: [keys]}\n");
  EXPECT_TRUE(Wrong(both).starts_with("f:4:25: schedule.background[0]: 'keys' cannot wait"))
      << Wrong(both);
  CommandTable table{AllCommands()};
  const auto refusing =
      Compile(table, ConfigFile::Parse(Top("commands: {KEYS: {serve: refuse}}\n"), "f"));
  ASSERT_TRUE(refusing.ok());
  table.Replace((*refusing)->commands);
  const auto next = Compile(table, ConfigFile::Parse(Top("schedule: {background: [keys]}\n"), "f"));
  EXPECT_TRUE(next.ok()) << next.error().text;
}

// The schema's complaint about a value is enough.
TEST_F(CompileTest, OneMistakeIsToldOnce) {
  const std::string said = Wrong(
      "pools:\n  - shards: ['h:1']\n    users: [{name: u, nopass: true, commands: '++x'}]\n"
      "saga: {journal: ''}\n");
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 0) << said;
}

TEST_F(CompileTest, WhatIsRiskyIsNoted) {
  const Made made = Compiled(
      "pools:\n  - shards:\n      - {name: a, address: 'h:1', replicas: ['h:2']}\n"
      "saga: {journal: ''}\n");
  ASSERT_TRUE(made.ok()) << made.error().text;
  ASSERT_EQ((*made)->notes.size(), 2U);
  EXPECT_TRUE((*made)->notes[0].starts_with("f:4:17: saga.journal: ")) << (*made)->notes[0];
  EXPECT_TRUE((*made)->notes[1].starts_with(
      "f:3:45: pools[0].shards[0].replicas: a key that has just moved can be lost"))
      << (*made)->notes[1];
}

TEST_F(CompileTest, KeysThatNeedARestartAreNamedAllOfThem) {
  const auto now = Compiled(Top("saga: {journal: " + folder_ + "/a.db}\nworkers: 2\n"));
  const auto next = Compiled(R"(pools:
  - {name: main, databases: 3, shards: ['h:1']}
  - {name: more, listen: '127.0.0.1:1', shards: ['h:2']}
saga: {journal: )" + folder_ +
                             R"(/b.db, fsync: always}
workers: 3
timeouts: {command: 1s}
)");
  ASSERT_TRUE(now.ok() && next.ok());
  EXPECT_TRUE(CheckChange(**now, **now, 2).ok());
  const Status fits = CheckChange(**now, **next, 2);
  ASSERT_FALSE(fits.ok());
  const std::string& said = fits.error().text;
  for (const char* each : {"f:2:29: pools[0].databases: it is 3 and was 16", "pools: there are 2",
                           "saga.journal: it is ", "saga.fsync: ", "f:5:10: workers: it is 3"}) {
    EXPECT_NE(said.find(each), std::string::npos) << each << "\nin\n" << said;
  }
  EXPECT_EQ(said.find("timeouts"), std::string::npos) << said;
}

TEST_F(CompileTest, TheStateDatabaseHasAPlaceThatCanBeUsed) {
  EXPECT_NE(Wrong(Top("saga: {journal: " + folder_ + "/none/state.db}\n"))
                .find("f:2:17: saga.journal: there is no folder"),
            std::string::npos);
  EXPECT_NE(Wrong(Top("saga: {journal: " + folder_ + "}\n")).find("is a folder"),
            std::string::npos);
  setenv("STATE_DIRECTORY", folder_.c_str(), 1);
  const Made made = Compiled(Top("saga: {fsync: no}\n"));
  unsetenv("STATE_DIRECTORY");
  ASSERT_TRUE(made.ok()) << made.error().text;
  EXPECT_EQ((*made)->state.path, folder_ + "/state.db");
  const Made without = Compiled(Top("saga: {journal: ''}\n"));
  ASSERT_TRUE(without.ok());
  EXPECT_EQ((*without)->state.path, "");
}

}  // namespace
}  // namespace ringmaster
