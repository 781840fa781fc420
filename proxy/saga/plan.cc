#include "saga/plan.h"

#include <charconv>

#include "base/bytes.h"
#include "base/reserved_keys.h"

namespace ringmaster {
namespace {

void AppendHex(std::string& out, SagaId id) {
  for (int shift = 60; shift >= 0; shift -= 4) out += "0123456789abcdef"[id >> shift & 15];
}

void AppendNumber(std::string& out, size_t number) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof(digits), number).ptr);
}

std::string NameOf(SagaId id, size_t step, Bytes what) {
  std::string name;
  name.reserve(40);
  name += kReservedPrefix;
  AppendHex(name, id);
  name += ':';
  AppendNumber(name, step);
  return name.append(what);
}

}  // namespace

std::string SagaName(SagaId id) {
  std::string name;
  AppendHex(name, id);
  return name;
}

std::string MarkerName(SagaId id, size_t step) { return NameOf(id, step, ":m"); }

std::string ImageName(SagaId id, size_t step, size_t key) { return ImageNames(id, step).Of(key); }

ImageNames::ImageNames(SagaId id, size_t step)
    : name_(NameOf(id, step, ":i")), stem_(name_.size()) {}

const std::string& ImageNames::Of(size_t key) {
  name_.resize(stem_);
  AppendNumber(name_, key);
  return name_;
}

}  // namespace ringmaster
