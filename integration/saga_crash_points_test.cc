// kill -9 at every point of a saga, and of its recovery: afterwards it is whole or gone, as its
// client was told if he was told anything. The cores, the journal and the scripts, against real
// servers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/crash_point.h"
#include "support/child_process.h"
#include "support/redis_server.h"
#include "support/saga_driver.h"
#include "support/temp_folder.h"

namespace ringmaster::integration {
namespace {

// Not a test but the process to be killed: RM_SAGA_DRIVER="<journal> <reply file> <kind, or -1 to
// recover only> <port>...".
TEST(SagaCrashDriver, RunsWhatItIsTold) {
  const char* text = std::getenv("RM_SAGA_DRIVER");
  if (text == nullptr) return;
  std::istringstream words(text);
  std::string journal, reply;
  int kind = 0;
  words >> journal >> reply >> kind;
  std::vector<uint16_t> ports;
  for (uint16_t port = 0; words >> port;) ports.push_back(port);
  {
    SagaDriver driver(journal, ports);
    if (kind >= 0) driver.Run(static_cast<SagaKind>(kind), reply);
    if (!driver.failure().empty()) {
      std::fprintf(stderr, "%s\n", driver.failure().c_str());
      _exit(1);
    }
  }
  RM_CRASH_POINT("driver-end");
  _exit(0);
}

class SagaCrashTest : public testing::TestWithParam<int> {
 protected:
  SagaCrashTest() {
    for (int i = 0; i < GetParam(); ++i) {
      servers_.push_back(std::make_unique<RedisServer>());
      clients_.push_back(servers_.back()->Connect());
    }
  }

  // Everything as it is before a saga.
  void Reset() {
    for (size_t i = 0; i < clients_.size(); ++i) {
      clients_[i].Command({"FLUSHALL"});
      clients_[i].Command({"RPUSH", Key(i), "old", "value"});
      if (i % 2 == 0) clients_[i].Command({"EXPIRE", Key(i), "1000"});
    }
    clients_[0].Command({"SET", "n", "1"});
    for (const char* end : {"", "-wal", "-shm"}) {
      std::filesystem::remove(folder_.File("journal") + end);
    }
    std::filesystem::remove(folder_.File("reply"));
  }
  static std::string Key(size_t shard) { return "k" + std::to_string(shard); }

  // A process that recovers, then runs a saga of the kind, and dies at the point. Its exit status.
  int RunProcess(int kind, const std::string& point) {
    std::string what =
        folder_.File("journal") + " " + folder_.File("reply") + " " + std::to_string(kind);
    for (const auto& server : servers_) what += " " + std::to_string(server->port());
    return RunProgram({"/usr/bin/env", "RM_SAGA_DRIVER=" + what, "RINGMASTER_CRASH_AT=" + point,
                       "/proc/" + std::to_string(getpid()) + "/exe",
                       "--gtest_filter=SagaCrashDriver.RunsWhatItIsTold"})
        .status;
  }

  // "new": the whole saga is there; "old": nothing of it; otherwise what is wrong.
  std::string State(SagaKind kind) {
    const size_t concerned = kind == SagaKind::kRename ? 2 : clients_.size();
    size_t fresh = 0, stale = 0;
    std::string all;
    for (size_t i = 0; i < concerned; ++i) {
      const std::string type = clients_[i].Command({"TYPE", Key(i)});
      const std::string ttl = clients_[i].Command({"TTL", Key(i)});
      const bool deleted = kind == SagaKind::kRename && i == 1;
      fresh += type == (deleted ? "none" : "string") &&
               ttl == (deleted ? "(integer) -2" : "(integer) -1");
      const bool old_ttl = i % 2 == 0 ? ttl.size() > 12 : ttl == "(integer) -1";
      stale += type == "list" && old_ttl;
      all += Key(i) + " is " + type + " with TTL " + ttl + "; ";
      all += Leftovers(i);
    }
    if (kind == SagaKind::kExecute) {
      const std::string n = clients_[0].Command({"GET", "n"});
      all += "n is " + n;
      if (fresh == concerned && n != "\"2\"") fresh = 0;
      if (stale == concerned && n != "\"1\"") stale = 0;
    }
    if (all.find("left") != std::string::npos) return all;
    if (fresh == concerned) return "new";
    return stale == concerned ? "old" : all;
  }
  // Hidden keys that are no tombstones, and foreign copies.
  std::string Leftovers(size_t shard) {
    Client& client = clients_[shard];
    const std::string keys = client.CommandRaw({"KEYS", "*"});
    std::string left;
    for (const ReplyElement& key : ReadArray(keys)) {
      const std::string name(key.text);
      const bool own = name == Key(shard) || name == "n";
      const bool tombstone = name.starts_with("__rm:") && client.Command({"GET", name}) == "\"A\"";
      if (!own && !tombstone) left += "left on " + std::to_string(shard) + ": " + name + "; ";
    }
    return left;
  }

  // Dies at `point`, perhaps again at `later` while it recovers, and is recovered in the end.
  void Check(SagaKind kind, const std::string& point, const std::string& later = "") {
    SCOPED_TRACE(std::to_string(static_cast<int>(kind)) + " killed at " + point + " " + later);
    Reset();
    ASSERT_EQ(RunProcess(static_cast<int>(kind), point), 128 + SIGKILL) << "it never came by";
    if (!later.empty()) {
      ASSERT_EQ(RunProcess(-1, later), 128 + SIGKILL) << "its recovery never came by";
    }
    ASSERT_EQ(RunProcess(-1, ""), 0) << "it does not recover";
    const std::string state = State(kind);
    EXPECT_THAT(state, testing::AnyOf("new", "old"));
    const std::string reply = ReadFile(folder_.File("reply"));
    if (reply == "committed") {
      EXPECT_EQ(state, "new");
    } else if (!reply.empty()) {
      EXPECT_EQ(state, "old") << reply;
    }
    ++killed_;
  }

  // "name-0", "name-1", ... for each shard.
  std::vector<std::string> Each(const std::vector<std::string>& names, size_t from = 0) {
    std::vector<std::string> points;
    for (const std::string& name : names) {
      for (size_t i = from; i < clients_.size(); ++i)
        points.push_back(name + "-" + std::to_string(i));
    }
    return points;
  }

  TempFolder folder_;
  std::vector<std::unique_ptr<RedisServer>> servers_;
  std::vector<Client> clients_;
  int killed_ = 0;
};

const std::vector<std::string> kToCommit = {"recovery-start",
                                            "recovery-fenced",
                                            "recovery-done",
                                            "saga-locked",
                                            "journal-begin",
                                            "database-before-commit:2",
                                            "database-after-commit:2",
                                            "saga-begun",
                                            "saga-steps-done",
                                            "journal-commit",
                                            "database-before-commit:3",
                                            "database-after-commit:3",
                                            "saga-committed",
                                            "driver-reply",
                                            "driver-replied",
                                            "driver-unlock",
                                            "saga-finish",
                                            "journal-end",
                                            "driver-end"};

TEST_P(SagaCrashTest, NothingIsHalfWhenItRunsToCommit) {
  for (const std::string& point : kToCommit) Check(SagaKind::kSet, point);
  for (const std::string& point : Each({"driver-send", "driver-sent", "driver-answer",
                                        "saga-step-answered", "driver-cleanup", "saga-cleaned"})) {
    Check(SagaKind::kSet, point);
  }
  EXPECT_GE(killed_, 31);
}

TEST_P(SagaCrashTest, NothingIsHalfWhenItIsUndone) {
  Check(SagaKind::kRefused, "saga-undo");
  for (const std::string& point : Each({"driver-undo", "driver-undo-sent", "saga-undone"})) {
    // The one that refused did nothing and has nothing to undo.
    if (point.back() - '0' == GetParam() - 1) continue;
    Check(SagaKind::kRefused, point);
  }
  for (const char* point : {"driver-reply", "driver-replied", "saga-finish", "journal-end"}) {
    Check(SagaKind::kRefused, point);
  }
}

TEST_P(SagaCrashTest, NothingIsHalfWhenItExecutesAndCarriesHome) {
  for (const char* point : {"driver-prepare", "driver-prepared", "driver-half-executed",
                            "driver-execute-sent", "driver-executed", "driver-carried",
                            "saga-steps-done", "saga-committed", "driver-replied"}) {
    Check(SagaKind::kExecute, point);
  }
  for (const std::string& point : Each({"driver-sent"}, 1)) Check(SagaKind::kExecute, point);
  for (const std::string& point : Each({"saga-cleaned"})) Check(SagaKind::kExecute, point);
}

TEST_P(SagaCrashTest, NothingIsHalfWhenARenameIsCut) {
  for (const char* point :
       {"driver-sent-0", "saga-step-answered-0", "driver-send-1", "driver-sent-1",
        "saga-steps-done", "saga-committed", "saga-cleaned-0"}) {
    Check(SagaKind::kRename, point);
  }
}

TEST_P(SagaCrashTest, NothingIsHalfWhenItsRecoveryIsKilledToo) {
  for (const char* later : {"recovery-start", "recovery-fenced", "saga-locked", "saga-undo",
                            "driver-undo-sent-0", "saga-undone-0", "saga-undone-1", "saga-finish",
                            "recovery-done", "journal-end", "driver-end"}) {
    Check(SagaKind::kSet, "saga-steps-done", later);
  }
  for (const char* later :
       {"driver-cleanup-0", "saga-cleaned-0", "saga-cleaned-1", "saga-finish"}) {
    Check(SagaKind::kSet, "saga-committed", later);
  }
  Check(SagaKind::kExecute, "driver-executed", "driver-undo-sent-0");
}

INSTANTIATE_TEST_SUITE_P(Shards, SagaCrashTest, testing::Values(2, 4));

}  // namespace
}  // namespace ringmaster::integration
