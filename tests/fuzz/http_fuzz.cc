// Any bytes make the same connection however they are cut; what is answered is a response, and
// every connection ends.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "admin/http_connection.h"
#include "base/bytes.h"

namespace ringmaster {
namespace {

using State = HttpConnection::State;

// What the peer reads, after `input` in pieces of `size` bytes.
std::string Serve(std::string_view input, size_t size) {
  const HttpLimits limits{.head = 512, .dropped = 256};
  TimePoint now{std::chrono::seconds(1)};
  HttpConnection connection(limits, now);
  for (size_t at = 0; at < input.size() && connection.reads(); at += size) {
    // In a block of its own, so that reading beyond it is seen.
    const std::string piece(input.substr(at, size));
    connection.Take(piece, now);
    if (connection.state() != State::kReading) break;
  }
  if (connection.state() == State::kAnswering) {
    const HttpHead& head = connection.head();
    if (head.method.empty() || head.path.empty()) std::abort();
    connection.Respond({.body = head.method + " " + head.path + " " + head.host}, now);
  }
  std::string sent;
  for (int turns = 0; connection.state() != State::kOver; ++turns) {
    if (turns > 10) std::abort();
    sent += connection.out();
    connection.Sent(connection.out().size(), now);
    connection.Tick(now = connection.due());
  }
  return sent;
}

}  // namespace
}  // namespace ringmaster

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string whole = ringmaster::Serve(input, std::max<size_t>(size, 1));
  if (!whole.empty() && !whole.starts_with("HTTP/1.1 ")) std::abort();
  for (const size_t piece : {1, 3, 64}) {
    if (ringmaster::Serve(input, piece) == whole) continue;
    std::fprintf(stderr, "cut into %zu: another answer\n", piece);
    std::abort();
  }
  return 0;
}
