#include "net/stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "net/output.h"
#include "net/timer.h"
#include "support/turns.h"

namespace ringmaster {
namespace {

// A stream whose peer is a plain descriptor of the test's.
class StreamTest : public testing::Test {
 protected:
  StreamTest() {
    int pair[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    stream_ = std::make_unique<Stream>(loop_, pair[0]);
    peer_ = pair[1];
    fcntl(peer_, F_SETFL, O_NONBLOCK);
    stream_->Attach(
        this, [](void* self) { static_cast<StreamTest*>(self)->OnReadable(); },
        [](void* self) { ++static_cast<StreamTest*>(self)->writable_; });
  }
  ~StreamTest() override {
    if (peer_ >= 0) close(peer_);
  }

  void OnReadable() {
    ++readable_;
    if (stream_ == nullptr) return;
    char bytes[4096];
    size_t read = 0;
    last_ = stream_->Read(bytes, sizeof(bytes), &read);
    if (last_ == IoStatus::kOk) got_.append(bytes, read);
    if (last_ != IoStatus::kOk) stream_->WatchReads(false);
  }
  void PeerSays(const std::string& text) {
    ASSERT_EQ(write(peer_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  // What the peer can read now.
  std::string PeerHears() {
    std::string heard;
    char bytes[65536];
    ssize_t n;
    while ((n = read(peer_, bytes, sizeof(bytes))) > 0) heard.append(bytes, static_cast<size_t>(n));
    return heard;
  }

  Loop loop_;
  std::unique_ptr<Stream> stream_;
  int peer_ = -1;
  int readable_ = 0;
  int writable_ = 0;
  IoStatus last_ = IoStatus::kOk;
  std::string got_;
};

TEST_F(StreamTest, CallsWhenThePeerSpoke) {
  PeerSays("hello");
  EXPECT_TRUE(TurnUntil(loop_, [&] { return got_ == "hello"; }));
}

TEST_F(StreamTest, SaysNothingWhileReadsAreNotWatchedAndAllOfItAfterwards) {
  stream_->WatchReads(false);
  PeerSays("later");
  for (int i = 0; i < 5; ++i) loop_.RunOnce();
  EXPECT_EQ(readable_, 0);
  stream_->WatchReads(true);
  EXPECT_TRUE(TurnUntil(loop_, [&] { return got_ == "later"; }));
}

TEST_F(StreamTest, UnwantedBytesDoNotKeepTheLoopTurning) {
  stream_->WatchReads(false);
  PeerSays("later");
  int turns = 0;
  loop_.OnPrepare([&] { ++turns; });
  Timer timer(loop_, [&] { loop_.Stop(); });
  timer.StartOnce(std::chrono::milliseconds(20));
  loop_.Run();
  EXPECT_LE(turns, 5);
  EXPECT_EQ(readable_, 0);
}

TEST_F(StreamTest, APeerThatIsGoneWhileReadsAreNotWatchedIsFoundWhenTheyAre) {
  stream_->WatchReads(false);
  const iovec unread{const_cast<char*>("x"), 1};
  size_t written = 0;
  // What the peer has not read makes its end a reset.
  ASSERT_EQ(stream_->Write(&unread, 1, &written), IoStatus::kOk);
  close(std::exchange(peer_, -1));
  for (int i = 0; i < 5; ++i) loop_.RunOnce();
  EXPECT_EQ(readable_, 0);
  stream_->WatchReads(true);
  EXPECT_TRUE(TurnUntil(loop_, [&] { return readable_ > 0; }));
  EXPECT_EQ(last_, IoStatus::kError);
}

// It closes with bytes unread, which is a reset: libuv watches no more then.
TEST_F(StreamTest, AResetIsToldToWhoeverLooksForThePeersLeaving) {
  stream_->WatchReads(false);
  stream_->WatchHangup(true);
  loop_.RunOnce();
  ASSERT_EQ(write(stream_->fd(), "unread", 6), 6);
  close(std::exchange(peer_, -1));
  EXPECT_TRUE(TurnUntil(loop_, [&] { return readable_ > 0; }));
  EXPECT_EQ(last_, IoStatus::kError);
}

TEST_F(StreamTest, EndOfThePeerIsAnEndAndNoError) {
  close(std::exchange(peer_, -1));
  EXPECT_TRUE(TurnUntil(loop_, [&] { return last_ == IoStatus::kEnd; }));
}

TEST_F(StreamTest, ReadWithoutBytesAsksForPatience) {
  char byte;
  size_t read = 7;
  EXPECT_EQ(stream_->Read(&byte, 1, &read), IoStatus::kAgain);
}

TEST_F(StreamTest, WriteToAClosedPeerIsAnErrorWithTheSystemsWords) {
  close(std::exchange(peer_, -1));
  iovec part{const_cast<char*>("x"), 1};
  size_t written = 0;
  EXPECT_EQ(stream_->Write(&part, 1, &written), IoStatus::kError);
  EXPECT_NE(stream_->error().find("Broken pipe"), std::string::npos) << stream_->error();
}

TEST_F(StreamTest, TellsWhenAFullSocketTakesBytesAgain) {
  const std::string chunk(65536, 'x');
  iovec part{const_cast<char*>(chunk.data()), chunk.size()};
  size_t written = 0;
  while (stream_->Write(&part, 1, &written) == IoStatus::kOk && written > 0) {
  }
  stream_->WatchWrites(true);
  for (int i = 0; i < 5; ++i) loop_.RunOnce();
  EXPECT_EQ(writable_, 0);
  PeerHears();
  EXPECT_TRUE(TurnUntil(loop_, [&] { return writable_ > 0; }));
}

TEST_F(StreamTest, MayBeDestroyedInItsOwnCallback) {
  stream_->Attach(
      &stream_, [](void* held) { static_cast<std::unique_ptr<Stream>*>(held)->reset(); },
      [](void*) {});
  PeerSays("x");
  EXPECT_TRUE(TurnUntil(loop_, [&] { return stream_ == nullptr; }));
}

TEST_F(StreamTest, ReleasedSocketLivesOnElsewhereWithItsUnreadBytes) {
  PeerSays("unread");
  const int fd = stream_->Release();
  stream_.reset();
  char bytes[16] = "";
  ASSERT_EQ(read(fd, bytes, sizeof(bytes)), 6);
  EXPECT_STREQ(bytes, "unread");
  close(fd);
}

TEST_F(StreamTest, ShutdownLetsThePeerReadTheRestAndThenTheEnd) {
  iovec part{const_cast<char*>("bye"), 3};
  size_t written = 0;
  ASSERT_EQ(stream_->Write(&part, 1, &written), IoStatus::kOk);
  stream_->ShutdownWrites();
  char bytes[16];
  EXPECT_EQ(read(peer_, bytes, sizeof(bytes)), 3);
  EXPECT_EQ(read(peer_, bytes, sizeof(bytes)), 0);
}

class OutputTest : public StreamTest {
 protected:
  // Flushes until all is out; what the peer heard.
  std::string FlushAll() {
    std::string heard;
    while (output_.Flush(*stream_) == IoStatus::kAgain) heard += PeerHears();
    return heard + PeerHears();
  }

  BlockPool blocks_;
  Output output_{blocks_};
};

TEST_F(OutputTest, SmallAndLargeComeOutInTheOrderTheyWentIn) {
  const std::string large(200000, 'L');
  const Slice held = blocks_.Copy(large);
  std::string expected;
  for (int i = 0; i < 300; ++i) {
    const std::string small = "<" + std::to_string(i) + ">";
    output_.Put(small);
    expected += small;
    if (i % 50 == 0) {
      output_.Append(held);
      expected += large;
    }
  }
  EXPECT_EQ(output_.size(), expected.size());
  EXPECT_EQ(FlushAll(), expected);
  EXPECT_TRUE(output_.empty());
  EXPECT_EQ(output_.accepted(), expected.size());
}

// More pieces than one list holds, while some of them go out.
TEST_F(OutputTest, AnyNumberOfPiecesComeOutInTheirOrder) {
  std::string expected, heard;
  for (int i = 0; i < 3000; ++i) {
    const Slice piece = blocks_.Copy(std::string(1100, static_cast<char>('a' + i % 26)));
    output_.Append(piece);
    expected += piece.bytes;
    if (i % 7 != 0) continue;
    (void)output_.Flush(*stream_, i % 2 == 0 ? 2000 : 100000);
    heard += PeerHears();
  }
  EXPECT_EQ(heard + FlushAll(), expected);
  EXPECT_EQ(blocks_.bytes_in_use(), 0U);
}

TEST_F(OutputTest, LargeBytesAreReferencedAndLetGoWhenTheyAreOut) {
  const Slice held = blocks_.Copy(std::string(100000, 'x'));
  output_.Append(held);
  EXPECT_FALSE(held.block.unique());
  FlushAll();
  EXPECT_TRUE(held.block.unique());
}

TEST_F(OutputTest, HoldsNoBlockWhenEmpty) {
  output_.Put("some bytes");
  EXPECT_GT(blocks_.bytes_in_use(), 0U);
  FlushAll();
  EXPECT_EQ(blocks_.bytes_in_use(), 0U);
}

TEST_F(OutputTest, AppendSaysWhereTheBytesLie) {
  const Slice where = output_.Append(Bytes("value"));
  output_.Put(" and more");
  EXPECT_EQ(where.bytes, "value");
  EXPECT_TRUE(where.block);
}

TEST_F(OutputTest, ClearForgetsWhatIsUnsentAndStartsCountingAnew) {
  output_.Put("sent");
  FlushAll();
  output_.Put("never sent");
  output_.Clear();
  EXPECT_TRUE(output_.empty());
  EXPECT_EQ(output_.accepted(), 0U);
  EXPECT_EQ(FlushAll(), "");
}

}  // namespace
}  // namespace ringmaster
