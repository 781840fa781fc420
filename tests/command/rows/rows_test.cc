// What must hold for every row, whatever the command.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "command/rows/all_rows.h"
#include "command/table/keys.h"
#include "command/table/table.h"

namespace ringmaster {
namespace {

const CommandTable& Table() {
  static const CommandTable table{AllCommands()};
  return table;
}

// The commands of which the claim does not hold.
std::string Exceptions(const std::function<bool(const Command&)>& claim) {
  std::string names;
  for (const auto& command : Table().all()) {
    if (!claim(*command)) names += command->full_name + " ";
  }
  return names;
}

// Arguments as the command wants them, with "k..." wherever a key stands.
std::vector<std::string> PlausibleArguments(const Command& command) {
  const Row& row = *command.row;
  std::vector<std::string> args(static_cast<size_t>(std::abs(row.arity)), "x");
  for (const KeySpec& spec : row.specs) {
    const auto at = static_cast<size_t>(std::abs(spec.index));
    const bool has_keys = spec.begin != KeySpec::Begin::kNone;
    if (has_keys) args.resize(std::max(args.size(), at + 2), "x");
    if (spec.find == KeySpec::Find::kCounted) args[at] = "1";
    if (spec.begin == KeySpec::Begin::kKeyword && row.specs[0].begin == spec.begin) {
      args[at] = spec.keyword;
      args.resize(at + 3, "x");
    }
  }
  return args;
}

TEST(RowsTest, NamesAreLowerCaseAndUnique) {
  std::set<std::string> seen;
  EXPECT_EQ(Exceptions([&seen](const Command& command) {
              return seen.insert(command.full_name).second && std::strlen(command.row->name) > 0 &&
                     Lowercase(command.full_name) == command.full_name;
            }),
            "");
}

TEST(RowsTest, ArityCountsTheName) {
  EXPECT_EQ(Exceptions([](const Command& command) {
              return std::abs(command.row->arity) >= (command.parent == nullptr ? 1 : 2);
            }),
            "");
}

TEST(RowsTest, NoCommandBothWritesAndOnlyReads) {
  EXPECT_EQ(Exceptions([](const Command& command) {
              return !(command.Is(kWrite) && command.Is(kReadOnly));
            }),
            "");
}

// Writes are what may not be sent twice: a command that changes keys must say so, unless only its
// script knows.
TEST(RowsTest, FlagsAgreeWithTheAccessToKeys) {
  EXPECT_EQ(Exceptions([](const Command& command) {
              const Bytes categories = command.row->categories;
              if (categories.find("scripting") != Bytes::npos) return true;
              bool changes = false;
              for (const KeySpec& spec : command.row->specs) {
                changes |= std::strchr(spec.access, 'W') != nullptr;
                changes |= std::strncmp(spec.access, "RM", 2) == 0;
              }
              return !changes || command.Is(kWrite);
            }),
            // Redis's own exception: counting may update the cached count.
            "pfcount ");
}

TEST(RowsTest, EachPlanHasWhatItNeedsAndNoMore) {
  EXPECT_EQ(Exceptions([](const Command& command) {
              const PlanSpec& plan = command.row->plan;
              return (plan.local != nullptr) == (plan.kind == PlanKind::kLocal) &&
                     (plan.recipe != nullptr) == (plan.kind == PlanKind::kRecipe) &&
                     (plan.start != nullptr) == (plan.kind == PlanKind::kStart) &&
                     (plan.why != nullptr) == (plan.kind == PlanKind::kRefuse) &&
                     (plan.special != nullptr) == (plan.merge == Merge::kSpecial);
            }),
            "");
}

// The reason follows the command's name in the error: a clause without an end of its own.
TEST(RowsTest, EachRefusalGivesItsReason) {
  const auto is_clause = [](const char* why) {
    return std::strlen(why) >= 20 && std::islower(why[0]) != 0 && why[std::strlen(why) - 1] != '.';
  };
  EXPECT_EQ(Exceptions([&](const Command& command) {
              const Row& row = *command.row;
              return (row.plan.kind != PlanKind::kRefuse || is_clause(row.plan.why)) &&
                     (row.except.applies != nullptr || row.except.in_steps != nullptr) ==
                         (row.except.why != nullptr || row.except.recipe != nullptr) &&
                     (row.except.why == nullptr || is_clause(row.except.why));
            }),
            "");
}

TEST(RowsTest, ScatteredKeysReachToTheEnd) {
  EXPECT_EQ(Exceptions([](const Command& command) {
              return command.row->plan.kind != PlanKind::kScatter ||
                     (command.first_key >= 1 && command.last_key == -1 && command.key_step >= 1 &&
                      command.row->specs[1].begin == KeySpec::Begin::kNone &&
                      command.row->finder == nullptr);
            }),
            "");
}

TEST(RowsTest, WhatGoesToEveryShardHasNoKeys) {
  EXPECT_EQ(Exceptions([](const Command& command) {
              return command.row->plan.kind != PlanKind::kEveryShard || !HasKeys(*command.row);
            }),
            "");
}

TEST(RowsTest, EachKeyedRowYieldsItsKeys) {
  EXPECT_EQ(Exceptions([](const Command& command) {
              const std::vector<std::string> words = PlausibleArguments(command);
              const std::vector<Bytes> args(words.begin(), words.end());
              std::vector<uint32_t> positions;
              FoundKeys found{positions};
              ListKeys(*command.row, args, found);
              return positions.empty() != HasKeys(*command.row) &&
                     std::all_of(positions.begin(), positions.end(), [&args](uint32_t position) {
                       return position > 0 && position < args.size();
                     });
            }),
            "");
}

// The warm path looks only at the one position.
TEST(RowsTest, TheOnlyKeyLiesWithinTheArity) {
  EXPECT_EQ(Exceptions([](const Command& command) {
              return command.single_key < static_cast<uint32_t>(std::abs(command.row->arity));
            }),
            "");
}

// As Redis derives the flag (populateCommandLegacyRangeSpec).
TEST(RowsTest, MovableKeysAreThoseThatTheSpanDoesNotTell) {
  EXPECT_EQ(Exceptions([](const Command& command) {
              bool movable = false;
              for (const KeySpec& spec : command.row->specs) {
                if (spec.begin == KeySpec::Begin::kNone) continue;
                movable |= spec.begin != KeySpec::Begin::kIndex;
                movable |= spec.find != KeySpec::Find::kRange;
              }
              return movable == command.Is(kMovableKeys);
            }),
            "");
}

TEST(RowsTest, SubcommandsHaveNoneOfTheirOwn) {
  EXPECT_EQ(Exceptions([](const Command& command) {
              return command.parent == nullptr || command.row->subcommands.empty();
            }),
            "");
}

// Nothing a client sends may make a finder read beyond the arguments.
TEST(RowsTest, FindersStayWithinShortArguments) {
  const Bytes words[] = {"streams", "store", "keys", "group", "block", "limit", "by",
                         "auth",    "auth2", "get",  "1",     "99",    "",      "storedist"};
  std::string beyond;
  for (const auto& command : Table().all()) {
    const auto least = static_cast<size_t>(std::abs(command->row->arity));
    for (const Bytes word : words) {
      for (size_t size = least; size < least + 6; ++size) {
        const std::vector<Bytes> args(size, word);
        std::vector<uint32_t> positions;
        FindKeys(*command->row, args, positions);
        FoundKeys found{positions};
        ListKeys(*command->row, args, found);
        for (const uint32_t position : positions) {
          if (position >= size) beyond += command->full_name + " ";
        }
      }
    }
  }
  EXPECT_EQ(beyond, "");
}

}  // namespace
}  // namespace ringmaster
