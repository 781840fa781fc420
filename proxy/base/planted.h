// Mistakes made on purpose, to prove that the histories find them (scripts/planted): in a build
// with RINGMASTER_PLANTED the one that RINGMASTER_PLANT in the environment names is at work. In
// every other build they do not exist.
#pragma once

namespace ringmaster {

#ifdef RINGMASTER_PLANTED
bool Planted(const char* name);
#else
constexpr bool Planted(const char*) { return false; }
#endif

}  // namespace ringmaster
