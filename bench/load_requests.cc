#include "load_requests.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "base/check.h"

namespace ringmaster::bench {
namespace {

// Up to here copying a value is cheaper than a piece of its own in the write.
constexpr uint32_t kCopiedValue = 1024;

void AppendHeader(std::string& out, char type, size_t number) {
  out.push_back(type);
  AppendInteger(out, static_cast<int64_t>(number));
  out.append("\r\n");
}

size_t TextSize(const std::vector<Templates::Part>& parts) {
  size_t size = 0;
  for (const Templates::Part& part : parts) size += part.text.size();
  return size;
}

}  // namespace

Templates::Templates(const Plan& plan)
    : prefix_(plan.prefix),
      value_size_(plan.value_size),
      keys_per_command_(std::max(plan.multi, 1U)),
      multi_(plan.multi > 0) {
  filler_.assign(value_size_ - kDigits, 'x');
  filler_.append("\r\n");
  digits_.resize(plan.keys);
  for (uint32_t index = 0; index < plan.keys; ++index) {
    const std::string number = std::to_string(index);
    const std::string text = std::string(kDigits - number.size(), '0') + number;
    std::memcpy(&digits_[index], text.data(), kDigits);
  }
  for (const bool writes : {false, true}) {
    std::vector<Part>& parts = writes ? write_ : read_;
    parts.emplace_back();
    std::string& text = parts.back().text;
    AppendHeader(text, '*', 1 + keys_per_command_ * (writes ? 2 : 1));
    if (multi_) {
      text.append(writes ? "$4\r\nMSET\r\n" : "$4\r\nMGET\r\n");
    } else {
      text.append(writes ? "$3\r\nSET\r\n" : "$3\r\nGET\r\n");
    }
    AppendArguments(parts, writes);
  }
}

void Templates::AppendArguments(std::vector<Part>& parts, bool with_values) const {
  for (uint32_t key = 0; key < keys_per_command_; ++key) {
    if (parts.back().filler_follows) parts.emplace_back();
    Part& part = parts.back();
    const auto add_hole = [&part, key] {
      part.holes.emplace_back(static_cast<uint32_t>(part.text.size()), key);
      part.text.append(kDigits, '0');
    };
    AppendHeader(part.text, '$', prefix_.size() + kDigits);
    part.text.append(prefix_);
    add_hole();
    part.text.append("\r\n");
    if (!with_values) continue;
    AppendHeader(part.text, '$', value_size_);
    add_hole();
    if (value_size_ <= kCopiedValue) {
      part.text.append(filler_);
    } else {
      part.filler_follows = true;
    }
  }
}

Batch::Batch(const Templates& templates, uint32_t capacity) : templates_(templates) {
  buffer_.resize(capacity * std::max(TextSize(templates.write()), TextSize(templates.read())));
  pieces_.reserve(capacity * templates.write().size() * 2);
}

void Batch::Clear() {
  used_ = 0;
  next_ = 0;
  pieces_.clear();
}

void Batch::Append(bool write, const uint64_t* key_digits) {
  for (const Templates::Part& part : write ? templates_.write() : templates_.read()) {
    RM_DCHECK(used_ + part.text.size() <= buffer_.size());
    char* text = buffer_.data() + used_;
    std::ranges::copy(part.text, text);
    for (const auto& [offset, key] : part.holes) {
      std::memcpy(text + offset, &key_digits[key], kDigits);
    }
    used_ += part.text.size();
    // Texts that follow each other lie side by side, so they share a piece.
    iovec* last = pieces_.empty() ? nullptr : &pieces_.back();
    if (last != nullptr && static_cast<char*>(last->iov_base) + last->iov_len == text) {
      last->iov_len += part.text.size();
    } else {
      pieces_.push_back({text, part.text.size()});
    }
    if (part.filler_follows) {
      const Bytes filler = templates_.filler();
      pieces_.push_back({const_cast<char*>(filler.data()), filler.size()});
    }
  }
}

bool Batch::WriteTo(int fd) {
  while (!empty()) {
    msghdr message{};
    message.msg_iov = &pieces_[next_];
    message.msg_iovlen = std::min<size_t>(pieces_.size() - next_, IOV_MAX);
    const ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN || errno == EWOULDBLOCK;
    }
    auto left = static_cast<size_t>(sent);
    while (left > 0) {
      iovec& piece = pieces_[next_];
      const size_t taken = std::min(left, piece.iov_len);
      piece.iov_base = static_cast<char*>(piece.iov_base) + taken;
      piece.iov_len -= taken;
      left -= taken;
      if (piece.iov_len == 0) ++next_;
    }
  }
  return true;
}

}  // namespace ringmaster::bench
