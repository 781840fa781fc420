// CPU time of other processes, as the scheduler accounts it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace ringmaster::bench {

// User and system time in nanoseconds that all threads of the process have spent so far: the sum of
// /proc/<pid>/task/*/schedstat, which counts nanoseconds where /proc/<pid>/stat counts ticks of 10
// ms (the fallback on kernels without it). A thread that has ended is missing from the sum. nullopt
// when there is no such process.
std::optional<uint64_t> CpuNanoseconds(pid_t pid);

}  // namespace ringmaster::bench
