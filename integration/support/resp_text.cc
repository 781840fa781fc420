#include "support/resp_text.h"

#include <cstdio>
#include <cstdlib>

namespace ringmaster::integration {
namespace {

constexpr size_t kBad = std::string::npos;

// What follows the type byte on the first line; `end` is behind its \r\n.
bool Line(Bytes bytes, size_t at, Bytes& text, size_t& end) {
  const size_t found = bytes.find("\r\n", at);
  if (found == Bytes::npos) return false;
  text = bytes.substr(at + 1, found - at - 1);
  end = found + 2;
  return true;
}

int64_t Count(Bytes text) { return std::strtoll(std::string(text).c_str(), nullptr, 10); }

int64_t ChildrenOf(char type, int64_t count) {
  switch (type) {
    case '*':
    case '~':
    case '>':
      return count;
    case '%':
      return count * 2;
    case '|':
      return count * 2 + 1;  // its pairs, and the reply they speak of
    default:
      return 0;
  }
}

bool IsBulk(char type) { return type == '$' || type == '=' || type == '!'; }

std::string Text(Bytes bytes, size_t& at);

std::string Items(Bytes bytes, size_t& at, int64_t count, const char* open, const char* close) {
  std::string text = open;
  for (int64_t i = 0; i < count; ++i) {
    if (i > 0) text += ", ";
    text += Text(bytes, at);
  }
  return text + close;
}

std::string Pairs(Bytes bytes, size_t& at, int64_t count) {
  std::string text = "{";
  for (int64_t i = 0; i < count; ++i) {
    if (i > 0) text += ", ";
    text += Text(bytes, at) + ": ";
    text += Text(bytes, at);
  }
  return text + "}";
}

std::string Bulk(Bytes bytes, size_t& at, char type, int64_t size) {
  const Bytes body = bytes.substr(at, static_cast<size_t>(size));
  at += static_cast<size_t>(size) + 2;
  if (type == '!') return "(error) " + Quoted(body).substr(1, Quoted(body).size() - 2);
  if (type == '=') {
    return "(verbatim " + std::string(body.substr(0, 3)) + ") " + Quoted(body.substr(4));
  }
  return Quoted(body);
}

// REQUIRES: a whole reply at `at`.
std::string Text(Bytes bytes, size_t& at) {
  const char type = bytes[at];
  Bytes line;
  size_t end = at;
  if (!Line(bytes, at, line, end)) return "(cut)";
  at = end;
  const std::string word(line);
  const int64_t count = Count(line);
  switch (type) {
    case '+':
      return word;
    case '-':
      return "(error) " + word;
    case ':':
      return "(integer) " + word;
    case ',':
      return "(double) " + word;
    case '(':
      return "(big) " + word;
    case '#':
      return word == "t" ? "(true)" : "(false)";
    case '_':
      return "(null)";
    case '$':
    case '=':
    case '!':
      return count < 0 ? "(nil)" : Bulk(bytes, at, type, count);
    case '*':
      return count < 0 ? "(nil array)" : Items(bytes, at, count, "[", "]");
    case '~':
      return Items(bytes, at, count, "~[", "]");
    case '>':
      return Items(bytes, at, count, ">[", "]");
    case '%':
      return Pairs(bytes, at, count);
    case '|': {
      const std::string attributes = Pairs(bytes, at, count);
      return "|" + attributes + " " + Text(bytes, at);
    }
    default:
      return "(no RESP) " + Quoted(bytes.substr(at));
  }
}

}  // namespace

size_t ReplyLength(Bytes bytes) {
  size_t at = 0;
  for (int64_t missing = 1; missing > 0; --missing) {
    if (at >= bytes.size()) return 0;
    const char type = bytes[at];
    if (Bytes("+-:,(#_$=!*~>%|").find(type) == Bytes::npos) return kBad;
    Bytes line;
    if (!Line(bytes, at, line, at)) return 0;
    const int64_t count = Count(line);
    if (IsBulk(type) && count >= 0) at += static_cast<size_t>(count) + 2;
    if (at > bytes.size()) return 0;
    if (count > 0 || type == '|') missing += ChildrenOf(type, count);
  }
  return at;
}

std::string Quoted(Bytes text, size_t limit) {
  std::string quoted = "\"";
  for (const char c : text.substr(0, limit)) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c >= ' ' && c <= '~') {
      quoted += c;
    } else {
      char hex[8];
      std::snprintf(hex, sizeof(hex), "\\x%02x", static_cast<unsigned char>(c));
      quoted += hex;
    }
  }
  quoted += '"';
  if (text.size() > limit) quoted += "...(" + std::to_string(text.size()) + " bytes)";
  return quoted;
}

std::string Render(Bytes reply) {
  const size_t length = ReplyLength(reply);
  if (length == kBad) return "(no RESP) " + Quoted(reply);
  if (length == 0) return "(cut) " + Quoted(reply);
  size_t at = 0;
  return Text(reply, at);
}

std::string Encode(const std::vector<std::string>& words) {
  std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    bytes += "$" + std::to_string(word.size()) + "\r\n";
    bytes += word;
    bytes += "\r\n";
  }
  return bytes;
}

std::string EncodeAll(const std::vector<std::vector<std::string>>& commands) {
  std::string bytes;
  for (const auto& words : commands) bytes += Encode(words);
  return bytes;
}

}  // namespace ringmaster::integration
