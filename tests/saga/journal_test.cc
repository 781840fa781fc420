#include "saga/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST_F(SagaJournalTest, DamagedRecordIsRefusedAndNamed) {
  const SagaId id = journal_->NextId();
  journal_->Begin(SomePlan(id), Ok());
  ASSERT_TRUE(database_->Query("UPDATE sagas SET plan = ?", {std::string("\x01 nonsense")}).ok());
  const auto open = journal_->Load();
  ASSERT_FALSE(open.ok());
  EXPECT_THAT(open.error().text, HasSubstr(std::to_string(id)));
  EXPECT_THAT(open.error().text, HasSubstr("__rm:" + SagaName(id)));
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
