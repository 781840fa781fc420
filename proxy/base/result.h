// Result<T>: a value or an Error, for local failures that the caller must look at. Our own small
// type because libstdc++ 12 has std::expected only in C++23 mode.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace ringmaster {

enum class ErrorCode {
  kInvalid,  // the input is wrong: a config, a flag, an address
  kIo,       // the operating system said no; text holds its words
  kNotFound,
  kRefused,  // a peer answered, and the answer is no
  kTimeout,
  kLimit,        // a bound of ours was reached
  kUnavailable,  // a peer cannot be reached now
};

struct Error {
  ErrorCode code = ErrorCode::kInvalid;
  std::string text;  // one line for a person: what is wrong and what to do
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // REQUIRES: ok().
  T& value() & {
    RM_CHECK(ok());
    return std::get<0>(state_);
  }
  const T& value() const& {
    RM_CHECK(ok());
    return std::get<0>(state_);
  }
  T&& value() && {
    RM_CHECK(ok());
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // REQUIRES: !ok().
  const Error& error() const {
    RM_CHECK(!ok());
    return std::get<1>(state_);
  }

 private:
  std::variant<T, Error> state_;
};

// Done, or why not. `return Done();` is success.
struct Done {};
using Status = Result<Done>;

}  // namespace ringmaster
