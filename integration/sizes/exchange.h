// One pipeline over one connection to the proxy: sent in pieces of any size, read with bad manners,
// each reply compared as soon as it is there.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/random.h"
#include "sizes/commands.h"

namespace ringmaster::sizes {

// limits.reply_buffer of the proxy, which is its default.
constexpr size_t kReplyBuffer = 64 << 20;

enum class Sending : uint8_t { kWhole, kPieces, kCrumbs };
enum class Reading : uint8_t {
  kAtOnce,
  kSlowly,  // 1 KiB at a time, for a while
  kLate,    // nothing before all is sent, or nothing more can be
  kStops,   // in the middle, for a while
};
enum class Ending : uint8_t { kStays, kHalfCloses, kHangsUp };

struct Manners {
  Sending sending = Sending::kWhole;
  Reading reading = Reading::kAtOnce;
  Ending ending = Ending::kStays;
  Duration pause{};           // of kLate and kStops; how long kSlowly lasts
  size_t at = 0;              // kStops: bytes read before; kHangsUp: bytes sent before
  bool small_buffer = false;  // of the socket, for what is received
};
std::string Describe(const Manners& manners);

struct Fault {
  size_t command = 0;  // its place in the pipeline
  std::string what;    // empty: none
  bool late = false;   // no reply in time
};

// A connection that lives for one pipeline or for several.
class Line {
 public:
  Line() = default;
  ~Line() { Close(); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  bool Open(const Address& proxy, bool small_buffer);
  bool open() const { return fd_ >= 0; }
  void Close();

  // Sends requests and drops their replies. False: they did not come within `deadline`.
  bool Greet(Bytes requests, size_t replies, Duration deadline);
  // Sends `commands` and compares the replies with `expected`. A reply has to be complete within
  // `deadline` of the one before it, of the last byte sent, and of the end of a pause in reading.
  // Gives up, without a fault, when `stop` says so.
  Fault Run(const std::vector<Command>& commands, const std::vector<std::string>& expected,
            const Manners& manners, Duration deadline, Random& random,
            const std::function<bool()>& stop);

 private:
  struct Course;
  bool SendSome(Course& course);
  bool ReadSome(Course& course);
  bool MayRead(Course& course, TimePoint now) const;
  void Compare(Course& course) const;
  bool SkipRefusedMerge(Course& course) const;
  Fault WhatIsMissing(const Course& course, const std::string& how) const;

  int fd_ = -1;
};

}  // namespace ringmaster::sizes
