// Work that mostly waits for others, on several threads at a time.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace ringmaster {

// Calls `work` once with each number below `count`, on this thread and on others beside it,
// `most_threads` altogether. Returns when all is done.
template <typename Work>
void ForEachInParallel(size_t count, size_t most_threads, const Work& work) {
  std::atomic<size_t> next{0};
  const auto take_turns = [&] {
    for (size_t at = next++; at < count; at = next++) work(at);
  };
  std::vector<std::thread> others;
  for (size_t i = 1; i < std::min(most_threads, count); ++i) others.emplace_back(take_turns);
  take_turns();
  for (std::thread& other : others) other.join();
}

}  // namespace ringmaster
