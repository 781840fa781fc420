#include "base/planted.h"

#ifdef RINGMASTER_PLANTED

#include <cstdlib>
#include <string_view>

namespace ringmaster {

bool Planted(const char* name) {
  static const char* const chosen = std::getenv("RINGMASTER_PLANT");
  return chosen != nullptr && std::string_view(chosen) == name;
}

}  // namespace ringmaster

#endif
