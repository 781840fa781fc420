// The promise: how TCP cuts the bytes makes no difference, on either side of the proxy (FIELD.md
// B7). One worker, so that a PING of a second client tells when the proxy has read what the first
// one sent.
#include <gtest/gtest.h>

#include "base/random.h"
#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

using Words = std::vector<std::string>;

// Leaves no key behind, so that each pass gives the same replies.
std::string Corpus() {
  const std::string binary("\r\n$3\r\n\0*1\r\n", 12);
  std::string bytes = EncodeAll({{"SET", "a", "1"},
                                 {"GET", "a"},
                                 {"MSET", "a", "2", "b", binary, binary, "3", "", "empty"},
                                 {"MGET", "a", "b", binary, "", "missing"},
                                 {"NOSUCH", "x"},
                                 {"GET"},
                                 {"PING"},
                                 {"SET", "empty", ""},
                                 {"GET", "empty"},
                                 {"RPUSH", "list", "x", "y"},
                                 {"LRANGE", "list", "0", "-1"}});
  bytes += "PING inline\r\n\r\nGET \"a\"\r\n*0\r\n";
  bytes += EncodeAll({{"EXISTS", "a", "b", "list", "no"},
                      {"DEL", "a", "b", binary, "", "empty", "list"},
                      {"SELECT", "1"},
                      {"DBSIZE"},
                      {"SELECT", "0"},
                      {"DBSIZE"}});
  return bytes;
}
constexpr size_t kCorpusReplies = 19;

class BytesCutAnywhereTest : public testing::Test {
 protected:
  // Returns when the proxy has read everything sent before.
  void AwaitRead() { ASSERT_EQ(other_.Command({"PING"}), "PONG"); }

  Cluster cluster_{ClusterOptions{.shards = 4, .workers = 1, .faults = true}};
  Client client_ = cluster_.Connect();
  Client other_ = cluster_.Connect();
};

TEST_F(BytesCutAnywhereTest, RequestsCutAtEveryPosition) {
  const std::string corpus = Corpus();
  client_.Send(corpus);
  const std::string expected = client_.ReadRaw(kCorpusReplies);
  ASSERT_EQ(expected.find('<'), std::string::npos) << Quoted(expected);
  for (size_t cut = 1; cut < corpus.size(); ++cut) {
    client_.Send(Bytes(corpus).substr(0, cut));
    AwaitRead();
    client_.Send(Bytes(corpus).substr(cut));
    ASSERT_EQ(Quoted(expected), Quoted(client_.ReadRaw(kCorpusReplies))) << "cut at " << cut;
  }
}

TEST_F(BytesCutAnywhereTest, RequestsByteByByte) {
  const std::string corpus = Corpus();
  client_.Send(corpus);
  const std::string expected = client_.ReadRaw(kCorpusReplies);
  for (const char byte : corpus) {
    client_.Send(Bytes(&byte, 1));
    AwaitRead();
  }
  EXPECT_EQ(Quoted(expected), Quoted(client_.ReadRaw(kCorpusReplies)));
}

TEST_F(BytesCutAnywhereTest, RequestsInAnyNumberOfPieces) {
  const std::string corpus = Corpus();
  client_.Send(corpus);
  const std::string expected = client_.ReadRaw(kCorpusReplies);
  Random random(7);
  for (int pass = 0; pass < 100; ++pass) {
    for (size_t at = 0; at < corpus.size();) {
      const size_t piece = 1 + random.Below(200);
      client_.Send(Bytes(corpus).substr(at, piece));
      AwaitRead();
      at += piece;
    }
    ASSERT_EQ(Quoted(expected), Quoted(client_.ReadRaw(kCorpusReplies))) << "pass " << pass;
  }
}

TEST_F(BytesCutAnywhereTest, RequestsCoalesced) {
  const std::string corpus = Corpus();
  client_.Send(corpus);
  const std::string expected = client_.ReadRaw(kCorpusReplies);
  std::string all;
  for (int i = 0; i < 200; ++i) all += corpus;
  client_.Send(all);
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(Quoted(expected), Quoted(client_.ReadRaw(kCorpusReplies))) << "pass " << i;
  }
}

TEST_F(BytesCutAnywhereTest, RepliesOfShardsInSmallSegments) {
  const std::string corpus = Corpus();
  client_.Send(corpus);
  const std::string expected = client_.ReadRaw(kCorpusReplies);
  for (const int64_t segment : {1, 2, 3, 5, 7}) {
    for (size_t i = 0; i < 4; ++i) cluster_.fault(i).Segment(segment);
    client_.Send(corpus);
    ASSERT_EQ(Quoted(expected), Quoted(client_.ReadRaw(kCorpusReplies))) << segment << " bytes";
  }
}

// A key that went another way because of where it was cut would exist twice.
TEST_F(BytesCutAnywhereTest, KeysOfAnyLengthAlwaysLiveOnOneShard) {
  Random random(3);
  int64_t keys = 0;
  for (const size_t size : {0, 1, 511, 512, 513, 4095, 4096, 4097, 70000}) {
    std::string key;
    for (size_t i = 0; i < size; ++i) key += static_cast<char>(random.Next());
    const std::string set = Encode({"SET", key, "value"});
    const std::string mget = Encode({"MGET", "other", key});
    std::vector<size_t> cuts = {1, 4, 10, 17, set.size() - 1, set.size() - 8, set.size() - 13};
    for (const size_t at : {512, 1024, 4096, 16384, 65536}) {
      for (int near = -20; near <= 2; ++near) cuts.push_back(at + static_cast<size_t>(near));
    }
    for (int i = 0; i < 40; ++i) cuts.push_back(1 + random.Below(set.size() - 1));
    for (const size_t cut : cuts) {
      if (cut == 0 || cut >= set.size()) continue;
      client_.Send(Bytes(set).substr(0, cut));
      AwaitRead();
      client_.Send(Bytes(set).substr(cut));
      ASSERT_EQ(client_.Read(), "OK") << size << " bytes, cut at " << cut;
      client_.Send(Bytes(mget).substr(0, cut));
      AwaitRead();
      if (cut < mget.size()) client_.Send(Bytes(mget).substr(cut));
      ASSERT_EQ(client_.Read(), "[(nil), \"value\"]") << size << " bytes, cut at " << cut;
    }
    ++keys;
    int64_t copies = 0;
    for (size_t i = 0; i < 4; ++i) {
      copies += std::stoll(cluster_.server(i).Command({"DBSIZE"}).substr(10));
    }
    ASSERT_EQ(copies, keys) << "after a key of " << size << " bytes";
  }
}

TEST_F(BytesCutAnywhereTest, LargeValuesCutAnywhere) {
  Random random(5);
  for (const size_t size : {16384, 65535, 65536, 131071, 131072, 131073, 1000000}) {
    std::string value;
    while (value.size() < size) value += static_cast<char>(random.Next());
    const std::string set = Encode({"SET", "large", value}) + Encode({"GET", "large"});
    const std::string expected = "+OK\r\n$" + std::to_string(size) + "\r\n" + value + "\r\n";
    for (int pass = 0; pass < 12; ++pass) {
      const size_t cut = pass < 6 ? set.size() - 35 + static_cast<size_t>(pass) * 5
                                  : 1 + random.Below(set.size() - 1);
      client_.Send(Bytes(set).substr(0, cut));
      AwaitRead();
      client_.Send(Bytes(set).substr(cut));
      ASSERT_TRUE(client_.ReadRaw(2) == expected) << size << " bytes, cut at " << cut;
    }
  }
}

}  // namespace
}  // namespace ringmaster::integration
