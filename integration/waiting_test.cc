// The promise: who waits does not keep others waiting. Whatever waits, for data, locks or a move,
// has a deadline and notices that its client has gone; no worker spins meanwhile, and SIGTERM ends
// the proxy in time.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <thread>
#include <vector>

#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Processor time of all threads so far.
double CpuSeconds(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string stat((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(stat.substr(stat.rfind(')') + 2));
  std::vector<std::string> words((std::istream_iterator<std::string>(fields)), {});
  // utime and stime, the 14th and 15th field of the file, of which two are cut off.
  return words.size() < 13 ? 0
                           : static_cast<double>(std::stol(words[11]) + std::stol(words[12])) /
                                 static_cast<double>(sysconf(_SC_CLK_TCK));
}

// Runs each on a thread of its own, for so long.
void RunFor(Duration duration, const std::vector<std::function<void()>>& rounds) {
  const TimePoint end = MonotonicNow() + duration;
  std::vector<std::thread> threads;
  threads.reserve(rounds.size());
  for (const auto& round : rounds) {
    threads.emplace_back([&round, end] {
      while (MonotonicNow() < end) round();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

class WaitingTest : public testing::Test {
 protected:
  // Nothing is to be done: what of a processor the proxy needs for that.
  double IdleShare() {
    const TimePoint since = MonotonicNow();
    const double before = CpuSeconds(cluster_.proxy().pid());
    std::this_thread::sleep_for(seconds(1));
    const std::chrono::duration<double> took = MonotonicNow() - since;
    return (CpuSeconds(cluster_.proxy().pid()) - before) / took.count();
  }

  Cluster cluster_{ClusterOptions{.shards = 3}};
  const std::string k0_ = cluster_.KeyOn(0);
  const std::string k1_ = cluster_.KeyOn(1);
};

// The keys are locked by transactions over shards again and again, also when a wait ends: what is
// left of its time then is less than a timer's resolution.
TEST_F(WaitingTest, ForDataOfSeveralShardsBesideSagasNoWorkerSpins) {
  std::vector<Client> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(cluster_.Connect());
    clients.back().set_patience(seconds(5));
  }
  std::atomic<int> popped{0}, late{0}, wrong{0};
  std::vector<std::function<void()>> rounds;
  for (int i = 0; i < 2; ++i) {
    rounds.emplace_back([this, &client = clients[i], &wrong] {
      const auto replies = client.Pipeline(
          {{"MULTI"}, {"RPUSH", k0_, "a"}, {"RPUSH", k1_, "b"}, {"EXEC"}, {"DEL", k0_, k1_}});
      if (replies[3].substr(0, 2) != "[(" || replies[4].substr(0, 9) != "(integer)") {
        ++wrong;
        ADD_FAILURE() << replies[3] << " " << replies[4];
      }
    });
  }
  const std::vector<std::vector<std::string>> waits = {
      {"BLPOP", k0_, k1_, "0.02"},
      {"BRPOP", k1_, k0_, "0.0113"},
      {"BLMPOP", "0.0107", "2", k0_, k1_, "LEFT"},
      {"BZPOPMIN", k0_ + "z", k1_ + "z", "0.0051"},
      {"BZMPOP", "0.0003", "2", k0_ + "z", k1_ + "z", "MIN"},
      {"XREAD", "BLOCK", "7", "STREAMS", k0_ + "s", k1_ + "s", "$", "$"},
      {"BLPOP", k0_, k1_, "1"},
      {"BLMOVE", k0_, k1_, "LEFT", "RIGHT", "0.0009"},
  };
  for (size_t i = 0; i < waits.size(); ++i) {
    rounds.emplace_back([&, &client = clients[2 + i], &wait = waits[i]] {
      const std::string reply = client.Command(wait);
      if (reply == "(nil array)" || reply == "(nil)") {
        ++late;
      } else if (reply.starts_with("[") || reply == "\"a\"" || reply == "\"b\"") {
        ++popped;
      } else {
        if (wrong++ == 0) ADD_FAILURE() << wait[0] << ": " << reply;
        client = cluster_.Connect();
        client.set_patience(seconds(5));
      }
    });
  }
  RunFor(seconds(6), rounds);
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(popped, 50);
  EXPECT_GT(late, 50);
  EXPECT_LT(IdleShare(), 0.3);
  EXPECT_EQ(cluster_.proxy().Command({"PING"}), "PONG");
  EXPECT_EQ(cluster_.proxy().Terminate(seconds(8)), 0);
}

}  // namespace
}  // namespace ringmaster::integration
