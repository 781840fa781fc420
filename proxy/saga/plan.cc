#include "saga/plan.h"

#include <fmt/format.h>

namespace ringmaster {

std::string SagaName(SagaId id) { return fmt::format("{:016x}", id); }

std::string MarkerName(SagaId id, size_t step) {
  return fmt::format("{}{:016x}:{}:m", kHiddenPrefix, id, step);
}

std::string ImageName(SagaId id, size_t step, size_t key) {
  return fmt::format("{}{:016x}:{}:i{}", kHiddenPrefix, id, step, key);
}

}  // namespace ringmaster
