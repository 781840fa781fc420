#include "saga/plan.h"

#include <fmt/format.h>

#include <iterator>

#include "base/bytes.h"
#include "base/reserved_keys.h"

namespace ringmaster {
namespace {

void AppendHex(std::string& out, SagaId id) {
  fmt::format_to(std::back_inserter(out), "{:016x}", id);
}

std::string NameOf(SagaId id, size_t step, Bytes what) {
  std::string name;
  name.reserve(40);
  name += kReservedPrefix;
  AppendHex(name, id);
  name += ':';
  AppendInteger(name, static_cast<int64_t>(step));
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
  AppendInteger(name_, static_cast<int64_t>(key));
  return name_;
}

}  // namespace ringmaster
