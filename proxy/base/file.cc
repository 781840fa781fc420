#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace ringmaster {
namespace {

Error Failed(const char* why) { return Error{ErrorCode::kIo, why}; }

Result<std::string> ReadAll(int fd, size_t max) {
  std::string text(max + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(fd, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failed(std::strerror(errno));
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  text.resize(size);
  return text;
}

}  // namespace

Result<std::string> ReadRegularFile(const std::string& path, size_t max) {
  // Without O_NONBLOCK a pipe that nobody writes to would hold us up here already.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return Failed(std::strerror(errno));
  struct stat status {};
  Result<std::string> text = Failed("it is no regular file");
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) text = ReadAll(fd, max);
  if (S_ISDIR(status.st_mode)) text = Failed(std::strerror(EISDIR));
  close(fd);
  return text;
}

Result<std::string> ReadFileIn(const std::string& folder, const std::string& name, size_t max) {
  namespace fs = std::filesystem;
  const Error outside{ErrorCode::kInvalid, "there is no such file in the configuration's folder"};
  if (name.empty() || name.size() > 4096 || name.find('\0') != std::string::npos) return outside;
  std::error_code error;
  const fs::path home = fs::canonical(folder.empty() ? fs::path(".") : fs::path(folder), error);
  if (error) return outside;
  const fs::path file = fs::canonical(home / name, error);
  if (error) return outside;
  const fs::path inside = file.lexically_relative(home);
  if (inside.empty() || inside == "." || *inside.begin() == "..") return outside;
  return ReadRegularFile(file.string(), max);
}

}  // namespace ringmaster
