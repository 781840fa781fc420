// Sends any input whole, byte by byte, in pieces of a few sizes, and cut in two at each offset. A
// parser whose answer depends on the cut, or that looks past the end of a piece, shows here: each
// piece lies in a heap block of its exact size, so that AddressSanitizer sees an over-read.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace ringmaster {

// A copy of some bytes in a heap block that ends where they end.
class ExactBlock {
 public:
  explicit ExactBlock(Bytes bytes) : data_(new char[bytes.size()]), size_(bytes.size()) {
    if (!bytes.empty()) std::memcpy(data_.get(), bytes.data(), bytes.size());
  }
  Bytes bytes() const { return Bytes(data_.get(), size_); }

 private:
  std::unique_ptr<char[]> data_;
  size_t size_;
};

// One way of cutting an input. The pieces are views into it.
struct Cut {
  std::string name;  // for the message of a test that fails
  std::vector<Bytes> pieces;
};

inline Cut CutEvery(Bytes input, size_t size) {
  Cut cut{"pieces of " + std::to_string(size), {}};
  for (size_t at = 0; at < input.size(); at += size) cut.pieces.push_back(input.substr(at, size));
  return cut;
}

inline Cut CutAt(Bytes input, size_t offset) {
  return {"cut at " + std::to_string(offset), {input.substr(0, offset), input.substr(offset)}};
}

// Where cuts are worth trying: everywhere in a short input; in a long one near its ends, near line
// ends and around the sizes of buffers.
inline std::vector<size_t> CutOffsets(Bytes input) {
  constexpr size_t kShort = 1500;
  constexpr size_t kNear = 8;
  std::vector<size_t> offsets;
  size_t last = 0;  // the line ends around `at`
  size_t next = input.find('\r');
  for (size_t at = 1; at < input.size(); ++at) {
    if (at > next) {
      last = next;
      next = input.find('\r', at);
    }
    const bool near_line = at - last < kNear || next - at < kNear;
    const bool near_end = input.size() - at < kNear;
    const bool near_buffer = (at + 1) % 4096 < 3 || (at >= 511 && at <= 513);
    if (input.size() <= kShort || near_line || near_end || near_buffer) offsets.push_back(at);
  }
  return offsets;
}

// Calls visit(cut) for every way of cutting `input`.
template <typename Visit>
void ForEachCut(Bytes input, Visit&& visit) {
  visit(CutEvery(input, std::max<size_t>(input.size(), 1)));
  for (const size_t size : {1, 2, 3, 7, 64, 4096}) visit(CutEvery(input, size));
  for (const size_t offset : CutOffsets(input)) visit(CutAt(input, offset));
}

}  // namespace ringmaster
