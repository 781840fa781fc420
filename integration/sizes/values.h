// Bytes of any size that no two calls give alike, and sizes drawn so that every order of magnitude
// comes equally often. Thread-safe: what it draws from is made once and never changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/random.h"

namespace ringmaster::sizes {

inline constexpr size_t kLargest = 16 << 20;

// From 0 to `largest`, log-uniform.
size_t LogUniform(Random& random, size_t largest);

// `size` bytes of anything, line ends and RESP among them. The same for the same `seed`.
// REQUIRES: size <= kLargest.
std::string Noise(uint64_t seed, size_t size);

// The n-th member (or field) of a client: always the same bytes, of a size that n alone decides.
std::string Member(uint64_t client, uint64_t n);
size_t MemberSize(uint64_t client, uint64_t n);

}  // namespace ringmaster::sizes
