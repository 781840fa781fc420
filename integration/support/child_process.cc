#include "support/child_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "support/temp_folder.h"

namespace ringmaster::integration {

ChildProcess::ChildProcess(const std::vector<std::string>& argv, const std::string& output_file) {
  std::vector<char*> words;
  words.reserve(argv.size() + 1);
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const int output = open(output_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
  RM_CHECK(output >= 0 && input >= 0);
  const pid_t parent = getpid();
  pid_ = fork();
  RM_CHECK(pid_ >= 0);
  if (pid_ == 0) {
    // Only calls that are safe after fork in a program with threads.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    dup2(input, 0);
    dup2(output, 1);
    dup2(output, 2);
    execvp(words[0], words.data());
    _exit(127);
  }
  close(input);
  close(output);
}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    Kill();
    pid_ = std::exchange(other.pid_, -1);
    status_ = std::exchange(other.status_, std::nullopt);
  }
  return *this;
}

bool ChildProcess::running() {
  if (pid_ <= 0 || status_) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return true;
  status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return false;
}

void ChildProcess::Signal(int signal) const {
  if (pid_ > 0 && !status_) kill(pid_, signal);
}

std::optional<int> ChildProcess::Wait(Duration patience) {
  Eventually([this] { return !running(); }, patience);
  return status_;
}

void ChildProcess::Kill() {
  if (!running()) return;
  kill(pid_, SIGKILL);
  int status = 0;
  waitpid(pid_, &status, 0);
  status_ = 128 + SIGKILL;
}

Finished RunProgram(const std::vector<std::string>& argv, Duration patience) {
  const TempFolder folder;
  const std::string output = folder.File("output");
  ChildProcess child(argv, output);
  Finished finished;
  finished.status = child.Wait(patience).value_or(-1);
  child.Kill();
  finished.output = ReadFile(output);
  return finished;
}

int64_t ProcessStatusKib(pid_t pid, const std::string& field) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field + ":")) return std::atoll(line.c_str() + field.size() + 1);
  }
  return 0;
}

void ResetPeakMemory(pid_t pid) {
  std::ofstream("/proc/" + std::to_string(pid) + "/clear_refs") << "5";
}

double CpuSeconds(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string stat((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(stat.substr(stat.rfind(')') + 2));
  std::vector<std::string> words((std::istream_iterator<std::string>(fields)), {});
  // utime and stime, the 14th and 15th field of the file, of which two are cut off.
  return words.size() < 13 ? 0
                           : static_cast<double>(std::stol(words[11]) + std::stol(words[12])) /
                                 static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace ringmaster::integration
