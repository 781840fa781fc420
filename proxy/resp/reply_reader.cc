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

}  // namespace

std::optional<ReplyElement> ReplyReader::Next() {
  if (rest_.empty()) return std::nullopt;
  ReplyScanner scanner;
  size_t used = 0;
  if (scanner.Scan(rest_, &used) != ReplyScanner::Status::kComplete) {
    rest_ = Bytes();
    return std::nullopt;
  }
  Bytes raw = rest_.substr(0, used);
  rest_.remove_prefix(used);
  while (!raw.empty() && raw[0] == '|') {
    ReplyElement attribute;
    attribute.type = '%';
    const size_t line_end = raw.find("\r\n");
    const auto pairs = ParseInteger(raw.substr(1, line_end - 1));
    ReplyReader inside(raw.substr(line_end + 2));
    for (int64_t i = 0; i < pairs.value_or(0) * 2; ++i) {
      if (!inside.Next()) return std::nullopt;
    }
    raw = inside.rest_;
  }
  ReplyElement element;
  if (!ReadHead(raw, &element)) return std::nullopt;
  return element;
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
