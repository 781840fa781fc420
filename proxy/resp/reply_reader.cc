#include "resp/reply_reader.h"

#include <algorithm>

#include "resp/reply_scanner.h"

namespace ringmaster {
namespace {

bool IsBulk(char type) { return type == '$' || type == '!' || type == '='; }

// Fills in what the element's head says. False: not RESP.
bool ReadHead(Bytes raw, ReplyElement* element) {
  const size_t line_end = raw.find("\r\n");
  if (raw.empty() || line_end == Bytes::npos) return false;
  element->type = raw[0];
  element->raw = raw;
  const Bytes line = raw.substr(1, line_end - 1);
  element->text = line;
  if (IsBulk(element->type) || element->is_aggregate()) {
    const auto count = ParseInteger(line);
    if (!count) return false;
    element->count = *count;
    if (IsBulk(element->type)) {
      element->text = *count < 0 ? Bytes() : raw.substr(line_end + 2, static_cast<size_t>(*count));
    } else {
      element->text = Bytes();
      if (element->type == '%') element->count = *count * 2;
    }
  } else if (element->type == ':') {
    element->count = ParseInteger(line).value_or(0);
  }
  return true;
}

// What follows the attributes in front of an element that the scanner found complete. An attribute
// has a map's contents, and is skipped as a map: attributes may nest to any depth.
Bytes WithoutAttributes(Bytes raw) {
  while (!raw.empty() && raw[0] == '|') {
    const size_t line_end = raw.find("\r\n");
    const std::string head = "%" + std::string(raw.substr(1, line_end + 1));
    raw.remove_prefix(line_end + 2);
    ReplyScanner scanner;
    size_t used = 0;
    if (scanner.Scan(head, &used) == ReplyScanner::Status::kComplete) continue;
    if (scanner.Scan(raw, &used) != ReplyScanner::Status::kComplete) return Bytes();
    raw.remove_prefix(used);
  }
  return raw;
}

}  // namespace

std::optional<ReplyElement> ReplyReader::Next() {
  ReplyScanner scanner;
  size_t used = 0;
  ReplyElement element;
  if (scanner.Scan(rest_, &used) == ReplyScanner::Status::kComplete) {
    const Bytes raw = WithoutAttributes(rest_.substr(0, used));
    rest_.remove_prefix(used);
    if (ReadHead(raw, &element)) return element;
  }
  rest_ = Bytes();
  return std::nullopt;
}

ReplyReader ReplyReader::Children(const ReplyElement& aggregate) {
  if (!aggregate.is_aggregate() || aggregate.count <= 0) return ReplyReader(Bytes());
  return ReplyReader(aggregate.raw.substr(aggregate.raw.find("\r\n") + 2));
}

ReplyElement ReadReply(Bytes reply) { return ReplyReader(reply).Next().value_or(ReplyElement()); }

std::vector<ReplyElement> ReadArray(Bytes reply) {
  std::vector<ReplyElement> elements;
  const ReplyElement head = ReadReply(reply);
  ReplyReader reader = ReplyReader::Children(head);
  while (std::optional<ReplyElement> element = reader.Next()) elements.push_back(*element);
  return elements;
}

}  // namespace ringmaster
