// A record of the saga journal, however damaged: it is understood or refused, and what is
// understood is written in the same bytes again.
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
  uint32_t crc = ~0U;
  for (char c : body) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
  }
  crc = ~crc;
  for (int shift = 0; shift < 32; shift += 8) record += static_cast<char>(crc >> shift);
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
