#include "saga/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/random.h"
#include "support/temp_folder.h"

namespace ringmaster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

SagaPlan SomePlan(SagaId id) {
  SagaPlan plan{.id = id, .pool = "main", .command = "RENAME a b"};
  plan.steps.push_back({.phase = 0,
                        .shard = "s0",
                        .address = "127.0.0.1:7001",
                        .run_id = std::string(40, 'a'),
                        .database = 3,
                        .keys = {{std::string("b\0\xff", 3), ImageKind::kOverwrite}}});
  plan.steps.push_back({.kind = StepKind::kExecute,
                        .phase = 200,
                        .shard = "s1",
                        .keys = {{"a", ImageKind::kInPlace}, {"c", ImageKind::kCreate}},
                        .copies = {"x", ""}});
  return plan;
}

class SagaJournalTest : public testing::Test {
 protected:
  SagaJournalTest() { Reopen(); }
  void Reopen() {
    journal_.reset();
    database_.reset();
    auto opened = Database::Open({folder_.File("state.db"), Database::Fsync::kNo, 1000});
    ASSERT_TRUE(opened.ok()) << opened.error().text;
    database_ = *std::move(opened);
    auto journal = SagaJournal::Open(*database_);
    ASSERT_TRUE(journal.ok()) << journal.error().text;
    journal_ = *std::move(journal);
  }
  SagaJournal::Callback Ok() {
    return [](const Status& status) { EXPECT_TRUE(status.ok()); };
  }
  std::vector<OpenSaga> Load() {
    auto open = journal_->Load();
    EXPECT_TRUE(open.ok()) << open.error().text;
    return open.ok() ? *std::move(open) : std::vector<OpenSaga>();
  }

  TempFolder folder_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<SagaJournal> journal_;
};

TEST_F(SagaJournalTest, OpenSagasComeBackAsTheyWere) {
  const SagaId begun = journal_->NextId(), committed = journal_->NextId();
  const SagaId ended = journal_->NextId(), poisoned = journal_->NextId();
  for (SagaId id : {begun, committed, ended, poisoned}) journal_->Begin(SomePlan(id), Ok());
  journal_->Commit(committed, Ok());
  journal_->Commit(ended, Ok());
  journal_->Poison(poisoned, 1, "others wrote its keys since", Ok());
  journal_->Operator(poisoned, "RETRY by admin", Ok());
  journal_->End(ended);
  Reopen();
  const std::vector<OpenSaga> open = Load();
  ASSERT_EQ(open.size(), 3u);
  EXPECT_EQ(open[0].plan, SomePlan(begun));
  EXPECT_EQ(open[0].found, Saga::Found::kBegun);
  EXPECT_EQ(open[1].plan.id, committed);
  EXPECT_EQ(open[1].found, Saga::Found::kCommitted);
  EXPECT_EQ(open[2].plan.id, poisoned);
  EXPECT_EQ(open[2].found, Saga::Found::kPoisoned);
  EXPECT_THAT(open[2].poisoned, ElementsAre(1u));
  EXPECT_THAT(open[2].notes, ElementsAre("others wrote its keys since", "RETRY by admin"));
}

TEST_F(SagaJournalTest, NamesAreNeverUsedTwice) {
  const SagaId first = journal_->NextId();
  const SagaId second = journal_->NextId();
  Reopen();
  const SagaId third = journal_->NextId();
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
}

TEST_F(SagaJournalTest, DamagedRowIsRefusedAndNamed) {
  journal_->Begin(SomePlan(journal_->NextId()), Ok());
  const auto row = database_->Query("SELECT lsn, records FROM saga_log");
  ASSERT_TRUE(row.ok());
  const int64_t lsn = std::get<int64_t>(row->at(0).at(0));
  std::string records = std::get<std::string>(row->at(0).at(1));
  records.back() = static_cast<char>(records.back() ^ 1);
  ASSERT_TRUE(database_->Query("UPDATE saga_log SET records = ?", {records}).ok());
  const auto open = journal_->Load();
  ASSERT_FALSE(open.ok());
  EXPECT_THAT(open.error().text, HasSubstr("lsn=" + std::to_string(lsn)));
  EXPECT_THAT(open.error().text, HasSubstr("__rm:"));
}

TEST_F(SagaJournalTest, BatchIsThereAsAWhole) {
  const SagaId first = journal_->NextId(), second = journal_->NextId(), third = journal_->NextId();
  JournalBatch batch;
  for (SagaId id : {first, second, third}) batch.Begin(SomePlan(id));
  batch.Commit(second);
  batch.End(first);
  size_t calls = 0;
  const auto count = [&](const Status& status) { calls += status.ok() ? 1 : 100; };
  if (const auto now = journal_->Write(std::move(batch), count)) count(*now);
  Reopen();
  EXPECT_EQ(calls, 1u);
  const std::vector<OpenSaga> open = Load();
  ASSERT_EQ(open.size(), 2u);
  EXPECT_EQ(open[0].plan.id, second);
  EXPECT_EQ(open[0].found, Saga::Found::kCommitted);
  EXPECT_EQ(open[1].plan.id, third);
}

// Thousands of sagas come and go while some stay open, in all states, over several restarts: the
// log stays small and forgets none of those that are open.
TEST_F(SagaJournalTest, LogStaysSmallAndKeepsWhatIsOpen) {
  Random random(7);
  struct Known {
    Saga::Found found = Saga::Found::kBegun;
    size_t notes = 0;
  };
  std::map<SagaId, Known> open;
  size_t most = 0;
  for (int life = 0; life < 4; ++life) {
    const std::vector<OpenSaga> loaded = Load();
    ASSERT_EQ(loaded.size(), open.size());
    for (const OpenSaga& saga : loaded) {
      ASSERT_TRUE(open.contains(saga.plan.id));
      EXPECT_EQ(saga.plan, SomePlan(saga.plan.id));
      EXPECT_EQ(saga.found, open[saga.plan.id].found);
      EXPECT_EQ(saga.notes.size(), open[saga.plan.id].notes);
    }
    for (int turn = 0; turn < 3000; ++turn) {
      JournalBatch batch;
      for (int i = 0; i < 2; ++i) {
        const SagaId id = journal_->NextId();
        batch.Begin(SomePlan(id));
        open[id] = {};
      }
      for (auto each = open.begin(); each != open.end();) {
        auto& [id, known] = *each;
        const bool stays = id % 1000 == 0;
        if (known.found == Saga::Found::kBegun && random.Below(2) == 0) {
          batch.Commit(id);
          known.found = Saga::Found::kCommitted;
        } else if (stays && known.notes < 3) {
          batch.Operator(id, "looked at");
          ++known.notes;
        } else if (!stays && random.Below(3) == 0) {
          batch.End(id);
          each = open.erase(each);
          continue;
        }
        ++each;
      }
      const auto now = journal_->Write(std::move(batch), Ok());
      EXPECT_TRUE(!now || now->ok());
      // No more than fit the queue.
      if (turn % 100 == 0) {
        ASSERT_TRUE(database_->Query("SELECT 1").ok());
      }
    }
    const auto rows = database_->Query("SELECT COUNT(*) FROM saga_log");
    ASSERT_TRUE(rows.ok());
    most = std::max(most, static_cast<size_t>(std::get<int64_t>(rows->at(0).at(0))));
    Reopen();
  }
  EXPECT_GT(open.size(), 10u);
  EXPECT_LT(most, 3000u);
}

TEST_F(SagaJournalTest, BeginThatFailsIsReportedAndIsNotThere) {
  ASSERT_TRUE(database_->Query("PRAGMA max_page_count=1").ok());
  SagaPlan plan = SomePlan(journal_->NextId());
  plan.command = std::string(1000000, 'x');
  bool failed = false;
  journal_->Begin(plan, [&](const Status& status) { failed = !status.ok(); });
  ASSERT_TRUE(database_->Query("PRAGMA max_page_count=100000").ok());
  EXPECT_TRUE(failed);
  EXPECT_EQ(Load().size(), 0u);
}

TEST(PlanCodecTest, EveryBitMatters) {
  const SagaPlan plan = SomePlan(MakeSagaId(3, 9));
  const std::string bytes = EncodePlan(plan);
  EXPECT_EQ(DecodePlan(bytes), plan);
  for (size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string damaged = bytes;
    damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << (i % 8)));
    EXPECT_EQ(DecodePlan(damaged), std::nullopt) << "bit " << i;
  }
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_EQ(DecodePlan(bytes.substr(0, cut)), std::nullopt) << cut;
  }
  EXPECT_EQ(DecodePlan(bytes + "x"), std::nullopt);
}

}  // namespace
}  // namespace ringmaster
