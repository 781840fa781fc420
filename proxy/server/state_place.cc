#include "server/state_place.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace ringmaster {
namespace {

namespace fs = std::filesystem;

constexpr char kSystemFolder[] = "/var/lib/ringmaster";
constexpr char kFile[] = "state.db";
constexpr char kWithout[] =
    "Name a file for it in saga.journal, or say saga: {journal: \"\"} to go without: then shards "
    "cannot change, and writes over several shards are all or nothing only while the proxy is not "
    "killed";

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool CanWriteIn(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_directory(folder, ignored) && access(folder.c_str(), W_OK | X_OK) == 0;
}

// It is there and can be written in, or could be made.
bool CanHaveFolder(const fs::path& folder) {
  if (Exists(folder)) return CanWriteIn(folder);
  fs::path above = folder.parent_path();
  while (!above.empty() && above != above.parent_path() && !Exists(above)) {
    above = above.parent_path();
  }
  return CanWriteIn(above);
}

// Empty: the environment names none.
fs::path FolderFrom(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && value[0] == '/' ? value : "";
}

// Empty: the user has none.
fs::path UsersFolder() {
  fs::path state = FolderFrom("XDG_STATE_HOME");
  const fs::path home = FolderFrom("HOME");
  if (state.empty() && !home.empty()) state = home / ".local" / "state";
  return state.empty() ? state : state / "ringmaster";
}

Result<StatePlace> Named(const std::string& path) {
  if (path.empty()) return StatePlace{};
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    return Error{ErrorCode::kInvalid, path + " is a folder, and the name of a file belongs here"};
  }
  fs::path folder = fs::path(path).parent_path();
  if (folder.empty()) folder = ".";
  if (!fs::is_directory(folder, ignored)) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("there is no folder {}: make it. {}", folder.string(), kWithout)};
  }
  const bool there = Exists(path);
  if (!CanWriteIn(folder) || (there && access(path.c_str(), R_OK | W_OK) != 0)) {
    return Error{ErrorCode::kInvalid, fmt::format("{} cannot be written by this user. {}",
                                                  there ? path : folder.string(), kWithout)};
  }
  return StatePlace{path, false};
}

}  // namespace

Result<StatePlace> FindStatePlace(const SagaConfig& saga) {
  if (saga.journal) return Named(*saga.journal);
  if (const fs::path service = FolderFrom("STATE_DIRECTORY"); !service.empty()) {
    return Named((service / kFile).string());
  }
  // One that is there is never left behind for another place.
  const fs::path system = fs::path(kSystemFolder) / kFile;
  if (Exists(system)) return Named(system.string());
  for (const fs::path& folder : {fs::path(kSystemFolder), UsersFolder()}) {
    if (folder.empty() || !CanHaveFolder(folder)) continue;
    return StatePlace{(folder / kFile).string(), !Exists(folder)};
  }
  const fs::path users = UsersFolder();
  return Error{ErrorCode::kInvalid,
               fmt::format("there is no place for the state database: neither {} {} can be "
                           "written. {}",
                           kSystemFolder,
                           users.empty() ? "nor a folder of the user (HOME is not set)"
                                         : "nor " + users.string(),
                           kWithout)};
}

Status MakeStateFolder(const StatePlace& place) {
  if (!place.make_folder) return Done();
  const fs::path folder = fs::path(place.path).parent_path();
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) fs::permissions(folder, fs::perms::owner_all, error);
  if (!error) return Done();
  return Error{ErrorCode::kIo, fmt::format("cannot make the folder {} for the state database: {}",
                                           folder.string(), error.message())};
}

}  // namespace ringmaster
