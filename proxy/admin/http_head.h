// The head of an HTTP/1.x request: request line and fields up to the empty line, read strictly. No
// I/O; bytes may be cut anywhere, and each is looked at once.
//
// Of the fields only Host counts: no other turns anything on, and a body is not asked for.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ringmaster {

struct HttpHead {
  std::string method;  // as sent: "GET"
  std::string path;    // of the target, without the query; as sent, nothing is decoded
  std::string host;    // lower case, without port, brackets and final dot; empty: none was sent
};

struct HttpProblem {
  int status = 400;
  const char* text = "";
};

class HttpHeadReader {
 public:
  enum class Status { kMore, kComplete, kBad };

  // `limit`: bytes of a head, beyond which it is bad.
  explicit HttpHeadReader(size_t limit) : limit_(limit) {}

  // What follows the head is left alone, as is everything once the answer is not kMore.
  Status Feed(std::string_view bytes);
  // REQUIRES: kComplete.
  const HttpHead& head() const { return head_; }
  // REQUIRES: kBad.
  const HttpProblem& problem() const { return problem_; }

 private:
  Status Bad(int status, const char* text);
  Status EndLine();
  Status TakeRequestLine();
  Status TakeField();
  Status End();

  const size_t limit_;
  Status status_ = Status::kMore;
  std::string line_;
  size_t size_ = 0;
  size_t empty_before_ = 0;  // lines in front of the request
  bool started_ = false;     // the request line is there
  bool has_host_ = false;
  bool needs_host_ = false;
  HttpHead head_;
  HttpProblem problem_;
};

// "Name.:80" -> "name", "[::1]:80" -> "::1"; empty: this names no host.
std::string HostOf(std::string_view authority);

}  // namespace ringmaster
