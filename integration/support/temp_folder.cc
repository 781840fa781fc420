#include "support/temp_folder.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/check.h"

namespace ringmaster::integration {

TempFolder::TempFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "rmtest-XXXXXX").string();
  RM_CHECK(mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempFolder::Write(const std::string& name, const std::string& content) const {
  const std::string path = File(name);
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
  return path;
}

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace ringmaster::integration
