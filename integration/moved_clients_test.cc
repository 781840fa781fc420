// The promise: a client that moves between workers does not notice. Its replies are the right ones
// and in order; nothing is lost, repeated or mixed up with another client's.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/random.h"
#include "support/cluster.h"
#include "support/resp_text.h"
#include "support/wait.h"

namespace ringmaster::integration {
namespace {

// The sum of a figure over the workers, as PROXY WORKERS tells.
uint64_t Figure(Client& client, const std::string& name) {
  const std::string text = client.Command({"PROXY", "WORKERS"});
  uint64_t sum = 0;
  for (size_t at = text.find("," + name + "="); at != std::string::npos;
       at = text.find("," + name + "=", at + 1)) {
    sum += std::stoull(text.substr(at + name.size() + 2));
  }
  return sum;
}

// The proxy moves every client to the next worker every ten milliseconds.
class Shuffled {
 public:
  explicit Shuffled(int workers) {
    setenv("RINGMASTER_SHUFFLE_CLIENTS", "1", 1);
    cluster_ = std::make_unique<Cluster>(
        ClusterOptions{.shards = 3, .workers = workers, .more = "balance: {interval: 10ms}\n"});
    unsetenv("RINGMASTER_SHUFFLE_CLIENTS");
  }
  Cluster& operator*() { return *cluster_; }
  Cluster* operator->() { return cluster_.get(); }

 private:
  std::unique_ptr<Cluster> cluster_;
};

// One client that knows the only right answer to each of its commands.
class Asker {
 public:
  Asker(const Address& address, int index)
      : client_(address), random_(static_cast<uint64_t>(index) + 1), index_(index) {
    client_.Command({"CLIENT", "SETNAME", Name()});
    id_ = client_.Command({"CLIENT", "ID"});
    client_.Command({"SELECT", std::to_string(index % 3)});
  }

  // A pipeline of mixed commands; what was wrong, or nothing.
  std::string Round() {
    bytes_.clear();
    expected_.clear();
    const auto commands = 1 + random_.Below(30);
    for (uint64_t i = 0; i < commands; ++i) Ask();
    if (random_.Below(4) == 0) {
      // In two pieces, with time enough to be moved with half a request.
      const size_t cut = random_.Below(bytes_.size());
      client_.Send(Bytes(bytes_).substr(0, cut));
      std::this_thread::sleep_for(std::chrono::milliseconds(random_.Below(25)));
      client_.Send(Bytes(bytes_).substr(cut));
    } else {
      client_.Send(bytes_);
    }
    for (const std::string& expected : expected_) {
      const std::string reply = client_.Read();
      if (reply != expected) {
        return Name() + ": " + reply.substr(0, 100) + " instead of " + expected.substr(0, 100);
      }
    }
    return "";
  }

 private:
  std::string Name() const { return "client" + std::to_string(index_); }
  void Add(const std::vector<std::string>& words, const std::string& expected) {
    bytes_ += Encode(words);
    expected_.push_back(expected);
  }
  void Ask() {
    const std::string key = Name() + ":key:" + std::to_string(random_.Below(5));
    switch (random_.Below(12)) {
      case 0:
        return Add({"CLIENT", "GETNAME"}, Quoted(Name()));
      case 1:
        return Add({"CLIENT", "ID"}, id_);
      case 2: {
        const std::string value = Name() + "," + std::to_string(++sequence_) + "," +
                                  std::string(random_.Below(8) == 0 ? 200'000 : 20, 'x');
        Add({"SET", key, value}, "OK");
        return Add({"GET", key}, Quoted(value));
      }
      case 3:
        return Add({"SELECT", std::to_string(index_ % 3)}, "OK");
      default:
        return Add({"INCR", Name() + ":count"}, "(integer) " + std::to_string(++count_));
    }
  }

  Client client_;
  Random random_;
  const int index_;
  std::string id_;
  uint64_t sequence_ = 0;
  uint64_t count_ = 0;
  std::string bytes_;
  std::vector<std::string> expected_;
};

// How many moves the test waits for: more by hand, or under a sanitizer.
uint64_t MovesWanted() {
  const char* wanted = std::getenv("RINGMASTER_MOVES");
  return wanted != nullptr ? std::stoull(wanted) : 3000;
}

TEST(MovedClientsTest, EveryReplyIsTheRightOneWhileAllClientsMoveAllTheTime) {
  Shuffled cluster(3);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> rounds{0};
  std::vector<std::string> wrong(16);
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&, i] {
      Asker asker(cluster->proxy().address(), i);
      while (!stop && wrong[static_cast<size_t>(i)].empty()) {
        wrong[static_cast<size_t>(i)] = asker.Round();
        ++rounds;
      }
    });
  }
  Client observer = cluster->Connect();
  const auto moved = [&] { return Figure(observer, "moved_in") >= MovesWanted(); };
  EXPECT_TRUE(Eventually(moved, std::chrono::minutes(5))) << Figure(observer, "moved_in");
  // As many as there are, wherever they are just now.
  const std::string list = observer.Command({"CLIENT", "LIST"});
  size_t listed = 0;
  for (size_t at = list.find("id="); at != std::string::npos; at = list.find("id=", at + 1)) {
    listed += at == 0 || list[at - 1] != '-' ? 1 : 0;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  for (const std::string& each : wrong) EXPECT_EQ(each, "");
  EXPECT_GE(listed, 17U) << list;
  RecordProperty("moves", static_cast<int>(Figure(observer, "moved_in")));
}

TEST(MovedClientsTest, AStopWhileClientsMoveEndsInOrder) {
  Shuffled cluster(2);
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(cluster->Connect());
    clients.back().Command({"PING"});
  }
  Client observer = cluster->Connect();
  ASSERT_TRUE(Eventually([&] { return Figure(observer, "moved_in") > 20; }));
  EXPECT_EQ(cluster->proxy().Terminate(), 0);
  for (Client& client : clients) EXPECT_TRUE(client.PeerCloses());
}

// What each worker served since the last call.
class Loads {
 public:
  explicit Loads(Client& observer) : observer_(observer) { (void)Imbalance(); }
  // The busiest over the mean.
  double Imbalance() {
    const std::string text = observer_.Command({"PROXY", "WORKERS"});
    std::vector<uint64_t> now;
    for (size_t at = text.find(",requests="); at != std::string::npos;
         at = text.find(",requests=", at + 1)) {
      now.push_back(std::stoull(text.substr(at + 10)));
    }
    before_.resize(now.size());
    uint64_t most = 0;
    uint64_t sum = 0;
    for (size_t i = 0; i < now.size(); ++i) {
      const uint64_t served = now[i] - std::exchange(before_[i], now[i]);
      most = std::max(most, served);
      sum += served;
    }
    if (sum == 0) return static_cast<double>(now.size());
    return static_cast<double>(most * now.size()) / static_cast<double>(sum);
  }

 private:
  Client& observer_;
  std::vector<uint64_t> before_;
};

// FIELD.md B13.
TEST(MovedClientsTest, BusyClientsOfOneWorkerAmongManyIdleAreSpread) {
  Cluster cluster{ClusterOptions{.shards = 1, .workers = 2}};
  std::vector<Client> clients;
  // The first worker gets every other one.
  for (int i = 0; i < 400; ++i) clients.push_back(cluster.Connect());
  for (Client& client : clients) client.Command({"PING"});
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 16; i += 2) {
    threads.emplace_back([&, i] {
      std::vector<std::vector<std::string>> pipeline(50, {"GET", "key"});
      while (!stop) clients[i].Pipeline(pipeline);
    });
  }
  Client observer = cluster.Connect();
  Loads loads(observer);
  double imbalance = 2;
  const auto even = [&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));  // what is measured
    imbalance = loads.Imbalance();
    return imbalance <= 1.3;
  };
  EXPECT_TRUE(Eventually(even, std::chrono::seconds(20))) << imbalance;
  EXPECT_GE(Figure(observer, "moved_in"), 3U);
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

TEST(MovedClientsTest, NobodyMovesWhenBothWaysAreSwitchedOff) {
  Cluster cluster{ClusterOptions{
      .shards = 1, .workers = 2, .more = "balance: {push: false, pull: false, interval: 10ms}\n"}};
  Client busy = cluster.Connect();
  std::vector<std::vector<std::string>> pipeline(100, {"GET", "key"});
  for (int i = 0; i < 500; ++i) busy.Pipeline(pipeline);
  Client observer = cluster.Connect();
  EXPECT_EQ(Figure(observer, "moved_in"), 0U);
}

}  // namespace
}  // namespace ringmaster::integration
