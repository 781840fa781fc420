#include "server/operations.h"

#include <fmt/format.h>

#include <utility>

#include "base/bytes.h"
#include "net/mailbox.h"

namespace ringmaster {
namespace {

std::string Describe(const Database& database) {
  const Database::Figures figures = database.figures();
  return fmt::format(
      "path: {}\nincarnation: {}\nrecords: {}\ntransactions: {}\nfailures: {}\ntrouble: {}\n",
      database.path(), database.incarnation(), figures.submissions, figures.transactions,
      figures.failures, database.trouble());
}

}  // namespace

void Operations::Reload(uint64_t asker, Said done) {
  mailbox_.Post([this, asker, done = std::move(done)] { reload_(asker, done); });
}

void Operations::Rebalance(size_t pool, std::vector<std::string> words, Said done) {
  mailbox_.Post([this, pool, words = std::move(words), done = std::move(done)] {
    Rebalancer& rebalancer = *rebalancers_[pool];
    const bool plan = !words.empty() && EqualsIgnoreCase(words[0], "PLAN");
    plan ? rebalancer.Plan(words, done) : done(rebalancer.Order(words));
  });
}

void Operations::Journal(bool verify, Said done) {
  Database* database = state_.database();
  if (database == nullptr) return done(Error{ErrorCode::kUnavailable, state_.why_not()});
  const auto tell = [database, done = std::move(done)](const Status& checked) {
    done(checked ? Result<std::string>(Describe(*database)) : Result<std::string>(checked.error()));
  };
  if (!verify) return tell(Done());
  // On the thread that writes: nobody waits for it but what is to be written next.
  database->Submit([](DatabaseSession& session) { return Database::Check(session); }, tell);
}

}  // namespace ringmaster
