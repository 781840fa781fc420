// What the documents and comments name is in the tree: a path that is not, nobody can look up.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace ringmaster {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = RM_SOURCE_DIR;

std::string Read(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// Of the sources that `text` names with a folder in front, those that are not there.
std::set<std::string> Missing(const std::string& text) {
  static const std::regex kSource(R"((^|[^A-Za-z0-9_./<-])((?:[a-z_]+/)+[a-z_]+\.(?:h|cc))\b)");
  std::set<std::string> missing;
  for (auto at = std::sregex_iterator(text.begin(), text.end(), kSource);
       at != std::sregex_iterator(); ++at) {
    const std::string name = (*at)[2];
    if (!fs::exists(kRoot / name) && !fs::exists(kRoot / "proxy" / name)) missing.insert(name);
  }
  return missing;
}

TEST(DocsTest, FindsAPathThatIsNotThere) {
  EXPECT_EQ(Missing("See `base/bytes.h`, proxy/base/bytes.cc and <sys/time.h>."),
            std::set<std::string>());
  EXPECT_EQ(Missing("(`base/nothing.h`)"), std::set<std::string>({"base/nothing.h"}));
}

TEST(DocsTest, SourcesThatDocumentsNameAreThere) {
  size_t read = 0;
  std::vector<fs::path> documents = {kRoot / "README.md", kRoot / "CONTRIBUTING.md"};
  for (const auto& entry : fs::directory_iterator(kRoot / "docs")) {
    documents.push_back(entry.path());
  }
  for (const fs::path& path : documents) {
    if (path.extension() != ".md") continue;
    ++read;
    EXPECT_EQ(Missing(Read(path)), std::set<std::string>()) << path.filename();
  }
  EXPECT_GT(read, 5U);
}

TEST(DocsTest, SourcesThatCommentsNameAreThere) {
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / "proxy")) {
    const fs::path& path = entry.path();
    if (path.extension() != ".h" && path.extension() != ".cc") continue;
    std::istringstream lines(Read(path));
    std::string line;
    while (std::getline(lines, line)) {
      const size_t comment = line.find("//");
      if (comment == std::string::npos) continue;
      EXPECT_EQ(Missing(line.substr(comment)), std::set<std::string>())
          << path.lexically_relative(kRoot).generic_string();
    }
  }
}

}  // namespace
}  // namespace ringmaster
