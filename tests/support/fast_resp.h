// What RequestParser and ReplyScanner see in an input that arrives in pieces, rendered as the slow
// readers of slow_resp.h render it.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "resp/reply_scanner.h"
#include "resp/request_parser.h"
#include "support/feeder.h"
#include "support/slow_resp.h"

namespace ringmaster {

// `eager`: parse after each piece, even where wanted() says that it cannot help, and each time from
// a block of exact size at another address. Otherwise as cheaply as a session does it, for inputs
// that are large and cut often.
inline std::string ReadRequests(const std::vector<Bytes>& pieces, const RequestLimits& limits,
                                bool eager = true) {
  RequestParser parser(limits);
  std::string pending;
  std::string out;
  size_t wanted = 0;
  for (const Bytes piece : pieces) {
    pending += piece;
    while (!pending.empty() && (eager || pending.size() >= wanted)) {
      const ExactBlock block{eager ? Bytes(pending) : Bytes()};
      const RequestParser::Status status = parser.Parse(eager ? block.bytes() : Bytes(pending));
      if (status == RequestParser::Status::kNeedMore) {
        wanted = parser.wanted();
        if (wanted <= pending.size()) out += "wants what it has\n";
        break;
      }
      if (status == RequestParser::Status::kBad) {
        return out + "bad: " + std::string(parser.error()) + "\n";
      }
      out += RenderRequest(parser.args(), parser.is_inline());
      pending.erase(0, parser.consumed());
      parser.Reset();
      wanted = 0;
    }
  }
  return pending.empty() ? out : out + "more\n";
}

inline std::string ReadReplies(const std::vector<Bytes>& pieces) {
  ReplyScanner scanner;
  std::string out;
  size_t length = 0;  // of the reply under way
  for (const Bytes piece : pieces) {
    const ExactBlock block{piece};
    Bytes rest = block.bytes();
    while (!rest.empty()) {
      size_t used = 0;
      const ReplyScanner::Status status = scanner.Scan(rest, &used);
      length += used;
      rest.remove_prefix(used);
      if (status == ReplyScanner::Status::kBad) return out + "bad\n";
      if (status == ReplyScanner::Status::kNeedMore) {
        if (!rest.empty()) out += "left bytes of an unfinished reply\n";
        if (scanner.at_start()) out += "is at the start in the middle\n";
        break;
      }
      out += std::string(1, scanner.type()) + " " + std::to_string(length) + "\n";
      if (!scanner.at_start()) out += "is not at the start behind a reply\n";
      length = 0;
    }
  }
  return length == 0 ? out : out + "more\n";
}

}  // namespace ringmaster
