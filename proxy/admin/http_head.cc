#include "admin/http_head.h"

#include <algorithm>
#include <utility>

namespace ringmaster {
namespace {

bool IsToken(std::string_view text) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

// Without spaces and control characters; ASCII.
bool IsVisible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string_view Trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool IsPort(std::string_view text) {
  return text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// "HTTP/1.1" -> 1; below zero: something else.
int MinorVersion(std::string_view version) {
  constexpr std::string_view kOne = "HTTP/1.";
  if (version.size() != kOne.size() + 1 || !version.starts_with(kOne)) return -1;
  const char digit = version.back();
  return digit >= '0' && digit <= '9' ? digit - '0' : -1;
}

}  // namespace

std::string HostOf(std::string_view authority) {
  std::string_view host = authority, port;
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return "";
    host = authority.substr(1, end - 1);
    port = authority.substr(end + 1);
    if (!port.empty() && !port.starts_with(':')) return "";
  } else if (const size_t colon = authority.find(':'); colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon);
  }
  if (!port.empty() && !IsPort(port.substr(1))) return "";
  if (host.ends_with('.')) host.remove_suffix(1);
  const bool plain = std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == ':' || c == '%';
  });
  return plain ? Lower(host) : "";
}

HttpHeadReader::Status HttpHeadReader::Bad(int status, const char* text) {
  problem_ = {status, text};
  return status_ = Status::kBad;
}

HttpHeadReader::Status HttpHeadReader::Feed(std::string_view bytes) {
  while (status_ == Status::kMore && !bytes.empty()) {
    const size_t end = bytes.find('\n');
    const size_t size = end == std::string_view::npos ? bytes.size() : end + 1;
    const size_t room = limit_ - size_;
    if (size > room) return Bad(431, "This is more than a request may have.\n");
    line_.append(bytes.substr(0, size));
    size_ += size;
    bytes.remove_prefix(size);
    if (end != std::string_view::npos) EndLine();
  }
  return status_;
}

HttpHeadReader::Status HttpHeadReader::EndLine() {
  if (!line_.ends_with("\r\n")) return Bad(400, "A line ends with CR and LF.\n");
  line_.resize(line_.size() - 2);
  const Status status = line_.empty() ? End() : started_ ? TakeField() : TakeRequestLine();
  line_.clear();
  return status;
}

HttpHeadReader::Status HttpHeadReader::TakeRequestLine() {
  constexpr char kForm[] = "A request begins with a method, a target and HTTP/1.1.\n";
  started_ = true;
  const std::string_view line = line_;
  const size_t first = line.find(' ');
  const size_t second = line.rfind(' ');
  if (first == std::string_view::npos || second == first) return Bad(400, kForm);
  const std::string_view method = line.substr(0, first);
  std::string_view target = line.substr(first + 1, second - first - 1);
  const std::string_view version = line.substr(second + 1);
  const int minor = MinorVersion(version);
  if (minor < 0) {
    return version.starts_with("HTTP/") ? Bad(505, "HTTP/1.1 is spoken here.\n") : Bad(400, kForm);
  }
  if (!IsToken(method) || target.empty() || !IsVisible(target)) return Bad(400, kForm);
  needs_host_ = minor >= 1;
  // As to a proxy: the target says the host, too, and is the one that counts.
  constexpr std::string_view kScheme = "http://";
  if (Lower(target.substr(0, kScheme.size())) == kScheme) {
    target.remove_prefix(kScheme.size());
    const size_t slash = std::min(target.find_first_of("/?#"), target.size());
    head_.host = HostOf(target.substr(0, slash));
    if (head_.host.empty()) return Bad(400, "The target names no host.\n");
    target.remove_prefix(slash);
  }
  head_.method = method;
  head_.path = target.substr(0, target.find_first_of("?#"));
  if (head_.path.empty()) head_.path = "/";
  return status_;
}

HttpHeadReader::Status HttpHeadReader::TakeField() {
  const std::string_view line = line_;
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || !IsToken(line.substr(0, colon))) {
    return Bad(400, "A field has a name, a colon and a value.\n");
  }
  const std::string_view value = Trimmed(line.substr(colon + 1));
  const bool clean = std::all_of(value.begin(), value.end(), [](char c) {
    return (static_cast<unsigned char>(c) >= ' ' && c != '\x7f') || c == '\t';
  });
  if (!clean) return Bad(400, "A field has a control character.\n");
  if (Lower(line.substr(0, colon)) != "host") return status_;
  if (std::exchange(has_host_, true)) return Bad(400, "A request has one Host.\n");
  const std::string host = HostOf(value);
  if (host.empty() && !value.empty()) return Bad(400, "Host names no host.\n");
  if (head_.host.empty()) head_.host = host;
  return status_;
}

HttpHeadReader::Status HttpHeadReader::End() {
  if (!started_) {
    // One is forgiven, as old clients send it behind a request.
    return ++empty_before_ > 1 ? Bad(400, "A request begins with its method.\n") : status_;
  }
  if (needs_host_ && !has_host_) return Bad(400, "A request of HTTP/1.1 has a Host.\n");
  return status_ = Status::kComplete;
}

}  // namespace ringmaster
