// Everything that is wrong with one configuration file, so that a person can mend it in one go.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace ringmaster {

// Counted from 1, as editors do.
struct Position {
  int line = 1;
  int column = 1;
  bool operator==(const Position& other) const = default;
  bool operator<(const Position& other) const {
    return line != other.line ? line < other.line : column < other.column;
  }
};

// One thread, for the length of one parse.
class Problems {
 public:
  static constexpr size_t kShown = 50;

  // `what` is one line for a person: what is wrong and what to do.
  void Add(Position at, std::string what);

  // Whether files that are named are looked at.
  bool looks_at_files() const { return looks_at_files_; }
  void LeaveFilesAlone() { looks_at_files_ = false; }

  bool empty() const { return total_ == 0; }
  // Something is said of this very place.
  bool Has(Position at) const;
  // One "file:line:column: what" a line, in the order of the file; the first kShown of them and how
  // many more there are. REQUIRES: !empty().
  Error ToError(Bytes file_name) const;

 private:
  struct Problem {
    Position at;
    std::string what;
  };
  static constexpr size_t kKept = 1000;

  std::vector<Problem> kept_;
  size_t total_ = 0;
  bool looks_at_files_ = true;
};

}  // namespace ringmaster
