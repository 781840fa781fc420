// A link to a server that a test can break: a TCP proxy on a thread of the test's own that cuts,
// swallows, holds, delays, throttles and splits what goes through it, and counts who connects.
// "Request" is the direction to the server, "reply" the one back. All methods work from any thread
// and take effect within the next turn of the loop (a millisecond).
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "support/port.h"

namespace ringmaster::integration {

class FaultProxy {
 public:
  explicit FaultProxy(const Address& server);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  const Address& address() const { return address_; }

  // Resets every connection there is.
  void Cut();
  // Resets each new connection as soon as it is made (counted all the same).
  void Refuse(bool on) { refuse_ = on; }
  // Connections stay, bytes do not go on, in neither direction; off: they go on where they were.
  void Hold(bool on) { HoldRequests(on), HoldReplies(on); }
  void HoldRequests(bool on) { hold_requests_ = on; }
  void HoldReplies(bool on) { hold_replies_ = on; }
  // Reads what comes and throws it away, until it is off and the connections are made anew.
  void Swallow(bool on) { swallow_ = on; }
  // Lets so many more bytes of replies (requests) through, over all connections, then resets the
  // connection whose byte was the next one. Once.
  void CutReplyAfter(int64_t bytes) { reply_budget_ = bytes; }
  void CutRequestAfter(int64_t bytes) { request_budget_ = bytes; }
  bool cut_done() const { return reply_budget_ < 0 && request_budget_ < 0; }
  // Sends these bytes as if the server had, on every connection.
  void Inject(const std::string& reply_bytes);
  // Each segment has at most so many bytes; 0: as they come.
  void Segment(int64_t bytes) { segment_ = bytes; }
  void Delay(Duration by) { delay_ = by.count(); }
  void Throttle(int64_t bytes_per_second) { rate_ = bytes_per_second; }
  void Heal();  // no fault any more, except for what has been cut

  int64_t connections() const { return accepted_; }  // ever made
  int64_t open() const { return open_; }
  int64_t request_bytes() const { return request_bytes_; }  // that reached the server
  int64_t reply_bytes() const { return reply_bytes_; }
  int64_t reply_bytes_read() const { return replies_read_; }  // passed on or not

 private:
  struct Chunk {
    TimePoint due;
    std::string bytes;
  };
  struct Way {  // one direction of a link
    int from = -1;
    int to = -1;
    bool reply = false;
    bool ended = false;      // `from` will send no more
    bool shut_down = false;  // and `to` was told so
    size_t waiting = 0;
    std::deque<Chunk> chunks;
    TimePoint next_write{};
  };
  struct Link {
    Way request;
    Way reply;
    bool dead = false;
  };

  void Loop();
  void Accept();
  bool Read(Way& way);   // false: the connection broke
  bool Write(Way& way);  // false: the same, or it is to be cut
  bool Held(const Way& way) const { return way.reply ? hold_replies_ : hold_requests_; }
  int64_t Allowance(const Way& way, TimePoint now) const;
  void Finish(Link& link, bool reset);
  int Pause() const;

  const Address server_;
  Port reserved_;
  const Address address_;
  int listener_ = -1;
  int wake_[2] = {-1, -1};
  std::vector<std::unique_ptr<Link>> links_;  // the thread's own

  std::atomic<bool> stop_{false}, cut_{false}, refuse_{false}, swallow_{false};
  std::atomic<bool> hold_requests_{false}, hold_replies_{false};
  std::atomic<int64_t> reply_budget_{-1}, request_budget_{-1};
  std::atomic<int64_t> segment_{0}, delay_{0}, rate_{0};
  std::atomic<int64_t> accepted_{0}, open_{0}, request_bytes_{0}, reply_bytes_{0};
  std::atomic<int64_t> replies_read_{0};
  std::mutex mutex_;
  std::string injected_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace ringmaster::integration
