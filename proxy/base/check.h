// Checks for bugs of our own. Never used on anything a peer, a file or a user can cause: those get
// an Error or an error reply.
#pragma once

#include <cstdio>
#include <cstdlib>

#define RM_CHECK(condition)                                                              \
  do {                                                                                   \
    if (!(condition)) [[unlikely]] {                                                     \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)

// The same, only in builds without NDEBUG: for the warm path.
#ifdef NDEBUG
#define RM_DCHECK(condition) static_cast<void>(0)
#else
#define RM_DCHECK(condition) RM_CHECK(condition)
#endif
