// Reads the replies of one client and holds each against the command it answers: its type, the
// length of every value, and the digits of the key at the head of every value, so that a lost,
// repeated or crossed reply shows. A reply may arrive cut anywhere. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "load_plan.h"

namespace ringmaster::bench {

// What went wrong, over all clients.
struct Faults {
  uint64_t error_replies = 0;
  uint64_t wrong_replies = 0;
  uint64_t lost_connections = 0;
  std::string first;  // one line about the first fault

  uint64_t total() const { return error_replies + wrong_replies + lost_connections; }
  void Note(uint64_t& counter, Bytes what, Bytes detail);
};

class ReplyChecker {
 public:
  // `faults` must outlive it.
  ReplyChecker(const Plan& plan, Faults& faults);

  // The next command of the batch is a write or a read of these keys. Forgets the batch before.
  // REQUIRES: for the first of a batch, pending() == 0.
  void Expect(bool write, const uint64_t* key_digits);
  // Commands whose reply is still to come.
  uint32_t pending() const { return static_cast<uint32_t>(writes_.size() - answered_); }

  // Takes what came from the socket; returns how many replies it completed. After bytes that are no
  // answer to anything, broken() is true and nothing more is read.
  uint32_t Consume(Bytes input);
  bool broken() const { return broken_; }

 private:
  static constexpr size_t kMaxLine = 1024;

  void OnLine(Bytes line);
  void OnArrayHeader(int64_t length);
  void OnBulkHeader(int64_t length);
  void OnBody(Bytes bytes);
  void EndElement();
  void Break(Bytes what, Bytes detail);
  void Wrong(Bytes what, Bytes detail) { faults_.Note(faults_.wrong_replies, what, detail); }

  const uint32_t keys_per_command_;
  const bool multi_;
  const int64_t value_size_;
  Faults& faults_;

  std::vector<bool> writes_;           // for each command of the batch
  std::vector<uint64_t> read_digits_;  // for each key that the batch reads
  size_t answered_ = 0;
  size_t values_seen_ = 0;

  std::string line_;            // a header cut by the end of a read
  uint32_t elements_left_ = 0;  // of the array we are in
  int64_t body_size_ = 0;       // of the bulk we are in, with its line end
  int64_t body_left_ = 0;
  char head_[kDigits] = {};
  bool broken_ = false;
};

}  // namespace ringmaster::bench
