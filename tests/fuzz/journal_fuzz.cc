// A record of the saga journal, however damaged: it is understood or refused, and what is
// understood is written in the same bytes again.
#include <xxhash.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "saga/journal.h"

namespace {

// The checksum would refuse nearly everything: it is made right, so that what is behind it is
// reached.
std::string WithRightChecksum(ringmaster::Bytes body) {
  std::string record = ringmaster::EncodePlan({});
  record.resize(1);
  const uint64_t sum = XXH3_64bits(body.data(), body.size());
  for (int shift = 0; shift < 64; shift += 8) record += static_cast<char>(sum >> shift);
  return record.append(body);
}

void Check(ringmaster::Bytes record) {
  const auto plan = ringmaster::DecodePlan(record);
  if (!plan) return;
  const auto again = ringmaster::DecodePlan(ringmaster::EncodePlan(*plan));
  if (!again || !(*again == *plan)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ringmaster::Bytes bytes(reinterpret_cast<const char*>(data), size);
  Check(bytes);
  Check(WithRightChecksum(bytes));
  return 0;
}
