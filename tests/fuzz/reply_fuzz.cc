// Any bytes scan as the same replies however they are cut, and as a slow independent reader reads
// them; the reader walks every complete reply to its leaves, and these make up the whole.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "resp/reply_reader.h"
#include "resp/reply_scanner.h"
#include "support/fast_resp.h"
#include "support/feeder.h"
#include "support/slow_resp.h"

namespace ringmaster {
namespace {

void Require(const std::string& got, const std::string& expected, const char* where) {
  if (got == expected) return;
  std::fprintf(stderr, "%s:\n%s\nexpected:\n%s\n", where, got.c_str(), expected.c_str());
  std::abort();
}

// Every element must have as many children as it says, each a part of its bytes.
void Walk(const ReplyElement& element, int depth) {
  if (!element.is_aggregate() || depth == 0) return;
  int64_t children = 0;
  ReplyReader reader = ReplyReader::Children(element);
  while (const auto child = reader.Next()) {
    if (child->raw.data() < element.raw.data() ||
        child->raw.data() + child->raw.size() > element.raw.data() + element.raw.size()) {
      Require(std::string(child->raw), std::string(element.raw), "a child outside of its parent");
    }
    ++children;
    Walk(*child, depth - 1);
  }
  Require(std::to_string(children), std::to_string(std::max<int64_t>(element.count, 0)),
          "children");
}

void Check(Bytes input, size_t choice) {
  const std::string expected = SlowReplies(input).Read();
  Require(ReadReplies({input}), expected, "whole");
  Require(ReadReplies(CutEvery(input, 1).pieces), expected, "byte by byte");
  Require(ReadReplies(CutEvery(input, 5).pieces), expected, "in fives");
  if (!input.empty()) {
    Require(ReadReplies(CutAt(input, choice % input.size()).pieces), expected, "cut in two");
  }
  const ExactBlock block{input};
  ReplyReader reader(block.bytes());
  while (const auto element = reader.Next()) Walk(*element, 20);
}

}  // namespace
}  // namespace ringmaster

// The first two bytes choose a cut. Long inputs are turned away: the slow reader recurses.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 4096) return -1;
  const ringmaster::Bytes input(reinterpret_cast<const char*>(data), size);
  ringmaster::Check(input.substr(2), data[0] * 256U + data[1]);
  return 0;
}
