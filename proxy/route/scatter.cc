#include "route/scatter.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/check.h"
#include "resp/errors.h"
#include "resp/reply_reader.h"
#include "resp/reply_scanner.h"
#include "resp/reply_writer.h"

namespace ringmaster {
namespace {

// What a scatter keeps of its buffers between uses.
constexpr size_t kKeepBytes = 16 * 1024;
constexpr size_t kKeepKeys = 4096;

size_t Digits(size_t value) {
  size_t digits = 1;
  while (value >= 10) {
    value /= 10;
    ++digits;
  }
  return digits;
}

size_t ArgSize(Bytes arg) { return 1 + Digits(arg.size()) + 2 + arg.size() + 2; }

char* WriteHeader(char* to, char type, size_t value) {
  *to++ = type;
  to = std::to_chars(to, to + 20, value).ptr;
  *to++ = '\r';
  *to++ = '\n';
  return to;
}

char* WriteArg(char* to, Bytes arg) {
  to = WriteHeader(to, '$', arg.size());
  std::memcpy(to, arg.data(), arg.size());
  to += arg.size();
  *to++ = '\r';
  *to++ = '\n';
  return to;
}

// Takes the next complete element from the front of `rest`; empty when there is none.
Bytes TakeElement(Bytes& rest) {
  ReplyScanner scanner;
  size_t used = 0;
  if (scanner.Scan(rest, &used) != ReplyScanner::Status::kComplete) return {};
  const Bytes element = rest.substr(0, used);
  rest.remove_prefix(used);
  return element;
}

// The elements of an array or set reply, without its header; `count` is how many.
Bytes Elements(Bytes reply, int64_t* count) {
  const ReplyElement head = ReadReply(reply);
  *count = head.is_aggregate() ? head.count : -1;
  const size_t header = reply.find('\n');
  return *count < 0 || header == Bytes::npos ? Bytes() : reply.substr(header + 1);
}

}  // namespace

Scatter& ScatterPool::Take() {
  if (free_.empty()) {
    all_.push_back(std::make_unique<Scatter>(*this));
    free_.reserve(all_.size());
    return *all_.back();
  }
  Scatter* scatter = free_.back();
  free_.pop_back();
  return *scatter;
}

void ScatterPool::Give(Scatter& scatter) { free_.push_back(&scatter); }

void Scatter::Begin(Router& router, const Plan& plan, int resp, Exchange& parent) {
  router_ = &router;
  plan_ = plan;
  parent_ = &parent;
  resp_ = resp;
  part_count_ = 0;
  too_large_ = false;
  collected_ = 0;
  merged_.clear();
  key_parts_.clear();
  shard_parts_.assign(router.shard_count(), -1);
}

Scatter::Part& Scatter::AddPart(uint32_t shard) {
  if (part_count_ == parts_.size()) parts_.push_back(std::make_unique<Part>());
  Part& part = *parts_[part_count_++];
  part.shard = shard;
  part.keys = 0;
  part.request_size = 0;
  part.collected.clear();
  part.bytes = Bytes();
  part.failed = false;
  part.sink = this;
  part.resent = false;
  part.in_parts = false;
  part.read_only = plan_.read_only;
  return part;
}

void Scatter::ByKeys(ScatterPool& pool, Router& router, std::span<const Bytes> args, size_t first,
                     size_t step, const Slice& wire, const Plan& plan, int database, int resp,
                     Exchange& parent) {
  Scatter& scatter = pool.Take();
  scatter.Begin(router, plan, resp, parent);
  scatter.SortKeys(args, first, step);
  if (scatter.part_count_ == 1) {
    Connection& connection = router.backend(scatter.parts_[0]->shard).Shared(database, resp);
    pool.Give(scatter);
    parent.read_only = plan.read_only;
    parent.request = wire;
    connection.Send(parent);
    return;
  }
  scatter.WriteParts(args, first, step);
  scatter.SendParts(database, resp);
}

void Scatter::ToAll(ScatterPool& pool, Router& router, Bytes request, const Plan& plan,
                    int database, int resp, Exchange& parent) {
  Scatter& scatter = pool.Take();
  scatter.Begin(router, plan, resp, parent);
  for (uint32_t shard = 0; shard < router.shard_count(); ++shard) {
    Part& part = scatter.AddPart(shard);
    if (request.size() > kCopyLimit) {
      part.request = pool.blocks().Copy(request);
    } else {
      part.request = Slice{request, {}};
    }
  }
  scatter.SendParts(database, resp);
}

void Scatter::SortKeys(std::span<const Bytes> args, size_t first, size_t step) {
  for (size_t i = first; i < args.size(); i += step) {
    const uint32_t shard = router_->ShardOf(args[i]);
    if (shard_parts_[shard] < 0) {
      shard_parts_[shard] = static_cast<int32_t>(part_count_);
      AddPart(shard);
    }
    const auto index = static_cast<uint32_t>(shard_parts_[shard]);
    key_parts_.push_back(index);
    Part& part = *parts_[index];
    ++part.keys;
    for (size_t j = i; j < i + step; ++j) part.request_size += ArgSize(args[j]);
  }
}

void Scatter::WriteParts(std::span<const Bytes> args, size_t first, size_t step) {
  size_t prefix = 0;
  for (size_t i = 0; i < first; ++i) prefix += ArgSize(args[i]);
  for (size_t p = 0; p < part_count_; ++p) {
    Part& part = *parts_[p];
    const size_t count = first + part.keys * step;
    part.request_size += prefix + 1 + Digits(count) + 2;
    part.writing = pool_.blocks().Allocate(part.request_size);
    part.end = WriteHeader(part.writing.data(), '*', count);
    for (size_t i = 0; i < first; ++i) part.end = WriteArg(part.end, args[i]);
  }
  for (size_t k = 0; k < key_parts_.size(); ++k) {
    Part& part = *parts_[key_parts_[k]];
    for (size_t j = 0; j < step; ++j) {
      part.end = WriteArg(part.end, args[first + k * step + j]);
    }
  }
  for (size_t p = 0; p < part_count_; ++p) {
    Part& part = *parts_[p];
    RM_DCHECK(part.end == part.writing.data() + part.request_size);
    const Bytes bytes(part.writing.data(), part.request_size);
    part.request = Slice{bytes, std::move(part.writing)};
  }
}

void Scatter::SendParts(int database, int resp) {
  waiting_ = part_count_;
  sending_ = true;
  for (size_t p = 0; p < part_count_; ++p) {
    Part& part = *parts_[p];
    part.shard_name = router_->shard_name(part.shard);
    router_->backend(part.shard).Shared(database, resp).Send(part);
    // The slow log asks when it was handed on.
    if (p == 0) parent_->queued_at = part.queued_at;
  }
  sending_ = false;
  if (waiting_ == 0) Finish();
}

void Scatter::OnReplyPart(Exchange& exchange, const Slice& bytes) {
  Collect(PartOf(exchange), bytes.bytes);
  if (too_large_) return;
  collected_ += static_cast<int64_t>(bytes.bytes.size());
  parent_->sink->OnCollected(*parent_, exchange.connection,
                             static_cast<int64_t>(bytes.bytes.size()));
}

void Scatter::Collect(Part& part, Bytes bytes) {
  if (part.collected.size() + bytes.size() > pool_.max_reply()) too_large_ = true;
  if (!too_large_) part.collected.append(bytes);
}

void Scatter::OnReply(Exchange& exchange, const Slice& reply) {
  Part& part = PartOf(exchange);
  const bool broken = exchange.in_parts && exchange.outcome != Outcome::kReplied;
  if (broken) part.collected.clear();
  if (part.collected.empty() && reply.block) {
    part.kept = reply;
    part.bytes = reply.bytes;
  } else {
    Collect(part, reply.bytes);
    part.bytes = part.collected;
  }
  const char type = part.bytes.empty() ? '-' : part.bytes[0];
  part.failed = type == '-' || type == '!';
  if (--waiting_ == 0 && !sending_) Finish();
}

void Scatter::Finish() {
  if (collected_ > 0) [[unlikely]]
    parent_->sink->OnCollected(*parent_, nullptr, -collected_);
  std::string error;
  if (too_large_) {
    merged_ = errors::ReplyTooLarge(pool_.max_reply());
  } else if (FindError(&error)) {
    merged_ = std::move(error);
  } else {
    MergeReplies();
  }
  for (size_t p = 0; p < part_count_; ++p) {
    parts_[p]->kept = Slice();
    if (parts_[p]->collected.capacity() > kKeepBytes) parts_[p]->collected = std::string();
  }
  if (key_parts_.capacity() > kKeepKeys) key_parts_ = std::vector<uint32_t>();
  std::string merged = std::move(merged_);
  merged_ = std::string();
  Exchange& parent = *parent_;
  parent.state = Exchange::State::kDone;
  parent.sink->OnReply(parent, Slice{merged, {}});
  // The buffer goes back for the next use, unless it grew large.
  if (merged.capacity() <= kKeepBytes) merged_ = std::move(merged);
  pool_.Give(*this);
}

// Whether the merged reply is an error, and which.
bool Scatter::FindError(std::string* text) {
  const Part* failed = nullptr;
  bool applied = false;
  bool uncertain = false;
  for (size_t p = 0; p < part_count_; ++p) {
    const Part& part = *parts_[p];
    applied = applied || !part.failed;
    uncertain = uncertain || part.outcome == Outcome::kUncertain;
    if (part.failed && failed == nullptr) failed = &part;
  }
  if (failed == nullptr) return false;
  if (plan_.merge == Merge::kOneSucceeded && applied) return false;
  const std::string& shard = failed->shard_name;
  const Bytes line = failed->bytes.substr(0, failed->bytes.find('\r'));
  const bool mixed = !plan_.read_only && (applied || uncertain) && part_count_ > 1;
  parent_->outcome = mixed ? Outcome::kUncertain : failed->outcome;
  if (mixed) {
    *text = errors::Uncertain(shard,
                              "the command may be applied on other shards only; this one says: " +
                                  std::string(line.empty() ? line : line.substr(1)));
  } else {
    *text = std::string(failed->bytes);
  }
  return true;
}

void Scatter::MergeReplies() {
  switch (plan_.merge) {
    case Merge::kKeyOrder:
      return MergeKeyOrder();
    case Merge::kSum:
    case Merge::kMin:
    case Merge::kMax:
      return MergeInteger();
    case Merge::kAnd:
    case Merge::kOr:
      return MergeIntegers();
    case Merge::kConcat:
      return MergeConcat();
    case Merge::kAllSucceeded:
    case Merge::kOneSucceeded:
      for (size_t p = 0; p < part_count_; ++p) {
        if (parts_[p]->failed) continue;
        merged_.assign(parts_[p]->bytes);
        return;
      }
      return Malformed();
    case Merge::kSpecial: {
      std::vector<Bytes> replies;
      for (size_t p = 0; p < part_count_; ++p) replies.push_back(parts_[p]->bytes);
      plan_.special(replies, resp_, merged_);
      return;
    }
  }
}

void Scatter::Malformed() {
  merged_ = errors::Uncertain("(several)", "the shards' replies do not fit together");
}

// Hands on what is merged so far.
void Scatter::Flush() {
  if (merged_.empty()) return;
  parent_->sink->OnReplyPart(*parent_, Slice{merged_, {}});
  merged_.clear();
}

void Scatter::MergeKeyOrder() {
  size_t total = 0;
  for (size_t p = 0; p < part_count_; ++p) {
    Part& part = *parts_[p];
    int64_t count = 0;
    total += part.bytes.size();
    part.bytes = Elements(part.bytes, &count);
    if (count != static_cast<int64_t>(part.keys)) return Malformed();
  }
  if (total > pool_.max_reply()) {
    merged_ = errors::ReplyTooLarge(pool_.max_reply());
    return;
  }
  ReplyWriter(merged_, resp_).Array(key_parts_.size());
  for (const uint32_t index : key_parts_) {
    Part& part = *parts_[index];
    const Bytes element = TakeElement(part.bytes);
    // Large values are handed on where they lie.
    if (element.size() > kCopyLimit && part.kept.block) {
      Flush();
      parent_->sink->OnReplyPart(*parent_, Slice{element, part.kept.block});
    } else {
      merged_.append(element);
    }
  }
}

void Scatter::MergeInteger() {
  int64_t merged = 0;
  for (size_t p = 0; p < part_count_; ++p) {
    const ReplyElement reply = ReadReply(parts_[p]->bytes);
    if (reply.type != ':') return Malformed();
    if (p == 0) {
      merged = reply.count;
    } else if (plan_.merge == Merge::kSum) {
      merged += reply.count;
    } else if (plan_.merge == Merge::kMin) {
      merged = std::min(merged, reply.count);
    } else {
      merged = std::max(merged, reply.count);
    }
  }
  ReplyWriter(merged_, resp_).Integer(merged);
}

void Scatter::MergeIntegers() {
  std::vector<int64_t> merged;
  bool scalar = false;
  for (size_t p = 0; p < part_count_; ++p) {
    const ReplyElement reply = ReadReply(parts_[p]->bytes);
    scalar = reply.type == ':';
    std::vector<ReplyElement> elements =
        scalar ? std::vector<ReplyElement>{reply} : ReadArray(parts_[p]->bytes);
    if (p == 0) merged.assign(elements.size(), plan_.merge == Merge::kAnd ? 1 : 0);
    if (elements.size() != merged.size()) return Malformed();
    for (size_t i = 0; i < merged.size(); ++i) {
      const bool value = elements[i].count != 0;
      merged[i] =
          plan_.merge == Merge::kAnd ? (merged[i] != 0 && value) : (merged[i] != 0 || value);
    }
  }
  ReplyWriter writer(merged_, resp_);
  if (!scalar) writer.Array(merged.size());
  for (const int64_t value : merged) writer.Integer(value);
}

void Scatter::MergeConcat() {
  int64_t total = 0;
  size_t size = 0;
  char type = '*';
  for (size_t p = 0; p < part_count_; ++p) {
    Part& part = *parts_[p];
    int64_t count = 0;
    if (!part.bytes.empty()) type = part.bytes[0];
    part.bytes = Elements(part.bytes, &count);
    if (count < 0) return Malformed();
    total += count;
    size += part.bytes.size();
  }
  if (size > pool_.max_reply()) {
    merged_ = errors::ReplyTooLarge(pool_.max_reply());
    return;
  }
  ReplyWriter writer(merged_, resp_);
  if (type == '~') {
    writer.Set(static_cast<size_t>(total));
  } else {
    writer.Array(static_cast<size_t>(total));
  }
  for (size_t p = 0; p < part_count_; ++p) {
    const Part& part = *parts_[p];
    if (part.bytes.size() > kCopyLimit && part.kept.block) {
      Flush();
      parent_->sink->OnReplyPart(*parent_, Slice{part.bytes, part.kept.block});
    } else {
      merged_.append(part.bytes);
    }
  }
}

}  // namespace ringmaster
