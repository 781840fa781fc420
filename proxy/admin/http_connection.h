// One HTTP connection, on which one request is answered, without I/O and without a clock: bytes and
// times go in, bytes to send and what to do next come out.
//
//     kReading -> kAnswering -> kSending -> kLingering -> kOver
//
// Everything is bounded: the head in bytes and time, the time of the response, and what comes
// behind a head, which is dropped. Lingering: our side is closed, and what the peer still sends
// does not take the response with it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "admin/http_head.h"
#include "base/clock.h"

namespace ringmaster {

struct HttpResponse {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  std::string allow = {};  // of status 405
};

struct HttpLimits {
  size_t head = 8192;                          // bytes of a request
  Duration patience{std::chrono::seconds(2)};  // for the whole head, from the connection on
  Duration answering{std::chrono::seconds(30)};
  Duration sending{std::chrono::seconds(10)};  // for the whole response
  Duration linger{std::chrono::milliseconds(200)};
  size_t dropped = 64U << 10;  // bytes behind the head
  size_t connections = 128;
  size_t of_one_address = 32;  // IPv6: of one /64; through a Unix socket: no bound of its own
};

class HttpConnection {
 public:
  enum class State { kReading, kAnswering, kSending, kLingering, kOver };

  HttpConnection(const HttpLimits& limits, TimePoint now);

  State state() const { return state_; }
  // Bytes of the peer are wanted.
  bool reads() const;
  void Take(std::string_view bytes, TimePoint now);
  // The peer sends no more. It may still read.
  void TakeEnd();
  // REQUIRES: kAnswering was reached.
  const HttpHead& head() const { return reader_.head(); }
  // REQUIRES: kAnswering.
  void Respond(const HttpResponse& response, TimePoint now);
  // What is to be sent now; kSending ends with the last of it.
  std::string_view out() const { return std::string_view(out_).substr(sent_); }
  void Sent(size_t size, TimePoint now);
  // When it is time to call Tick.
  TimePoint due() const { return due_; }
  void Tick(TimePoint now);

 private:
  void Send(const HttpResponse& response, bool with_body, TimePoint now);

  const HttpLimits& limits_;
  State state_ = State::kReading;
  HttpHeadReader reader_;
  TimePoint due_;
  size_t behind_ = 0;  // bytes that came behind the head
  bool ended_ = false;
  std::string out_;
  size_t sent_ = 0;
};

}  // namespace ringmaster
