#include "sizes/exchange.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "sizes/compare.h"
#include "sizes/values.h"
#include "support/resp_text.h"

namespace ringmaster::sizes {
namespace {

using std::chrono::milliseconds;

// How long kLate waits for a socket that takes nothing more.
constexpr Duration kStuck = milliseconds(500);

}  // namespace

std::string Describe(const Manners& manners) {
  static constexpr const char* kSending[] = {"sent whole", "sent in pieces", "sent in crumbs"};
  static constexpr const char* kReading[] = {"read at once", "read slowly", "read late",
                                             "reading stops"};
  static constexpr const char* kEnding[] = {"stays", "half-closes", "hangs up"};
  return fmt::format(
      "{}, {} (pause {} ms, at {}), {}{}", kSending[static_cast<int>(manners.sending)],
      kReading[static_cast<int>(manners.reading)], Milliseconds(manners.pause), manners.at,
      kEnding[static_cast<int>(manners.ending)], manners.small_buffer ? ", small buffer" : "");
}

struct Line::Course {
  const std::vector<Command>& commands;
  const std::vector<std::string>& expected;
  const Manners& manners;
  Random& random;
  std::string requests = {};
  size_t sent = 0;
  size_t cut = 0;             // send up to here at once
  std::string received = {};  // from the first reply that is not compared yet
  size_t taken = 0;           // bytes received in all
  size_t checked = 0;         // of `received`, known to be as expected
  size_t next = 0;            // the reply that is awaited
  bool ended = false;         // the proxy will send no more
  TimePoint began{};
  TimePoint progress{};  // since then the deadline runs
  TimePoint last_sent{};
  TimePoint paused{};  // zero: not yet
  Fault fault = {};
};

bool Line::Open(const Address& proxy, bool small_buffer) {
  Close();
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (small_buffer) {
    const int size = 4096;
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    // As over a network: the kernel would drop the 64 KiB that come over the loopback interface in
    // one segment, and try again after longer and longer, up to many seconds.
    const int segment = 1448;
    setsockopt(fd_, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment));
  }
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(proxy.port);
  inet_pton(AF_INET, proxy.host.c_str(), &name.sin_addr);
  if (connect(fd_, reinterpret_cast<sockaddr*>(&name), sizeof(name)) != 0) {
    Close();
    return false;
  }
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
  return true;
}

void Line::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

bool Line::Greet(Bytes requests, size_t replies, Duration deadline) {
  // Few bytes: a fresh socket takes them at once.
  if (send(fd_, requests.data(), requests.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(requests.size())) {
    return false;
  }
  std::string received;
  size_t at = 0;
  const TimePoint end = MonotonicNow() + deadline;
  while (replies > 0) {
    const size_t length = integration::ReplyLength(Bytes(received).substr(at));
    if (length == Bytes::npos || MonotonicNow() > end) return false;
    if (length > 0) {
      at += length;
      --replies;
      continue;
    }
    pollfd poller{fd_, POLLIN, 0};
    poll(&poller, 1, 50);
    char block[4096];
    const ssize_t got = recv(fd_, block, sizeof(block), 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return false;
    if (got > 0) received.append(block, static_cast<size_t>(got));
  }
  return at == received.size();
}

bool Line::SendSome(Course& course) {
  if (course.sent == course.cut) {
    const size_t left = course.requests.size() - course.sent;
    size_t piece = left;
    if (course.manners.sending == Sending::kPieces) piece = 1 + LogUniform(course.random, 100000);
    // Only the first ones: megabytes in crumbs would take minutes.
    if (course.manners.sending == Sending::kCrumbs) {
      piece =
          course.sent < 2000 ? 1 + course.random.Below(7) : 1 + LogUniform(course.random, 1000000);
    }
    course.cut += std::min(piece, left);
  }
  const ssize_t sent =
      send(fd_, course.requests.data() + course.sent, course.cut - course.sent, MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  course.sent += static_cast<size_t>(sent);
  course.last_sent = course.progress = MonotonicNow();
  return true;
}

bool Line::ReadSome(Course& course) {
  const bool slowly = course.manners.reading == Reading::kSlowly &&
                      MonotonicNow() - course.began < course.manners.pause;
  const size_t chunk = slowly ? 1024 : 1 + LogUniform(course.random, 1 << 18);
  const size_t size = course.received.size();
  course.received.resize(size + chunk);
  const ssize_t got = recv(fd_, course.received.data() + size, chunk, 0);
  const int error = errno;
  course.received.resize(size + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (got < 0) return error == EAGAIN || error == EINTR;
  if (got == 0) return false;
  course.taken += static_cast<size_t>(got);
  if (slowly) std::this_thread::sleep_for(std::chrono::microseconds(200));
  return true;
}

bool Line::MayRead(Course& course, TimePoint now) const {
  const Manners& manners = course.manners;
  if (manners.reading == Reading::kLate && course.paused == TimePoint()) {
    if (course.sent < course.requests.size() && now - course.last_sent < kStuck) return false;
    course.paused = now;
  } else if (manners.reading == Reading::kStops && course.paused == TimePoint()) {
    if (course.taken < manners.at) return true;
    course.paused = now;
  } else if (manners.reading != Reading::kLate && manners.reading != Reading::kStops) {
    return true;
  }
  if (now - course.paused >= manners.pause) return true;
  course.progress = now;
  return false;
}

// What is documented: a merged reply beyond limits.reply_buffer is refused. True: that is the next
// reply, and it is taken off.
bool Line::SkipRefusedMerge(Course& course) const {
  static constexpr Bytes kRefusal = "-ERR the merged reply is larger than limits.reply_buffer";
  if (course.expected[course.next].size() < kReplyBuffer) return false;
  if (!course.received.starts_with(kRefusal)) return false;
  const size_t end = course.received.find("\r\n");
  if (end == std::string::npos) return false;
  course.received.erase(0, end + 2);
  course.checked = 0;
  ++course.next;
  course.progress = MonotonicNow();
  return true;
}

// Takes what is complete off `received`; finds a wrong byte as soon as it is there.
void Line::Compare(Course& course) const {
  while (course.next < course.expected.size() && !course.received.empty()) {
    if (SkipRefusedMerge(course)) continue;
    const std::string& expected = course.expected[course.next];
    const Command& command = course.commands[course.next];
    const bool exact =
        command.order == Order::kExact && command.parts.empty() && !IsHyperLogLog(expected);
    const size_t have = std::min(course.received.size(), expected.size());
    const bool same_so_far =
        std::equal(course.received.begin() + static_cast<ptrdiff_t>(course.checked),
                   course.received.begin() + static_cast<ptrdiff_t>(have),
                   expected.begin() + static_cast<ptrdiff_t>(course.checked));
    const bool wrong_kind = course.received[0] != expected[0];
    if (same_so_far) course.checked = have;
    if (wrong_kind || (exact && !same_so_far)) {
      // Wait for all of a short one, to show it.
      const size_t length = integration::ReplyLength(course.received);
      if (length == 0 && course.received.size() < 4096 && !course.ended) return;
      course.fault = WhatIsMissing(course, "another reply");
      return;
    }
    if (course.received.size() < expected.size()) return;
    const Bytes actual = Bytes(course.received).substr(0, expected.size());
    if (!same_so_far && !SameReply(command, expected, actual)) {
      course.fault = WhatIsMissing(course, "another reply");
      return;
    }
    course.received.erase(0, expected.size());
    course.checked = 0;
    ++course.next;
    course.progress = MonotonicNow();
  }
  if (course.next == course.expected.size() && !course.received.empty()) {
    course.fault = {course.next - 1, "a reply too many: " + ShortReply(course.received)};
  }
}

Fault Line::WhatIsMissing(const Course& course, const std::string& how) const {
  Fault fault = {};
  fault.command = course.next;
  fault.what = fmt::format("{}\n    expected {}\n    received {}", how,
                           ShortReply(course.expected[course.next]), ShortReply(course.received));
  if (course.sent < course.requests.size()) {
    fault.what +=
        fmt::format("\n    {} of {} bytes were sent", course.sent, course.requests.size());
  }
  return fault;
}

Fault Line::Run(const std::vector<Command>& commands, const std::vector<std::string>& expected,
                const Manners& manners, Duration deadline, Random& random,
                const std::function<bool()>& stop) {
  Course course{.commands = commands, .expected = expected, .manners = manners, .random = random};
  for (const Command& command : commands) course.requests += command.bytes;
  course.began = course.progress = course.last_sent = MonotonicNow();
  const size_t all = course.requests.size();
  bool half_closed = false;
  while (course.next < expected.size() && course.fault.what.empty()) {
    if (stop()) return course.fault;
    if (manners.ending == Ending::kHangsUp && course.sent >= std::min(manners.at, all)) {
      const linger at_once{1, 0};
      if (random.Below(2) == 0) setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
      Close();
      return course.fault;
    }
    if (manners.ending == Ending::kHalfCloses && course.sent == all && !half_closed) {
      shutdown(fd_, SHUT_WR);
      half_closed = true;
    }
    const TimePoint now = MonotonicNow();
    const bool reads = MayRead(course, now);
    pollfd poller{fd_, static_cast<short>((reads ? POLLIN : 0) | (course.sent < all ? POLLOUT : 0)),
                  0};
    poll(&poller, 1, reads ? 20 : 2);
    if ((poller.revents & (POLLIN | POLLHUP | POLLERR)) != 0 && reads && !ReadSome(course)) {
      course.ended = true;
    }
    Compare(course);
    if (course.ended && course.next < expected.size() && course.fault.what.empty()) {
      // One Redis drops what its socket does not take at once when a client half-closes.
      if (half_closed && std::equal(course.received.begin(), course.received.end(),
                                    expected[course.next].begin())) {
        break;
      }
      return WhatIsMissing(course, "the proxy closed the connection");
    }
    if ((poller.revents & POLLOUT) != 0 && !SendSome(course)) {
      course.fault = WhatIsMissing(course, "the proxy takes no more requests");
    }
    if (reads && MonotonicNow() - course.progress > deadline && course.next < expected.size()) {
      course.fault =
          WhatIsMissing(course, fmt::format("no reply within {} ms", Milliseconds(deadline)));
      course.fault.late = true;
    }
  }
  if (manners.ending == Ending::kHalfCloses) Close();
  return course.fault;
}

}  // namespace ringmaster::sizes
