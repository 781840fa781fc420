// Large replies of several shards, readers of any speed: everybody gets all of it, and memory stays
// bounded.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "session/session.h"
#include "support/data_plane.h"

namespace ringmaster {
namespace {

constexpr size_t kMiB = 1 << 20;

std::string Bulk(Bytes text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

// The value of key "7:1048576": so many bytes that differ from key to key and from place to place.
std::string ValueOf(Bytes key) {
  const size_t size = std::stoul(std::string(key.substr(key.find(':') + 1)));
  const auto seed = static_cast<size_t>(std::stoi(std::string(key)));
  std::string value(size, '\0');
  for (size_t i = 0; i < size; ++i)
    value[i] = static_cast<char>('a' + (i / 97 + seed * 7 + i) % 26);
  return value;
}

// What a shard says to GET key or MGET key...
std::string Answer(const std::string& request) {
  std::string reply;
  size_t count = 0;
  for (size_t at = request.find(' '); at != std::string::npos; ++count) {
    const size_t end = request.find(' ', at + 1);
    reply += Bulk(ValueOf(request.substr(at + 1, end == std::string::npos ? end : end - at - 1)));
    at = end;
  }
  return request.starts_with("MGET") ? "*" + std::to_string(count) + "\r\n" + reply : reply;
}

// A client that sends all and reads at its own speed, and the bytes it has to get.
struct Reader {
  std::unique_ptr<TestClient> client;
  std::string unsent;
  std::string expected;
  size_t got = 0;
  bool wrong = false;
  bool closed = false;

  void Ask(const std::vector<std::string>& words) {
    std::vector<Bytes> views(words.begin(), words.end());
    unsent += MakeRequest(std::span<const Bytes>(views));
    std::string request;
    for (const std::string& word : words) request += (request.empty() ? "" : " ") + word;
    expected += Answer(request);
  }
  void Send() { unsent.erase(0, client->Send(unsent)); }
  void Read(size_t most) {
    const std::string read = client->ReadSome(most, &closed);
    wrong = wrong || expected.compare(got, read.size(), read) != 0;
    got += read.size();
  }
  bool done() const { return got >= expected.size(); }
};

struct WaitsTest : testing::Test {
  void Start(size_t shards, const BackendLimits& limits = BackendLimits()) {
    plane = std::make_unique<DataPlane>(shards, limits);
    for (const auto& shard : plane->shards) shard->answer = Answer;
  }
  Reader& Connect() {
    Reader& reader = readers.emplace_back();
    reader.client = plane->Connect();
    return reader;
  }
  // The n-th key with a value of `size` bytes on that shard.
  std::string Key(uint32_t shard, size_t size) {
    for (;; ++last_key) {
      std::string key = std::to_string(last_key) + ":" + std::to_string(size);
      if (plane->router.ShardOf(key) == shard) return ++last_key, key;
    }
  }
  // Turns until all have got everything, each reading `most` bytes a turn. False: they did not.
  bool Finish(int turns, size_t most = SIZE_MAX) {
    for (int i = 0; i < turns; ++i) {
      bool done = true;
      for (Reader& reader : readers) {
        reader.Send();
        reader.Read(most);
        if (reader.wrong || reader.closed) return false;
        done = done && reader.done();
      }
      if (done) return true;
      plane->Turn();
      most_memory = std::max(most_memory, plane->blocks.bytes_in_use());
    }
    return false;
  }
  std::string State() const {
    std::string state;
    for (const Reader& reader : readers) {
      state += std::to_string(reader.got) + " of " + std::to_string(reader.expected.size()) +
               (reader.wrong ? " wrong" : "") + (reader.closed ? " closed" : "") + "; ";
    }
    return state;
  }

  std::unique_ptr<DataPlane> plane;
  std::deque<Reader> readers;
  int last_key = 0;
  size_t most_memory = 0;
};

TEST_F(WaitsTest, LargeRepliesOfSeveralShardsDoNotWaitForEachOther) {
  Start(3);
  Reader& reader = Connect();
  for (int i = 0; i < 30; ++i) reader.Ask({"GET", Key(static_cast<uint32_t>(i % 3), kMiB)});
  reader.Send();
  plane->Turns(200);  // the shards send what they can before anything is read
  EXPECT_TRUE(Finish(4000)) << State();
  EXPECT_LT(most_memory, 16 * kMiB);
}

TEST_F(WaitsTest, WhoeverReadsLateCostsLittleMemoryAndGetsEverything) {
  Start(3);
  Reader& reader = Connect();
  for (int i = 0; i < 60; ++i) reader.Ask({"GET", Key(static_cast<uint32_t>(2 - i % 3), kMiB)});
  for (int i = 0; i < 500; ++i) {
    reader.Send();
    plane->Turn();
    most_memory = std::max(most_memory, plane->blocks.bytes_in_use());
  }
  EXPECT_TRUE(Finish(20000, 30000)) << State();
  EXPECT_LT(most_memory, 16 * kMiB);
}

// The front waits at a silent shard while others bring megabytes: they are held back, and go on.
TEST_F(WaitsTest, RepliesBeforeTheirTurnAreHeldBackUntilTheFrontIsAnswered) {
  Start(2);
  plane->shards[0]->answer = nullptr;
  Reader& reader = Connect();
  reader.Ask({"GET", Key(0, 10)});
  for (int i = 0; i < 20; ++i) reader.Ask({"GET", Key(1, kMiB)});
  reader.Send();
  for (int i = 0; i < 400; ++i) {
    plane->Turn();
    most_memory = std::max(most_memory, plane->blocks.bytes_in_use());
  }
  EXPECT_LT(most_memory, 4 * kMiB);
  EXPECT_EQ(reader.got, 0U);
  plane->shards[0]->Send(Answer(plane->shards[0]->peers[0]->requests[0]));
  EXPECT_TRUE(Finish(4000)) << State();
}

TEST_F(WaitsTest, PartsOfAMergedReplyAreHeldBackAsWell) {
  Start(3);
  plane->shards[0]->answer = nullptr;
  Reader& reader = Connect();
  reader.Ask({"GET", Key(0, 10)});
  for (int i = 0; i < 20; ++i) reader.Ask({"MGET", Key(1, 400000), Key(2, 400000)});
  reader.Send();
  for (int i = 0; i < 400; ++i) {
    plane->Turn();
    most_memory = std::max(most_memory, plane->blocks.bytes_in_use());
  }
  size_t unsent = 0;
  for (const auto& shard : plane->shards) {
    for (const auto& peer : shard->peers) unsent += peer->output.size();
  }
  EXPECT_GT(unsent, 10 * kMiB);
  plane->shards[0]->Send(Answer(plane->shards[0]->peers[0]->requests[0]));
  plane->shards[0]->answer = Answer;
  EXPECT_TRUE(Finish(8000)) << State();
}

// Two clients, each of which has what the other waits for behind its own large replies.
TEST_F(WaitsTest, TwoClientsInEachOthersWayOnSharedConnectionsBothGetEverything) {
  Start(2);
  plane->session_limits.reply_buffer = 2 * kMiB;
  for (const auto& shard : plane->shards) shard->frozen = true;
  Reader& one = Connect();
  Reader& other = Connect();
  plane->Turns();
  for (int i = 0; i < 4; ++i) one.Ask({"GET", Key(0, 700000)});
  for (int i = 0; i < 4; ++i) other.Ask({"GET", Key(1, 700000)});
  one.Send();
  other.Send();
  plane->Turns();
  for (int i = 0; i < 2; ++i) {
    one.Ask({"GET", Key(1, 700000)});
    other.Ask({"GET", Key(0, 700000)});
    one.Send();
    other.Send();
    plane->Turns();
  }
  for (const auto& shard : plane->shards) shard->frozen = false;
  EXPECT_TRUE(Finish(4000)) << State();
}

// Somebody else's request is behind large replies that wait for a silent shard.
TEST_F(WaitsTest, OthersBehindRepliesBeforeTheirTurnAreServedSoon) {
  Start(2);
  plane->session_limits.reply_buffer = 2 * kMiB;
  plane->shards[0]->answer = nullptr;
  plane->shards[1]->frozen = true;
  Reader& large = Connect();
  Reader& other = Connect();
  large.Ask({"GET", Key(0, 10)});
  for (int i = 0; i < 6; ++i) large.Ask({"GET", Key(1, kMiB)});
  large.Send();
  plane->Turns();
  other.Ask({"GET", Key(1, 10)});
  other.Send();
  plane->Turns();
  plane->shards[1]->frozen = false;
  Session* const session = plane->all.front();
  for (int i = 0; i < 200; ++i) plane->Turn();
  other.Read(SIZE_MAX);
  EXPECT_EQ(other.got, 0U);
  EXPECT_LT(plane->blocks.bytes_in_use(), 4 * kMiB);
  const TimePoint deadline = MonotonicNow() + std::chrono::seconds(5);
  while (!other.done() && MonotonicNow() < deadline) {
    session->CheckStalled(plane->loop.Now());
    plane->Turn();
    other.Read(SIZE_MAX);
  }
  EXPECT_TRUE(other.done()) << State();
  plane->shards[0]->Send(Answer(plane->shards[0]->peers[0]->requests[0]));
  EXPECT_TRUE(Finish(4000)) << State();
}

TEST_F(WaitsTest, AWindowOfLargeRepliesShrinksAtOnce) {
  Start(1);
  plane->shards[0]->answer = nullptr;
  Reader& reader = Connect();
  for (int i = 0; i < 2; ++i) reader.Ask({"GET", Key(0, kMiB)});
  reader.Send();
  plane->Turns();
  plane->shards[0]->Send("$1048576\r\n");
  plane->Turns();
  const size_t before = plane->shards[0]->Requests().size();
  for (int i = 0; i < 20; ++i) reader.Ask({"GET", Key(0, 10)});
  reader.Send();
  plane->Turns();
  EXPECT_EQ(plane->shards[0]->Requests().size(), before);
}

TEST_F(WaitsTest, LargeRepliesLeaveConnectionsToOthers) {
  BackendLimits limits;
  limits.max_connections = 8;
  Start(1, limits);
  for (int i = 0; i < 20; ++i) {
    Reader& reader = Connect();
    reader.Ask({"GET", Key(0, 4 * kMiB)});
    reader.Send();
    plane->Turns(40);
  }
  EXPECT_LE(plane->router.backend(0).connections(), 6U);
  EXPECT_NE(plane->router.backend(0).Borrow(0, 2), nullptr);
  EXPECT_TRUE(Finish(20000)) << State();
}

TEST_F(WaitsTest, AReaderThatHoldsUpOthersIsCutOffAtTheLimitAndTheyAreServed) {
  Start(1);
  plane->session_limits.reply_buffer = 2 * kMiB;
  plane->shards[0]->frozen = true;
  Reader& slow = Connect();
  Reader& other = Connect();
  for (int i = 0; i < 10; ++i) slow.Ask({"GET", Key(0, kMiB)});
  slow.Send();
  plane->Turns();
  other.Ask({"GET", Key(0, 10)});
  other.Send();
  plane->Turns();
  plane->shards[0]->frozen = false;
  for (int i = 0; i < 2000 && !other.done(); ++i) {
    plane->Turn();
    other.Read(SIZE_MAX);
    most_memory = std::max(most_memory, plane->blocks.bytes_in_use());
  }
  EXPECT_TRUE(other.done()) << State();
  EXPECT_EQ(plane->metrics.slow_readers.value(), 1U);
  EXPECT_LT(most_memory, 7 * kMiB);
}

TEST_F(WaitsTest, WhoLeavesWhileItsRepliesWaitIsNoticedAndLetsEverythingGo) {
  Start(2);
  plane->windows.set_rule({.cap = 8});  // so that not all is read
  plane->shards[0]->answer = nullptr;
  Reader& reader = Connect();
  Reader& other = Connect();
  reader.Ask({"GET", Key(0, 10)});
  for (int i = 0; i < 10; ++i) reader.Ask({"GET", Key(1, kMiB)});
  reader.Send();
  plane->Turns(100);
  EXPECT_EQ(plane->clients(), 2U);
  reader.client->Leave();
  plane->Turns(200);
  EXPECT_EQ(plane->clients(), 1U);
  EXPECT_EQ(plane->requests.live(), 1U);  // that of the silent shard
  readers.pop_front();
  other.Ask({"GET", Key(1, 10)});
  EXPECT_TRUE(Finish(100)) << State();
}

TEST_F(WaitsTest, WhoOnlyClosesItsSendingSideGetsEverything) {
  Start(3);
  Reader& reader = Connect();
  for (int i = 0; i < 30; ++i) reader.Ask({"GET", Key(static_cast<uint32_t>(i % 3), kMiB)});
  reader.Send();
  ASSERT_TRUE(reader.unsent.empty());
  reader.client->HalfClose();
  plane->Turns(100);
  for (int i = 0; i < 4000 && !reader.done(); ++i) {
    reader.Read(SIZE_MAX);
    plane->Turn();
  }
  EXPECT_TRUE(reader.done() && !reader.wrong) << State();
}

TEST_F(WaitsTest, AStandstillIsCountedOnce) {
  Start(2);
  plane->shards[0]->answer = nullptr;
  Reader& reader = Connect();
  reader.Ask({"GET", Key(0, 10)});
  for (int i = 0; i < 10; ++i) reader.Ask({"GET", Key(1, kMiB)});
  reader.Send();
  plane->Turns(100);
  for (int seconds : {1, 4, 5}) {
    plane->session().CheckStalled(plane->loop.Now() + std::chrono::seconds(seconds));
    EXPECT_EQ(plane->metrics.standstills.value(), seconds > 3 ? 1U : 0U);
  }
}

// Clients with random commands and sizes, readers and shards with random speeds. Each seed is one
// history.
class RandomWaitsTest : public WaitsTest, public testing::WithParamInterface<uint64_t> {};

TEST_P(RandomWaitsTest, EverybodyGetsAllOfIt) {
  Random random(GetParam());
  Start(3);
  const auto size = [&random] { return size_t{1} << random.Below(21); };
  const size_t clients = 1 + random.Below(4);
  for (size_t c = 0; c < clients; ++c) {
    Reader& reader = Connect();
    size_t bytes = 0;
    while (bytes < 8 * kMiB) {
      const auto shard = [&random] { return static_cast<uint32_t>(random.Below(3)); };
      const size_t before = reader.expected.size();
      if (random.Below(8) == 0) {
        reader.Ask({"MGET", Key(0, size() / 4), Key(1, size() / 4), Key(2, 10)});
      } else {
        reader.Ask({"GET", Key(shard(), size())});
      }
      bytes += reader.expected.size() - before;
    }
  }
  std::vector<size_t> speeds(clients, SIZE_MAX);
  for (int turn = 0; turn < 60000; ++turn) {
    if (turn % 64 == 0) {
      for (size_t& speed : speeds)
        speed = random.Below(3) == 0 ? 0 : size_t{1024} << random.Below(9);
      for (const auto& shard : plane->shards) {
        shard->pace = random.Below(4) == 0 ? 0 : size_t{1024} << random.Below(9);
      }
    }
    bool done = true;
    for (size_t c = 0; c < clients; ++c) {
      Reader& reader = readers[c];
      reader.Send();
      reader.Read(speeds[c]);
      ASSERT_FALSE(reader.wrong || reader.closed) << State();
      done = done && reader.done();
    }
    most_memory = std::max(most_memory, plane->blocks.bytes_in_use());
    if (done) break;
    plane->Turn();
  }
  for (const Reader& reader : readers) EXPECT_TRUE(reader.done()) << State();
  // Alone, nobody is behind its replies, and they all can be held back.
  if (clients == 1) {
    EXPECT_LT(most_memory, 8 * kMiB);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomWaitsTest, testing::Range<uint64_t>(1, 17));

}  // namespace
}  // namespace ringmaster
