// A connection in a world whose time and bytes the test decides.
#include "admin/http_connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;
using State = HttpConnection::State;

const std::string kGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

class HttpConnectionTest : public testing::Test {
 protected:
  void SendAll() { connection_.Sent(connection_.out().size(), now_); }

  HttpLimits limits_;
  TimePoint now_{seconds(1000)};
  HttpConnection connection_{limits_, now_};
};

TEST_F(HttpConnectionTest, OneRequestIsAnsweredAndThenItIsOver) {
  connection_.Take("GET /a HT", now_);
  EXPECT_EQ(connection_.state(), State::kReading);
  connection_.Take("TP/1.0\r\n\r\n", now_);
  ASSERT_EQ(connection_.state(), State::kAnswering);
  connection_.Respond({.body = "body"}, now_);
  EXPECT_THAT(std::string(connection_.out()),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Content-Length: 4\r\n"),
                    HasSubstr("Connection: close\r\n"), EndsWith("\r\n\r\nbody")));
  connection_.Sent(10, now_);
  EXPECT_THAT(std::string(connection_.out()), StartsWith("00 OK"));
  EXPECT_EQ(connection_.state(), State::kSending);
  SendAll();
  EXPECT_EQ(connection_.state(), State::kLingering);
  connection_.TakeEnd();
  EXPECT_EQ(connection_.state(), State::kOver);
}

TEST_F(HttpConnectionTest, HeadHasNoBodyAndSaysHowLongItWouldBe) {
  connection_.Take("HEAD /a HTTP/1.0\r\n\r\n", now_);
  connection_.Respond({.body = "body"}, now_);
  EXPECT_THAT(std::string(connection_.out()),
              AllOf(HasSubstr("Content-Length: 4\r\n"), EndsWith("\r\n\r\n")));
}

// A byte now and then does not buy time.
TEST_F(HttpConnectionTest, WhoTricklesIsToldAndClosed) {
  const TimePoint end = now_ + limits_.patience;
  for (; now_ < end; now_ += milliseconds(100)) {
    connection_.Tick(now_);
    ASSERT_EQ(connection_.state(), State::kReading);
    connection_.Take("x", now_);
  }
  connection_.Tick(now_);
  EXPECT_THAT(std::string(connection_.out()), StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
  SendAll();
  connection_.Tick(now_ += limits_.linger);
  EXPECT_EQ(connection_.state(), State::kOver);
}

TEST_F(HttpConnectionTest, WhoDoesNotReadIsClosed) {
  connection_.Take(kGet, now_);
  connection_.Respond({.body = std::string(1000, 'x')}, now_);
  const TimePoint end = now_ + limits_.sending;
  for (; now_ < end; now_ += seconds(1)) {
    connection_.Sent(1, now_);
    connection_.Tick(now_);
    ASSERT_EQ(connection_.state(), State::kSending);
  }
  connection_.Tick(now_);
  EXPECT_EQ(connection_.state(), State::kOver);
}

TEST_F(HttpConnectionTest, AnAnswerThatDoesNotComeIsMissed) {
  connection_.Take(kGet, now_);
  connection_.Tick(now_ += limits_.answering);
  EXPECT_THAT(std::string(connection_.out()), StartsWith("HTTP/1.1 503 "));
}

TEST_F(HttpConnectionTest, WhatComesBehindTheHeadIsBounded) {
  connection_.Take(kGet, now_);
  EXPECT_TRUE(connection_.reads());
  connection_.Take(std::string(limits_.dropped, 'x'), now_);
  EXPECT_FALSE(connection_.reads());
  connection_.Respond({.body = "body"}, now_);
  SendAll();
  EXPECT_EQ(connection_.state(), State::kOver);
}

TEST_F(HttpConnectionTest, LingeringIsBoundedToo) {
  connection_.Take(kGet, now_);
  connection_.Respond({.body = "body"}, now_);
  SendAll();
  connection_.Take(std::string(limits_.dropped - 1, 'x'), now_);
  EXPECT_EQ(connection_.state(), State::kLingering);
  connection_.Take("x", now_);
  EXPECT_EQ(connection_.state(), State::kOver);
}

// As `nc -N` does.
TEST_F(HttpConnectionTest, WhoSendsNoMoreStillGetsTheAnswer) {
  connection_.Take(kGet, now_);
  connection_.TakeEnd();
  EXPECT_FALSE(connection_.reads());
  ASSERT_EQ(connection_.state(), State::kAnswering);
  connection_.Respond({.body = "body"}, now_);
  SendAll();
  EXPECT_EQ(connection_.state(), State::kOver);
}

TEST_F(HttpConnectionTest, WhoLeavesBeforeAskingIsForgotten) {
  connection_.Take("GET", now_);
  connection_.TakeEnd();
  EXPECT_EQ(connection_.state(), State::kOver);
}

TEST_F(HttpConnectionTest, NonsenseIsToldSoAtOnce) {
  connection_.Take("*1\r\n", now_);
  EXPECT_EQ(connection_.state(), State::kSending);
  EXPECT_THAT(std::string(connection_.out()), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
}

}  // namespace
}  // namespace ringmaster
