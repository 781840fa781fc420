// Who is the primary of a group without Sentinels, by what its servers say of themselves. Pure
// policy: answers in, a decision out.
//
// The one in use stays as long as it answers and says that it is a primary. Once it says otherwise,
// or has not answered three times in a row, another one that says so takes its place, if it goes on
// from where the one in use was: by the replication id that it had before it was promoted. So an
// empty server, or a stranger behind a reused address, takes nobody's place.
//
// Owner: one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"

namespace ringmaster {

class RoleChoice {
 public:
  struct Member {
    Address address = {};
    bool answers = false;
    bool primary = false;      // it says so
    std::string history = {};  // its replication id; empty: it does not tell
    std::string former = {};   // the one that it went on from
    int64_t offset = 0;        // in its history
  };
  struct Verdict {
    std::optional<Address> primary = {};  // another one than the one in use
    std::string why = {};                 // it is that one
    std::string trouble = {};             // what is not as it should be; empty: nothing
    std::string about = {};               // the same as long as that is the same trouble
  };
  static constexpr int kSilent = 3;

  // Of one round of questions. `in_use`: not listed any more counts as silent for long.
  Verdict Decide(const Address& in_use, const std::vector<Member>& members);

 private:
  bool GoesOn(const Member& member) const {
    return history_.empty() || member.former == history_ || member.history == history_;
  }

  std::string history_;       // of the last primary in use; empty: none answered yet
  int silent_ = kSilent - 1;  // rounds in a row; at a start one is enough
};

}  // namespace ringmaster
