#include "load_cpu.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace ringmaster::bench {
namespace {

std::optional<uint64_t> FromSchedstat(const std::string& process) {
  std::error_code error;
  uint64_t sum = 0;
  for (const auto& task : std::filesystem::directory_iterator(process + "/task", error)) {
    std::ifstream file(task.path() / "schedstat");
    uint64_t running = 0;
    if (!(file >> running)) return std::nullopt;
    sum += running;
  }
  if (error) return std::nullopt;
  return sum;
}

std::optional<uint64_t> FromTicks(const std::string& process) {
  std::ifstream file(process + "/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  // The name, in parentheses, may hold spaces; the fields behind it are counted from the last one.
  size_t at = line.rfind(')');
  if (at == std::string::npos) return std::nullopt;
  constexpr int kFieldsBeforeUserTime = 12;
  for (int field = 0; field < kFieldsBeforeUserTime; ++field) {
    at = line.find(' ', at + 1);
    if (at == std::string::npos) return std::nullopt;
  }
  char* end = nullptr;
  const uint64_t user = std::strtoull(line.c_str() + at, &end, 10);
  const uint64_t system = std::strtoull(end, &end, 10);
  const auto ticks_per_second = static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  return (user + system) * (1'000'000'000 / ticks_per_second);
}

}  // namespace

std::optional<uint64_t> CpuNanoseconds(pid_t pid) {
  const std::string process = "/proc/" + std::to_string(pid);
  const std::optional<uint64_t> precise = FromSchedstat(process);
  return precise ? precise : FromTicks(process);
}

}  // namespace ringmaster::bench
