// The real rows, whose functions only say that they were called: which way a call goes can be seen
// without anything being done to it.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "command/call/call.h"
#include "command/rows/all_rows.h"
#include "command/serve/recipe.h"
#include "resp/reply_writer.h"

namespace ringmaster {

class StandIns {
 public:
  StandIns() {
    const CommandSet real = AllCommands();
    for (const Family& family : real.families) {
      families_.push_back({family.title, Copy(family.rows)});
    }
    set_ = {.families = families_,
            .recipes = {.over_shards = Say<kOverShards>,
                        .isolated_read = Say<kIsolated>,
                        .not_over_shards = Say<kNever>,
                        .keys_said_by_shard = Say<kSaidByShard>,
                        .unknown_command = Say<kUnknown>,
                        .queue_unknown_command = Say<kQueueUnknown>,
                        .checked_script = Say<kChecked>}};
  }
  StandIns(const StandIns&) = delete;
  StandIns& operator=(const StandIns&) = delete;

  const CommandSet& set() const { return set_; }
  // The reply of a stand-in.
  static std::string ReplyOf(RecipeFunction recipe) {
    const std::vector<std::pair<RecipeFunction, const char*>> all = {
        {Say<kOwn>, kOwn},           {Say<kOwnOverShards>, kOwnOverShards},
        {Say<kExcept>, kExcept},     {Say<kOverShards>, kOverShards},
        {Say<kIsolated>, kIsolated}, {Say<kChecked>, kChecked}};
    for (const auto& [function, what] : all) {
      if (function == recipe) return what;
    }
    return "nobody's";
  }

  static constexpr char kLocal[] = "+local\r\n";
  static constexpr char kStart[] = "+start\r\n";

 private:
  static constexpr char kOwn[] = "+recipe\r\n";
  static constexpr char kOwnOverShards[] = "+own over shards\r\n";
  static constexpr char kExcept[] = "+exception\r\n";
  static constexpr char kOverShards[] = "+over shards\r\n";
  static constexpr char kIsolated[] = "+isolated read\r\n";
  static constexpr char kNever[] = "+not over shards\r\n";
  static constexpr char kSaidByShard[] = "+keys said by shard\r\n";
  static constexpr char kUnknown[] = "+unknown\r\n";
  static constexpr char kQueueUnknown[] = "+queue unknown\r\n";
  static constexpr char kChecked[] = "+checked script\r\n";

  template <const char* what>
  static Task<std::string> Say(RecipeCall&) {
    co_return std::string(what);
  }

  std::span<const Row> Copy(std::span<const Row> rows) {
    if (rows.empty()) return {};
    std::vector<Row>& copies = kept_.emplace_back(rows.begin(), rows.end());
    for (Row& row : copies) {
      if (row.plan.local != nullptr) {
        row.plan.local = [](Call&, ReplyWriter& out) { out.out() += kLocal; };
      }
      if (row.plan.start != nullptr) {
        row.plan.start = [](Call& call) { AnswerHere(call.exchange, kStart); };
      }
      if (row.plan.recipe != nullptr) row.plan.recipe = Say<kOwn>;
      if (row.plan.over_shards != nullptr) row.plan.over_shards = Say<kOwnOverShards>;
      if (row.except.recipe != nullptr) row.except.recipe = Say<kExcept>;
      row.subcommands = Copy(row.subcommands);
    }
    return copies;
  }

  std::deque<std::vector<Row>> kept_;
  std::vector<Family> families_;
  CommandSet set_;
};

}  // namespace ringmaster
