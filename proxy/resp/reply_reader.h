// Reads complete replies (whose end the ReplyScanner found): for merging, for recipes, for tests.
// Views into the reply; copies nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"

namespace ringmaster {

// One element of a reply: a scalar, or the head of an aggregate whose children follow it.
struct ReplyElement {
  char type = 0;  // as ReplyScanner::type()
  Bytes raw;      // the element with everything inside it, as on the wire
  Bytes text;     // bulk content, line of a simple string, error, number, verbatim (all of it)
  int64_t count =
      0;  // ':' value; children of '*' '~' '>'; twice the pairs of '%'; -1: null of RESP2
  bool is_null() const { return type == '_' || ((type == '$' || type == '*') && count < 0); }
  bool is_error() const { return type == '-' || type == '!'; }
  bool is_aggregate() const { return type == '*' || type == '~' || type == '%' || type == '>'; }
};

class ReplyReader {
 public:
  // REQUIRES: `reply` is one complete reply, or several, as the ReplyScanner delimits them.
  explicit ReplyReader(Bytes reply) : rest_(reply) {}

  // The next element at this level with all of its children skipped over (they are in raw and can
  // be walked by Children()). nullopt at the end, or when the bytes are not RESP. Attributes are
  // skipped.
  std::optional<ReplyElement> Next();
  // A reader over the children of an aggregate.
  static ReplyReader Children(const ReplyElement& aggregate);

 private:
  Bytes rest_;
};

// The only element of `reply`; type 0 when there is none.
ReplyElement ReadReply(Bytes reply);
// Convenience for tests and recipes: the elements of an array, set, push or map; empty otherwise.
std::vector<ReplyElement> ReadArray(Bytes reply);

}  // namespace ringmaster
