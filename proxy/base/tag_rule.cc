#include "base/tag_rule.h"

#include <algorithm>

namespace ringmaster {
namespace {

Error Wrong(const std::string& what) { return Error{ErrorCode::kInvalid, what}; }

}  // namespace

Result<TagRule> TagRule::Parse(Bytes rule) {
  if (rule.size() > kMaxLength) {
    return Wrong("is longer than " + std::to_string(kMaxLength) + " characters");
  }
  const size_t open = rule.find('{');
  const size_t close = open == Bytes::npos ? Bytes::npos : rule.find('}', open);
  if (close == Bytes::npos || close == open + 1) {
    return Wrong(
        "names no part of the keys: write {name} for what those that belong together have in "
        "common, such as \"bull:{queue}:*\"");
  }
  TagRule made;
  made.text_ = std::string(rule);
  Bytes before = rule.substr(0, open), after = rule.substr(close + 1);
  made.any_start_ = before.starts_with('*');
  if (made.any_start_) before.remove_prefix(1);
  made.any_end_ = after.ends_with('*');
  if (made.any_end_) after.remove_suffix(1);
  const Bytes name = rule.substr(open + 1, close - open - 1);
  for (const Bytes part : {before, name, after}) {
    if (part.find_first_of("*{}") == Bytes::npos) continue;
    return Wrong(
        "has one {name}, and a * at its beginning or its end only: everything else stands for "
        "itself");
  }
  if (made.any_start_ && before.empty()) {
    return Wrong("begins with *: write the text that stands before " +
                 std::string(rule.substr(open, close + 1 - open)));
  }
  if (made.any_end_ && after.empty()) {
    return Wrong("does not say where " + std::string(rule.substr(open, close + 1 - open)) +
                 " ends: write the character that follows it in the keys, before the *");
  }
  made.before_ = std::string(before);
  made.after_ = std::string(after);
  return made;
}

// `rest`: the key behind before_.
Bytes TagRule::TagAt(Bytes rest) const noexcept {
  if (after_.empty()) return rest;
  const size_t end = rest.find(after_[0]);
  if (end == Bytes::npos) return {};
  const Bytes tail = rest.substr(end);
  const bool fits = any_end_ ? tail.starts_with(after_) : tail == after_;
  return fits ? rest.substr(0, end) : Bytes();
}

Bytes TagRule::TagOf(Bytes key) const noexcept {
  if (!any_start_) return key.starts_with(before_) ? TagAt(key.substr(before_.size())) : Bytes();
  const size_t at = key.find(before_);
  return at == Bytes::npos ? Bytes() : TagAt(key.substr(at + before_.size()));
}

TagRule::Covers TagRule::CoverOf(Bytes prefix) const noexcept {
  const size_t at = any_start_ ? prefix.find(before_) : 0;
  // Where what is known of the keys says nothing against it, what follows may.
  const auto agree = [](Bytes known, Bytes literal) {
    const size_t common = std::min(known.size(), literal.size());
    return known.substr(0, common) == literal.substr(0, common);
  };
  if (at == Bytes::npos) return Covers::kSome;
  if (!agree(prefix.substr(at), before_)) return Covers::kNone;
  if (prefix.size() - at <= before_.size() || after_.empty()) return Covers::kSome;
  const Bytes rest = prefix.substr(at + before_.size());
  const size_t end = rest.find(after_[0]);
  if (end == Bytes::npos) return Covers::kSome;
  const Bytes tail = rest.substr(end);
  if (end == 0 || !agree(tail, after_)) return Covers::kNone;
  if (tail.size() < after_.size()) return Covers::kSome;
  if (any_end_) return Covers::kAll;
  return tail.size() == after_.size() ? Covers::kSome : Covers::kNone;
}

}  // namespace ringmaster
