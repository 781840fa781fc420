#include "control/discovery/role_choice.h"

#include <fmt/format.h>

#include <algorithm>

namespace ringmaster {

RoleChoice::Verdict RoleChoice::Decide(const Address& in_use, const std::vector<Member>& members) {
  const Member* used = nullptr;
  std::vector<const Member*> others;
  for (const Member& member : members) {
    if (member.address == in_use) {
      used = &member;
    } else if (member.answers && member.primary) {
      others.push_back(&member);
    }
  }
  const auto newest = std::max_element(others.begin(), others.end(), [this](auto a, auto b) {
    return std::pair(GoesOn(*a), a->offset) < std::pair(GoesOn(*b), b->offset);
  });
  if (used != nullptr && used->answers && used->primary) {
    silent_ = 0;
    history_ = used->history;
    if (others.empty()) return {};
    const Member& other = **newest;
    const bool later = !history_.empty() && other.former == history_;
    return {.trouble = fmt::format(
                "{} says that it is a primary, too ({}, its offset is {}, here {}): the one in use "
                "stays as long as it answers",
                other.address.ToString(), later ? "and was promoted later" : "of another history",
                other.offset, used->offset),
            .about = "two:" + other.address.ToString()};
  }
  const bool silent = used != nullptr && !used->answers;
  silent_ = silent ? silent_ + 1 : kSilent;
  if (others.empty()) {
    return {
        .trouble = fmt::format("none of its {} servers says that it is a primary", members.size()),
        .about = "none"};
  }
  const Member& next = **newest;
  if (!GoesOn(next)) {
    return {.trouble = fmt::format(
                "{} says that it is a primary, and does not go on from what the shard had: it is "
                "believed when the proxy is started again",
                next.address.ToString()),
            .about = "stranger:" + next.address.ToString()};
  }
  if (silent_ < kSilent) return {};
  silent_ = 0;
  history_ = next.history;
  return {.primary = next.address,
          .why = fmt::format("{}, and {} says that it is a primary{}",
                             silent ? "it does not answer" : "it is no primary any more",
                             next.address.ToString(),
                             others.size() > 1 ? " and has the highest offset of those" : "")};
}

}  // namespace ringmaster
