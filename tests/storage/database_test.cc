#include "storage/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <future>
#include <set>

#include "base/random.h"
#include "support/temp_folder.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;

Database::Work Sql(std::string sql, std::vector<DatabaseValue> values = {}) {
  return [sql = std::move(sql), values = std::move(values)](DatabaseSession& session) -> Status {
    const auto rows = session.Run(sql, values);
    if (!rows.ok()) return rows.error();
    return Done();
  };
}

class DatabaseTest : public testing::Test {
 protected:
  std::string path() const { return folder_.File("state.db"); }
  std::unique_ptr<Database> Open(Database::Fsync fsync = Database::Fsync::kNo,
                                 size_t max_waiting = 65536) {
    auto opened = Database::Open({path(), fsync, max_waiting});
    if (!opened.ok()) {
      refusal_ = opened.error().text;
      return nullptr;
    }
    return *std::move(opened);
  }
  // So many rows are in table t; -1: there is no such table.
  static int64_t Rows(Database& database) {
    auto rows = database.Query("SELECT count(*) FROM t");
    return rows.ok() ? std::get<int64_t>(rows->front()[0]) : -1;
  }

  TempFolder folder_;
  std::string refusal_;
};

TEST_F(DatabaseTest, WhatWasReportedIsThereAfterAnOpen) {
  {
    auto database = Open();
    ASSERT_NE(database, nullptr) << refusal_;
    EXPECT_TRUE(database->Execute(Sql("CREATE TABLE t (n INTEGER, bytes BLOB)")).ok());
    EXPECT_TRUE(
        database
            ->Execute(Sql("INSERT INTO t VALUES (?, ?)", {int64_t{-5}, std::string("\0a\xff", 3)}))
            .ok());
    EXPECT_TRUE(database->Execute(Sql("INSERT INTO t VALUES (?, ?)", {{}, std::string()})).ok());
  }
  auto database = Open();
  ASSERT_NE(database, nullptr) << refusal_;
  auto rows = database->Query("SELECT n, bytes FROM t WHERE n = ? OR n IS NULL", {int64_t{-5}});
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_EQ((*rows)[0], (DatabaseRow{int64_t{-5}, std::string("\0a\xff", 3)}));
  EXPECT_EQ((*rows)[1], (DatabaseRow{{}, std::string()}));
  EXPECT_TRUE(database->Verify().ok());
}

TEST_F(DatabaseTest, EveryOpenCountsTheIncarnationUp) {
  uint64_t first = 0;
  for (uint64_t i = 0; i < 3; ++i) {
    auto database = Open(Database::Fsync::kEverySecond);
    ASSERT_NE(database, nullptr) << refusal_;
    if (i == 0) first = database->incarnation();
    EXPECT_EQ(database->incarnation(), first + i);
  }
  EXPECT_LT(first, 1U << 23);
}

// Two proxies, or one that lost its database, give nothing on the shards the same name.
TEST_F(DatabaseTest, NewDatabaseDoesNotBeginWhereAnotherDid) {
  std::set<uint64_t> firsts;
  for (int i = 0; i < 4; ++i) {
    auto made = Database::Open({.path = folder_.File("new" + std::to_string(i) + ".db")});
    ASSERT_TRUE(made.ok()) << made.error().text;
    firsts.insert((*made)->incarnation());
  }
  EXPECT_GT(firsts.size(), 1U);
}

TEST_F(DatabaseTest, SecondProcessIsRefusedAndToldWhy) {
  auto database = Open();
  EXPECT_EQ(Open(), nullptr);
  EXPECT_THAT(refusal_, HasSubstr("in use by another process"));
  database.reset();
  EXPECT_NE(Open(), nullptr) << refusal_;
}

TEST_F(DatabaseTest, MissingFolderIsNamed) {
  auto opened = Database::Open({folder_.File("no/such/folder/state.db")});
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.error().text, HasSubstr("no/such/folder"));
}

TEST_F(DatabaseTest, WorkThatFailsIsAloneInThat) {
  auto database = Open();
  ASSERT_TRUE(database->Execute(Sql("CREATE TABLE t (n INTEGER PRIMARY KEY)")).ok());
  std::promise<void> start;
  database->Submit(
      [future = start.get_future().share()](DatabaseSession&) -> Status {
        future.wait();
        return Done();
      },
      [](const Status&) {});
  std::vector<std::string> said;
  std::promise<void> end;
  for (int64_t n : {1, 2, 2, 3}) {
    database->Submit(Sql("INSERT INTO t VALUES (?)", {n}),
                     [&](const Status& status) { said.push_back(status.ok() ? "ok" : "failed"); });
  }
  database->Submit([](DatabaseSession&) -> Status { return Done(); },
                   [&](const Status&) { end.set_value(); });
  start.set_value();
  end.get_future().wait();
  EXPECT_THAT(said, testing::ElementsAre("ok", "ok", "failed", "ok"));
  EXPECT_EQ(Rows(*database), 3);
}

TEST_F(DatabaseTest, ManySubmissionsShareATransaction) {
  auto database = Open();
  ASSERT_TRUE(database->Execute(Sql("CREATE TABLE t (n INTEGER)")).ok());
  std::promise<void> start;
  database->Submit(
      [future = start.get_future().share()](DatabaseSession&) -> Status {
        future.wait();
        return Done();
      },
      [](const Status&) {});
  for (int64_t n = 0; n < 1000; ++n) {
    database->Submit(Sql("INSERT INTO t VALUES (?)", {n}), [](const Status&) {});
  }
  start.set_value();
  EXPECT_EQ(Rows(*database), 1000);
  EXPECT_LE(database->figures().transactions, 10u);
}

TEST_F(DatabaseTest, SubmissionsBeyondTheBoundAreRefusedAtOnce) {
  auto database = Open(Database::Fsync::kNo, 2);
  std::promise<void> start, started;
  database->Submit(
      [&, future = start.get_future().share()](DatabaseSession&) -> Status {
        started.set_value();
        future.wait();
        return Done();
      },
      [](const Status&) {});
  started.get_future().wait();
  int refused = 0;
  for (int i = 0; i < 5; ++i) {
    database->Submit([](DatabaseSession&) -> Status { return Done(); },
                     [&](const Status& status) { refused += status.ok() ? 0 : 1; });
  }
  EXPECT_EQ(refused, 3);
  start.set_value();
}

TEST_F(DatabaseTest, FullDiskIsAnErrorAndGoesAwayWithItsCause) {
  auto database = Open();
  ASSERT_TRUE(database->Execute(Sql("CREATE TABLE t (n BLOB)")).ok());
  ASSERT_TRUE(database->Query("PRAGMA max_page_count=8").ok());
  const Status full =
      database->Execute(Sql("INSERT INTO t VALUES (?)", {std::string(100000, 'x')}));
  ASSERT_FALSE(full.ok());
  EXPECT_THAT(full.error().text, HasSubstr("full"));
  EXPECT_THAT(database->trouble(), HasSubstr("full"));
  EXPECT_EQ(Rows(*database), 0);
  ASSERT_TRUE(database->Query("PRAGMA max_page_count=100000").ok());
  EXPECT_TRUE(database->Execute(Sql("INSERT INTO t VALUES (?)", {std::string(100000, 'x')})).ok());
  EXPECT_EQ(database->trouble(), "");
}

TEST_F(DatabaseTest, WhatWasReportedSurvivesAKill) {
  int reported[2];
  ASSERT_EQ(pipe(reported), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto opened = Database::Open({path(), Database::Fsync::kEverySecond, 1000});
    if (!opened.ok()) _exit(1);
    if (!(*opened)->Execute(Sql("CREATE TABLE t (n INTEGER)")).ok()) _exit(1);
    for (int64_t n = 0;; ++n) {
      if (!(*opened)->Execute(Sql("INSERT INTO t VALUES (?)", {n})).ok()) _exit(1);
      if (write(reported[1], "x", 1) != 1) _exit(1);
    }
  }
  close(reported[1]);
  int64_t count = 0;
  char byte;
  while (count < 200 && read(reported[0], &byte, 1) == 1) ++count;
  kill(child, SIGKILL);
  while (read(reported[0], &byte, 1) == 1) ++count;
  close(reported[0]);
  waitpid(child, nullptr, 0);
  auto database = Open();
  ASSERT_NE(database, nullptr) << refusal_;
  EXPECT_GE(Rows(*database), count);
  EXPECT_LE(Rows(*database), count + 1);
}

// What a power failure can leave behind: a log without its end.
TEST_F(DatabaseTest, LogCutAnywhereKeepsAPrefixOfTheTransactions) {
  const std::string copy = folder_.File("copy.db");
  std::string main, log;
  {
    auto database = Open();
    ASSERT_TRUE(database->Execute(Sql("CREATE TABLE t (n INTEGER)")).ok());
    for (int64_t n = 0; n < 5; ++n) {
      ASSERT_TRUE(database->Execute(Sql("INSERT INTO t VALUES (?)", {n})).ok());
    }
    main = ReadWholeFile(path());
    log = ReadWholeFile(path() + "-wal");
  }
  ASSERT_GT(log.size(), 5 * 4096u);
  int64_t last = -1;
  for (size_t cut = 0; cut <= log.size();
       cut = cut == log.size() ? cut + 1 : std::min(cut + 509, log.size())) {
    WriteWholeFile(copy, main);
    WriteWholeFile(copy + "-wal", log.substr(0, cut));
    std::filesystem::remove(copy + "-shm");
    auto opened = Database::Open({copy, Database::Fsync::kNo, 100});
    ASSERT_TRUE(opened.ok()) << cut << ": " << opened.error().text;
    const int64_t rows = Rows(**opened);
    EXPECT_GE(rows, last) << cut;
    last = rows;
  }
  EXPECT_EQ(last, 5);
}

TEST_F(DatabaseTest, DamagedFileIsRefusedWithTheWayOut) {
  WriteWholeFile(path(), std::string(8192, 'x'));
  EXPECT_EQ(Open(), nullptr);
  EXPECT_THAT(refusal_, HasSubstr("damaged"));
  EXPECT_THAT(refusal_, HasSubstr("move"));
  EXPECT_THAT(refusal_, HasSubstr("__rm:"));
  EXPECT_EQ(ReadWholeFile(path()).substr(0, 4), "xxxx") << "and it is left as it was";
}

// Damage within a page: it is refused, or what is read is what was written; never a crash.
TEST_F(DatabaseTest, DamagedPagesAreRefusedOrHarmless) {
  std::string whole;
  {
    auto database = Open();
    ASSERT_TRUE(database->Execute(Sql("CREATE TABLE t (n INTEGER PRIMARY KEY)")).ok());
    for (int64_t n = 0; n < 2000; ++n)
      database->Submit(Sql("INSERT INTO t VALUES (?)", {n}), [](const Status&) {});
  }
  whole = ReadWholeFile(path());
  Random random(1);
  int refused = 0;
  for (int i = 0; i < 60; ++i) {
    std::string damaged = whole;
    const size_t page = 1 + random.Below(whole.size() / 4096 - 1);
    const size_t at = page * 4096 + random.Below(12);  // a page's header
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << random.Below(8)));
    const std::string copy = folder_.File("copy.db");
    std::filesystem::remove(copy + "-wal");
    std::filesystem::remove(copy + "-shm");
    WriteWholeFile(copy, damaged);
    auto opened = Database::Open({copy, Database::Fsync::kNo, 100});
    if (!opened.ok()) {
      ++refused;
      EXPECT_THAT(opened.error().text, HasSubstr("damaged"));
    } else {
      Rows(**opened);
    }
  }
  EXPECT_GT(refused, 20);
}

}  // namespace
}  // namespace ringmaster
