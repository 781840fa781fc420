// Any bytes read as the same requests however they are cut, and as a slow independent reader reads
// them; a RequestTail put in the middle of a bulk ends where the parser ends, or refuses likewise.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "resp/request_parser.h"
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

// How the request at the start of `input` ends.
std::string ParserEnd(Bytes input, const RequestLimits& limits) {
  RequestParser parser(limits);
  const RequestParser::Status status = parser.Parse(input);
  if (status == RequestParser::Status::kBad) return std::string(parser.error());
  if (status == RequestParser::Status::kNeedMore) return "more";
  return std::to_string(parser.consumed());
}

std::string TailEnd(const RequestParser& parser, Bytes input, size_t parsed_bytes, size_t piece) {
  RequestTail tail(parser, parsed_bytes);
  size_t end = parsed_bytes;
  for (const Bytes bytes : CutEvery(input.substr(parsed_bytes), piece).pieces) {
    const ExactBlock block{bytes};
    size_t taken = 0;
    const RequestTail::Status status = tail.Take(block.bytes(), &taken);
    end += taken;
    if (status == RequestTail::Status::kDone) return std::to_string(end);
    if (status == RequestTail::Status::kBad) return std::string(tail.error());
  }
  return "more";
}

void Check(Bytes input, size_t choice) {
  // Small bounds, so that they are met.
  RequestLimits limits;
  limits.max_args = 100;
  limits.max_bulk = 2000;
  limits.max_inline = 200;
  const std::string expected = SlowRequests(input, limits).Read();
  Require(ReadRequests({input}, limits), expected, "whole");
  Require(ReadRequests(CutEvery(input, 1).pieces, limits), expected, "byte by byte");
  Require(ReadRequests(CutEvery(input, 1).pieces, limits, false), expected, "as wanted");
  Require(ReadRequests(CutEvery(input, 5).pieces, limits), expected, "in fives");
  if (input.empty()) return;
  const size_t cut = choice % input.size();
  Require(ReadRequests(CutAt(input, cut).pieces, limits), expected, "cut in two");

  RequestParser parser(limits);
  const ExactBlock front{input.substr(0, cut)};
  if (parser.Parse(front.bytes()) != RequestParser::Status::kNeedMore || !parser.in_bulk()) return;
  const std::string end = ParserEnd(input, limits);
  Require(TailEnd(parser, input, cut, 1), end, "tail byte by byte");
  Require(TailEnd(parser, input, parser.bulk_offset(), input.size()), end, "tail from the content");
}

}  // namespace
}  // namespace ringmaster

// The first two bytes choose a cut. Long inputs are turned away: the check copies the input once
// for each of its bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 4096) return -1;
  const ringmaster::Bytes input(reinterpret_cast<const char*>(data), size);
  ringmaster::Check(input.substr(2), data[0] * 256U + data[1]);
  return 0;
}
