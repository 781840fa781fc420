#include "command/call/slow_log.h"

#include <algorithm>
#include <cstring>

#include "resp/reply_reader.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

constexpr size_t kLoggedArgs = 32;
constexpr size_t kLoggedBytes = 128;
constexpr size_t kMostEntries = 100'000;

}  // namespace

size_t SlowLog::max_entries() const {
  const MutexLock lock(mutex_);
  return max_entries_;
}

void SlowLog::SetMaxEntries(size_t count) {
  const MutexLock lock(mutex_);
  max_entries_ = std::min(count, kMostEntries);
  if (entries_.size() > max_entries_) entries_.resize(max_entries_);
}

void SlowLog::Add(SlowEntry entry) {
  const MutexLock lock(mutex_);
  entry.id = next_id_++;
  entries_.push_front(std::move(entry));
  if (entries_.size() > max_entries_) entries_.resize(max_entries_);
}

std::vector<SlowEntry> SlowLog::Latest(size_t count) const {
  const MutexLock lock(mutex_);
  const auto end = entries_.begin() + static_cast<std::ptrdiff_t>(std::min(count, entries_.size()));
  return {entries_.begin(), end};
}

size_t SlowLog::size() const {
  const MutexLock lock(mutex_);
  return entries_.size();
}

uint64_t SlowLog::next_id() const {
  const MutexLock lock(mutex_);
  return next_id_;
}

void SlowLog::Clear(uint64_t before) {
  const MutexLock lock(mutex_);
  while (!entries_.empty() && entries_.back().id < before) entries_.pop_back();
}

std::vector<std::string> CutForLog(std::span<const Bytes> args) {
  std::vector<std::string> cut;
  const size_t shown = args.size() > kLoggedArgs ? kLoggedArgs - 1 : args.size();
  for (const Bytes arg : args.first(shown)) {
    cut.emplace_back(arg.substr(0, kLoggedBytes));
    if (arg.size() > kLoggedBytes) {
      cut.back() += "... (" + std::to_string(arg.size() - kLoggedBytes) + " more bytes)";
    }
  }
  if (shown < args.size()) {
    cut.push_back("... (" + std::to_string(args.size() - shown) + " more arguments)");
  }
  return cut;
}

RecentRequests::RecentRequests() : ring_(new char[kSize]) {}

uint64_t RecentRequests::Put(Bytes request, bool is_cut) {
  const size_t need = sizeof(Header) + request.size();
  uint64_t at = head_;
  const size_t left = kSize - (at & (kSize - 1));
  if (left < need) at += left;
  const Header header{static_cast<uint32_t>(request.size()), is_cut ? 1U : 0U};
  char* to = ring_.get() + (at & (kSize - 1));
  std::memcpy(to, &header, sizeof(header));
  std::memcpy(to + sizeof(header), request.data(), request.size());
  head_ = at + need;
  return at;
}

uint64_t RecentRequests::KeepCut(std::span<const Bytes> args) {
  scratch_.clear();
  const bool all =
      args.size() <= kLoggedArgs &&
      std::all_of(args.begin(), args.end(), [](Bytes arg) { return arg.size() <= kLoggedBytes; });
  if (all) {
    AppendRequest(scratch_, args);
    return Put(scratch_, true);
  }
  const std::vector<std::string> cut = CutForLog(args);
  AppendRequestHeader(scratch_, cut.size());
  for (const std::string& arg : cut) AppendRequestArg(scratch_, arg);
  return Put(scratch_, true);
}

std::vector<std::string> RecentRequests::Find(uint64_t place) const {
  if (place == 0 || head_ - place > kSize) return {};
  Header header;
  const char* from = ring_.get() + (place & (kSize - 1));
  std::memcpy(&header, from, sizeof(header));
  // A request reads like a reply that is an array of strings.
  std::vector<Bytes> args;
  for (const ReplyElement& arg : ReadArray(Bytes(from + sizeof(header), header.size))) {
    args.push_back(arg.text);
  }
  if (header.is_cut == 0) return CutForLog(args);
  return {args.begin(), args.end()};
}

}  // namespace ringmaster
