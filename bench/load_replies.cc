#include "load_replies.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace ringmaster::bench {

void Faults::Note(uint64_t& counter, Bytes what, Bytes detail) {
  ++counter;
  if (first.empty()) first = std::string(what) + ": " + Printable(detail);
}

ReplyChecker::ReplyChecker(const Plan& plan, Faults& faults)
    : keys_per_command_(std::max(plan.multi, 1U)),
      multi_(plan.multi > 0),
      value_size_(plan.value_size),
      faults_(faults) {}

void ReplyChecker::Expect(bool write, const uint64_t* key_digits) {
  if (answered_ == writes_.size() && answered_ > 0) {
    writes_.clear();
    read_digits_.clear();
    answered_ = 0;
    values_seen_ = 0;
  }
  writes_.push_back(write);
  if (!write) read_digits_.insert(read_digits_.end(), key_digits, key_digits + keys_per_command_);
}

uint32_t ReplyChecker::Consume(Bytes input) {
  const size_t answered_before = answered_;
  while (!input.empty() && !broken_) {
    if (body_left_ > 0) {
      const auto taken = std::min(static_cast<size_t>(body_left_), input.size());
      OnBody(input.substr(0, taken));
      input.remove_prefix(taken);
      continue;
    }
    const size_t end = input.find('\n');
    const Bytes piece = input.substr(0, end == Bytes::npos ? input.size() : end + 1);
    input.remove_prefix(piece.size());
    if (end != Bytes::npos && line_.empty()) {
      OnLine(piece);
      continue;
    }
    line_.append(piece);
    if (line_.size() > kMaxLine) {
      Break("endless line", line_);
    } else if (end != Bytes::npos) {
      OnLine(line_);
      line_.clear();
    }
  }
  return static_cast<uint32_t>(answered_ - answered_before);
}

void ReplyChecker::OnLine(Bytes line) {
  if (line.size() < 3 || line[line.size() - 2] != '\r') return Break("no line end", line);
  line.remove_suffix(2);
  if (pending() == 0) return Break("reply without a command", line);
  const bool write = writes_[answered_];
  if (line[0] == '-') {
    faults_.Note(faults_.error_replies, "error reply", line);
    if (!write) values_seen_ += elements_left_ > 0 ? 1 : keys_per_command_;
    return EndElement();
  }
  if (write) {
    if (line != "+OK") return Break("not +OK to a write", line);
    return EndElement();
  }
  const auto number = ParseInteger(line.substr(1));
  if (number && line[0] == '*' && multi_ && elements_left_ == 0) return OnArrayHeader(*number);
  if (number && line[0] == '$' && (elements_left_ > 0 || !multi_)) return OnBulkHeader(*number);
  Break("not the type that answers a read", line);
}

void ReplyChecker::OnArrayHeader(int64_t length) {
  if (length != keys_per_command_) return Break("array length", std::to_string(length));
  elements_left_ = keys_per_command_;
}

void ReplyChecker::OnBulkHeader(int64_t length) {
  if (length < 0) {
    Wrong("missing value", std::to_string(length));
    ++values_seen_;
    return EndElement();
  }
  // A wrong length leaves no way to check what follows, so the client ends here.
  if (length != value_size_) return Break("value length", std::to_string(length));
  body_size_ = body_left_ = length + 2;
}

void ReplyChecker::OnBody(Bytes bytes) {
  const int64_t position = body_size_ - body_left_;
  if (position < kDigits) {
    const auto count = std::min(static_cast<size_t>(kDigits - position), bytes.size());
    std::memcpy(head_ + position, bytes.data(), count);
  }
  body_left_ -= static_cast<int64_t>(bytes.size());
  if (body_left_ > 0) return;
  RM_DCHECK(values_seen_ < read_digits_.size());
  if (std::memcmp(head_, &read_digits_[values_seen_], kDigits) != 0) {
    Wrong("another key's value", Bytes(head_, kDigits));
  }
  if (bytes.back() != '\n')
    return Break("no line end behind a value", bytes.substr(bytes.size() - 1));
  ++values_seen_;
  EndElement();
}

void ReplyChecker::EndElement() {
  if (elements_left_ > 1) {
    --elements_left_;
    return;
  }
  elements_left_ = 0;
  ++answered_;
}

void ReplyChecker::Break(Bytes what, Bytes detail) {
  Wrong(what, detail);
  broken_ = true;
}

}  // namespace ringmaster::bench
