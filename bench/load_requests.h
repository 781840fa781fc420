// The commands of one client, ready to be written: small parts are copied into one buffer, the bulk
// of a large value is shared by all clients, so that the load generator's own cost stays small.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "load_plan.h"

namespace ringmaster::bench {

// How each kind of command looks on the wire. Built once, read by all clients.
class Templates {
 public:
  // One command as text with holes for the digits of its keys, and behind some of the texts the
  // shared filler.
  struct Part {
    std::string text;
    std::vector<std::pair<uint32_t, uint32_t>> holes;  // offset in text, index of the key
    bool filler_follows = false;
  };

  explicit Templates(const Plan& plan);

  const std::vector<Part>& write() const { return write_; }
  const std::vector<Part>& read() const { return read_; }
  // What follows the digits in a value, with the line end, when values are too large to be copied.
  Bytes filler() const { return filler_; }
  // The digits of key `index` as eight bytes.
  uint64_t digits(uint32_t index) const { return digits_[index]; }
  uint32_t keys() const { return static_cast<uint32_t>(digits_.size()); }
  uint32_t keys_per_command() const { return keys_per_command_; }
  uint32_t value_size() const { return value_size_; }
  bool multi() const { return multi_; }

 private:
  void AppendArguments(std::vector<Part>& parts, bool with_values) const;

  const std::string prefix_;
  const uint32_t value_size_;
  const uint32_t keys_per_command_;
  const bool multi_;
  std::string filler_;
  std::vector<uint64_t> digits_;
  std::vector<Part> write_;
  std::vector<Part> read_;
};

// Bytes on their way out of one client. Filled for a batch, then written in as many pieces as the
// socket takes.
class Batch {
 public:
  // `capacity` commands fit. `templates` must outlive it.
  Batch(const Templates& templates, uint32_t capacity);

  void Clear();
  // REQUIRES: fewer than `capacity` commands since Clear; as many keys as a command has.
  void Append(bool write, const uint64_t* key_digits);
  // Writes what the socket takes. False when the connection is broken.
  bool WriteTo(int fd);
  bool empty() const { return next_ == pieces_.size(); }

 private:
  const Templates& templates_;
  std::vector<char> buffer_;  // never grows: pieces_ point into it
  size_t used_ = 0;
  std::vector<iovec> pieces_;
  size_t next_ = 0;  // the first piece that is not wholly written
};

}  // namespace ringmaster::bench
