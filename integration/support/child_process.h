// A program that a test started: its output goes to a file, and it ends with the test, however the
// test ends. Start it from the test's main thread: the kernel ties the child's life to the thread
// that started it.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "support/wait.h"

namespace ringmaster::integration {

class ChildProcess {
 public:
  ChildProcess() = default;
  // argv[0] is looked up in PATH.
  ChildProcess(const std::vector<std::string>& argv, const std::string& output_file);
  ~ChildProcess() { Kill(); }
  ChildProcess(ChildProcess&& other) noexcept { *this = std::move(other); }
  ChildProcess& operator=(ChildProcess&& other) noexcept;

  pid_t pid() const { return pid_; }
  // Reaps when it has ended.
  bool running();
  void Signal(int signal) const;
  // Waits for the end. The exit status, or 128 + the signal that ended it; nullopt: still running.
  std::optional<int> Wait(Duration patience = kPatience);
  // SIGKILL, and wait.
  void Kill();

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
};

struct Finished {
  int status = -1;  // exit status, 128 + signal, or -1: did not end in time and was killed
  std::string output;
};
// Runs a program to its end; `output` has stdout and stderr.
Finished RunProgram(const std::vector<std::string>& argv, Duration patience = kPatience);

// A field of /proc/<pid>/status in KiB, such as VmRSS or VmHWM; 0 when there is none.
int64_t ProcessStatusKib(pid_t pid, const std::string& field);
// Processor time of all threads so far.
double CpuSeconds(pid_t pid);
// Makes VmHWM start again from VmRSS.
void ResetPeakMemory(pid_t pid);

}  // namespace ringmaster::integration
