#include "config/problems.h"

#include <algorithm>

namespace ringmaster {

void Problems::Add(Position at, std::string what) {
  ++total_;
  if (kept_.size() < kKept) kept_.push_back({at, std::move(what)});
}

bool Problems::Has(Position at) const {
  return std::any_of(kept_.begin(), kept_.end(),
                     [&](const Problem& problem) { return problem.at == at; });
}

Error Problems::ToError(Bytes file_name) const {
  RM_CHECK(!empty());
  std::vector<const Problem*> ordered;
  ordered.reserve(kept_.size());
  for (const Problem& problem : kept_) ordered.push_back(&problem);
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const Problem* a, const Problem* b) { return a->at < b->at; });
  const size_t shown = std::min(ordered.size(), kShown);
  std::string text;
  for (size_t i = 0; i < shown; ++i) {
    if (i > 0) text += '\n';
    text += file_name;
    text += ':' + std::to_string(ordered[i]->at.line) + ':' + std::to_string(ordered[i]->at.column);
    text += ": " + ordered[i]->what;
  }
  if (total_ > shown) text += "\n... and " + std::to_string(total_ - shown) + " more";
  return Error{ErrorCode::kInvalid, std::move(text)};
}

}  // namespace ringmaster
