#include "schedule/window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <vector>

namespace ringmaster {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(WindowTest, LargeBytesShrinkItAtOnceAndTripsOfSmallOnesOpenItAgain) {
  WindowGroup group;
  Window window(group);
  TimePoint now{};
  window.OnSent(1, 1, now);
  EXPECT_TRUE(window.Admits(100));
  window.OnSize(1U << 20);
  EXPECT_TRUE(window.Admits(1));
  EXPECT_FALSE(window.Admits(2));
  window.OnSize(1U << 30);
  EXPECT_TRUE(window.Admits(0));
  EXPECT_FALSE(window.Admits(1));
  for (int trip = 0; trip < 12; ++trip) {
    now += milliseconds(1);
    window.OnReplies(1, 100, now);
    window.OnSent(1, 1, now);
  }
  EXPECT_TRUE(window.Admits(100));
}

// A shard that serves in order of arrival behind a way of fixed length, deep clients that always
// have more, and interactive ones with one command every ten milliseconds.
class Model {
 public:
  Model(size_t deep, size_t interactive, const WindowRule& rule = {}) : group(rule) {
    for (size_t i = 0; i < deep + interactive; ++i) {
      clients.push_back(std::make_unique<Client>(group));
      clients.back()->deep = i < deep;
      clients.back()->next = now + milliseconds(1) * static_cast<int>(i % 10);
    }
  }

  struct Client {
    explicit Client(WindowGroup& windows) : window(windows) {}
    Window window;
    bool deep = false;
    uint32_t in_flight = 0;
    TimePoint next{};
    uint64_t served = 0;
    std::vector<Duration> waits;
  };
  struct Command {
    Client* client;
    TimePoint sent;
  };

  void Send(Client& client) {
    ++client.in_flight;
    client.window.OnSent(1, client.in_flight, now);
    queue.push_back({&client, now});
  }
  void Arrivals() {
    for (const auto& client : clients) {
      if (client->deep) {
        while (client->window.Admits(client->in_flight)) Send(*client);
      } else if (interactive && now >= client->next && client->in_flight == 0) {
        client->next = now + milliseconds(10);
        Send(*client);
      }
    }
  }
  void Run(Duration span) {
    for (const TimePoint end = now + span; now < end;) {
      Arrivals();
      now += service;
      if (queue.empty() || queue.front().sent + way > now) continue;
      const Command command = queue.front();
      queue.pop_front();
      Client& client = *command.client;
      --client.in_flight;
      ++client.served;
      client.window.OnReplies(1, bytes, now);
      if (!client.deep) client.waits.push_back(now - command.sent);
    }
  }
  Duration P99() const {
    std::vector<Duration> all;
    for (const auto& client : clients) {
      all.insert(all.end(), client->waits.begin(), client->waits.end());
    }
    std::sort(all.begin(), all.end());
    return all.empty() ? Duration(0) : all[all.size() * 99 / 100];
  }
  void Forget() {
    for (const auto& client : clients) {
      client->waits.clear();
      client->served = 0;
    }
  }

  WindowGroup group;
  std::vector<std::unique_ptr<Client>> clients;
  std::deque<Command> queue;
  TimePoint now = TimePoint(seconds(1));
  Duration service = microseconds(5);
  Duration way = microseconds(50);
  uint64_t bytes = 64;
  bool interactive = true;
};

TEST(WindowTest, DeepClientsAmongThemselvesHaveTheWholeCap) {
  Model model(4, 0);
  model.Run(seconds(2));
  for (const auto& client : model.clients) EXPECT_EQ(client->window.size(), 512U);
}

TEST(WindowTest, InteractiveClientsDoNotWaitBehindWholeWindows) {
  Model unbounded(4, 10, {.floor = 256});
  unbounded.Run(seconds(3));
  Model model(4, 10);
  model.Run(seconds(1));
  model.Forget();
  model.Run(seconds(4));
  EXPECT_GT(unbounded.P99(), milliseconds(4));
  EXPECT_LT(model.P99(), milliseconds(2));
}

TEST(WindowTest, DeepClientsAreNotStarvedByInteractiveOnes) {
  Model model(4, 10);
  model.Run(seconds(4));
  uint64_t deep = 0;
  for (const auto& client : model.clients) deep += client->deep ? client->served : 0;
  // The shard can serve 200,000 a second; interactive clients ask for 1,000.
  EXPECT_GT(deep, 4U * 150'000);
}

TEST(WindowTest, DeepClientsShareWhatIsLeft) {
  Model model(4, 10);
  model.Run(seconds(1));
  model.Forget();
  model.Run(seconds(5));
  double sum = 0;
  double squares = 0;
  for (size_t i = 0; i < 4; ++i) {
    const auto served = static_cast<double>(model.clients[i]->served);
    sum += served;
    squares += served * served;
  }
  EXPECT_GT(sum * sum / (4 * squares), 0.9);
}

TEST(WindowTest, WindowsGrowAgainWhenTheInteractiveClientsAreGone) {
  Model model(4, 10);
  model.Run(seconds(2));
  model.interactive = false;
  model.Run(seconds(2));
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(model.clients[i]->window.size(), 512U);
}

TEST(WindowTest, WhoSendsOneAtATimeIsInteractive) {
  Model model(1, 1);
  model.Run(seconds(1));
  EXPECT_FALSE(model.clients[0]->window.interactive());
  EXPECT_TRUE(model.clients[1]->window.interactive());
}

TEST(WindowTest, OneClientAloneIsNotThrottledForItsOwnSake) {
  Model model(0, 1);
  model.Run(seconds(1));
  EXPECT_EQ(model.clients[0]->window.size(), 512U);
}

TEST(WindowTest, AnInteractiveClientOfAnotherWorkerCounts) {
  Model model(4, 0);
  model.Run(seconds(1));
  for (int i = 0; i < 20; ++i) {
    model.group.NoteElsewhere(model.now);
    model.Run(milliseconds(50));
  }
  for (const auto& client : model.clients) EXPECT_LT(client->window.size(), 128U);
}

TEST(WindowTest, OfLargeValuesFewerAreUnderWay) {
  Model model(4, 10);
  model.service = milliseconds(1);
  model.bytes = 1'000'000;
  model.Run(seconds(8));
  // At the start of an epoch at the latest all are at the floor, which is one.
  uint32_t least = 256;
  for (int i = 0; i < 100; ++i) {
    model.Run(milliseconds(30));
    least = std::min(least, model.clients[0]->window.size());
  }
  EXPECT_LE(least, 2U);
}

TEST(WindowTest, TheCapHoldsWhateverHappens) {
  std::mt19937 random(3);
  WindowGroup group({.cap = 40});
  Window window(group);
  Window other(group);
  TimePoint now(seconds(1));
  uint32_t in_flight = 0;
  for (int i = 0; i < 100'000; ++i) {
    now += microseconds(random() % 500);
    if (random() % 3 == 0) {
      other.OnSent(1, 1, now);
      other.OnReplies(1, 10, now + microseconds(random() % 100));
    }
    if (window.Admits(in_flight)) {
      ++in_flight;
      window.OnSent(1, in_flight, now);
    }
    const uint32_t replies = static_cast<uint32_t>(random()) % (in_flight + 1);
    if (replies > 0) {
      in_flight -= replies;
      window.OnReplies(replies, random() % 10'000, now);
    }
    ASSERT_LE(window.size(), 40U);
    ASSERT_GE(window.size(), 1U);
    ASSERT_LE(in_flight, 40U);
  }
}

}  // namespace
}  // namespace ringmaster
