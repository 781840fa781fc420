#include "admin/http_connection.h"

#include <fmt/format.h>

namespace ringmaster {
namespace {

const char* ReasonOf(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Status";
  }
}

}  // namespace

HttpConnection::HttpConnection(const HttpLimits& limits, TimePoint now)
    : limits_(limits), reader_(limits.head), due_(now + limits.patience) {}

bool HttpConnection::reads() const {
  return !ended_ && state_ != State::kOver && behind_ < limits_.dropped;
}

void HttpConnection::Take(std::string_view bytes, TimePoint now) {
  if (state_ != State::kReading) {
    behind_ += bytes.size();
    if (state_ == State::kLingering && behind_ >= limits_.dropped) state_ = State::kOver;
    return;
  }
  switch (reader_.Feed(bytes)) {
    case HttpHeadReader::Status::kMore:
      return;
    case HttpHeadReader::Status::kBad:
      return Send({.status = reader_.problem().status, .body = reader_.problem().text}, true, now);
    case HttpHeadReader::Status::kComplete:
      state_ = State::kAnswering;
      due_ = now + limits_.answering;
  }
}

void HttpConnection::TakeEnd() {
  ended_ = true;
  if (state_ == State::kReading || state_ == State::kLingering) state_ = State::kOver;
}

void HttpConnection::Respond(const HttpResponse& response, TimePoint now) {
  Send(response, head().method != "HEAD", now);
}

void HttpConnection::Send(const HttpResponse& response, bool with_body, TimePoint now) {
  out_ = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\nConnection: close\r\n",
      response.status, ReasonOf(response.status), response.type, response.body.size());
  if (!response.allow.empty()) out_ += "Allow: " + response.allow + "\r\n";
  out_ += "\r\n";
  if (with_body) out_ += response.body;
  state_ = State::kSending;
  due_ = now + limits_.sending;
}

void HttpConnection::Sent(size_t size, TimePoint now) {
  sent_ += size;
  if (sent_ < out_.size()) return;
  out_ = {};
  sent_ = 0;
  state_ = ended_ || behind_ >= limits_.dropped ? State::kOver : State::kLingering;
  due_ = now + limits_.linger;
}

void HttpConnection::Tick(TimePoint now) {
  if (now < due_ || state_ == State::kOver) return;
  if (state_ == State::kReading) {
    Send({.status = 408, .body = "The request took too long to arrive.\n"}, true, now);
  } else if (state_ == State::kAnswering) {
    Send({.status = 503, .body = "The answer took too long.\n"}, head().method != "HEAD", now);
  } else {
    state_ = State::kOver;
  }
}

}  // namespace ringmaster
