// What it costs to read a request and to find the end of a reply, at the sizes that matter.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "resp/reply_scanner.h"
#include "resp/request_parser.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

constexpr int kPipeline = 32;

std::string Repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

std::string Get() { return MakeRequest({"GET", "key:000000012345"}); }

std::string Set(size_t size) {
  return MakeRequest({"SET", "key:000000012345", std::string(size, 'x')});
}

std::string MSetOfTen() {
  std::vector<std::string> words = {"MSET"};
  for (int i = 0; i < 10; ++i) {
    words.push_back("key:00000001234" + std::to_string(i));
    words.emplace_back(32, 'x');
  }
  const std::vector<Bytes> args(words.begin(), words.end());
  return MakeRequest(args);
}

std::string Bulk(size_t size) {
  return "$" + std::to_string(size) + "\r\n" + std::string(size, 'x') + "\r\n";
}

// Reads all requests of `input` in each iteration, as a session does.
void ParseRequests(benchmark::State& state, const std::string& input) {
  const RequestLimits limits;
  RequestParser parser(limits);
  int64_t requests = 0;
  for (auto _ : state) {
    Bytes rest = input;
    while (!rest.empty()) {
      if (parser.Parse(rest) != RequestParser::Status::kComplete) {
        state.SkipWithError("a request was not complete");
        return;
      }
      benchmark::DoNotOptimize(parser.args().data());
      rest.remove_prefix(parser.consumed());
      parser.Reset();
      ++requests;
    }
  }
  state.SetItemsProcessed(requests);
  state.counters["per_request"] = benchmark::Counter(
      static_cast<double>(requests), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void ScanReplies(benchmark::State& state, const std::string& input) {
  ReplyScanner scanner;
  int64_t replies = 0;
  for (auto _ : state) {
    Bytes rest = input;
    while (!rest.empty()) {
      size_t used = 0;
      if (scanner.Scan(rest, &used) != ReplyScanner::Status::kComplete) {
        state.SkipWithError("a reply was not complete");
        return;
      }
      benchmark::DoNotOptimize(used);
      rest.remove_prefix(used);
      ++replies;
    }
  }
  state.SetItemsProcessed(replies);
  state.counters["per_reply"] = benchmark::Counter(
      static_cast<double>(replies), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

BENCHMARK_CAPTURE(ParseRequests, get, Get());
BENCHMARK_CAPTURE(ParseRequests, set_32, Set(32));
BENCHMARK_CAPTURE(ParseRequests, get_pipeline_32, Repeat(Get(), kPipeline));
BENCHMARK_CAPTURE(ParseRequests, set_32_pipeline_32, Repeat(Set(32), kPipeline));
BENCHMARK_CAPTURE(ParseRequests, mset_of_10, MSetOfTen());
BENCHMARK_CAPTURE(ParseRequests, set_16_kib, Set(16384));

BENCHMARK_CAPTURE(ScanReplies, bulk_32, Repeat(Bulk(32), kPipeline));
BENCHMARK_CAPTURE(ScanReplies, ok, Repeat("+OK\r\n", kPipeline));
BENCHMARK_CAPTURE(ScanReplies, integer, Repeat(":1\r\n", kPipeline));
BENCHMARK_CAPTURE(ScanReplies, null, Repeat("$-1\r\n", kPipeline));
BENCHMARK_CAPTURE(ScanReplies, array_of_10, Repeat("*10\r\n" + Repeat(Bulk(32), 10), kPipeline));
BENCHMARK_CAPTURE(ScanReplies, bulk_16_kib, Bulk(16384));

}  // namespace
}  // namespace ringmaster
