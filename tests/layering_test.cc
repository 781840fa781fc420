// Holds the #include lines under proxy/ against the table of the design: which folder may include
// which, and which one sees a library. Also what no source may say because a compiler gets it
// wrong.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster {
namespace {

using Folders = std::set<std::string>;

struct Row {
  std::string folder;
  Folders may_include;
};

// Each row names only folders of rows above it, so there can be no cycle.
const std::vector<Row> kRows = {
    {"base", {}},
    {"coro", {"base"}},
    {"resp", {"base"}},
    {"ring", {"base"}},
    {"schedule", {"base"}},
    {"metrics", {"base"}},
    {"config", {"base"}},
    {"net", {"base"}},
    {"backend", {"base", "metrics", "resp", "net"}},
    {"route", {"base", "metrics", "resp", "ring", "backend"}},
    {"saga", {"base", "metrics", "resp", "backend", "coro", "route"}},
    {"command", {"base", "metrics", "resp", "ring", "backend", "coro", "route", "saga"}},
    {"session", {"base", "metrics", "resp", "net", "schedule", "command"}},
    {"control", {"base", "metrics", "ring", "net", "schedule"}},
    {"admin", {"base", "metrics", "ring", "net"}},
    {"server",
     {"base", "coro", "resp", "ring", "schedule", "metrics", "config", "net", "backend", "route",
      "saga", "command", "session", "control", "admin"}},
};

struct Library {
  std::string header;  // how its headers begin
  Folders seen_by;
};

// The first that fits a header counts.
const std::vector<Library> kLibraries = {
    {"openssl/evp.h", {"net", "ring", "saga"}},
    {"openssl/md5.h", {"net", "ring"}},
    {"openssl/", {"net"}},
    {"uv.h", {"net"}},
    {"uv/", {"net"}},
    {"yaml-cpp/", {"config"}},
    {"hiredis", {"control"}},
    {"sqlite3", {"base"}},
    {"nlohmann/", {"admin", "server"}},
    {"xxhash.h", {"ring", "saga"}},
    {"CLI/", {"server"}},
    {"spdlog/", {"base"}},
};

constexpr int kReadmeLines = 5;

// Path relative to proxy/, such as "route/router.cc", and what is in the file.
using Files = std::map<std::string, std::string>;

const Row* FindRow(const std::string& folder) {
  const auto row = std::find_if(kRows.begin(), kRows.end(),
                                [&](const Row& each) { return each.folder == folder; });
  return row == kRows.end() ? nullptr : &*row;
}

// What is wrong with `folder` including `name`, given as "<uv.h>" or "\"base/bytes.h\""; else
// empty.
std::string IncludeProblem(const Row& row, const std::string& name) {
  const std::string header = name.substr(1, name.size() - 2);
  if (name[0] == '"') {
    const std::string target = header.substr(0, header.find('/'));
    if (FindRow(target) == nullptr) return "is not a path from proxy/";
    if (target == row.folder || row.may_include.contains(target)) return "";
    return "is not in the row of " + row.folder + "/";
  }
  for (const Library& library : kLibraries) {
    if (!header.starts_with(library.header)) continue;
    return library.seen_by.contains(row.folder) ? "" : "is a library that others see";
  }
  return "";
}

// The name in an #include line, with its quotes or brackets; empty for any other line.
std::string IncludedName(std::string line) {
  std::erase_if(line, [](char c) { return c == ' ' || c == '\t'; });
  constexpr std::string_view kDirective = "#include";
  if (!line.starts_with(kDirective) || line.size() < kDirective.size() + 2) return "";
  const char close = line[kDirective.size()] == '<' ? '>' : '"';
  const size_t end = line.find(close, kDirective.size() + 1);
  if (end == std::string::npos) return "";
  return line.substr(kDirective.size(), end + 1 - kDirective.size());
}

// One line for each violation; empty when all is well.
std::string Violations(const Files& files) {
  std::ostringstream out;
  Folders folders;
  for (const auto& [path, text] : files) {
    const std::string folder = path.substr(0, path.find('/'));
    const Row* row = FindRow(folder);
    if (row == nullptr) {
      out << path << ": the design has no folder " << folder << "/\n";
      continue;
    }
    folders.insert(folder);
    std::istringstream lines(text);
    std::string line;
    int count = 0;
    for (; std::getline(lines, line); ++count) {
      const std::string name = IncludedName(line);
      if (name.empty() || path.ends_with("README.md")) continue;
      const std::string problem = IncludeProblem(*row, name);
      if (!problem.empty()) out << path << ": " << name << " " << problem << "\n";
    }
    if (path.ends_with("README.md") && count > kReadmeLines) {
      out << path << ": " << count << " lines, not " << kReadmeLines << "\n";
    }
  }
  for (const std::string& folder : folders) {
    if (!files.contains(folder + "/README.md")) out << folder << "/: no README.md\n";
  }
  return out.str();
}

Files ReadProxy() {
  Files files;
  const std::filesystem::path root = std::filesystem::path(RM_SOURCE_DIR) / "proxy";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path());
    std::ostringstream text;
    text << in.rdbuf();
    files[entry.path().lexically_relative(root).generic_string()] = text.str();
  }
  return files;
}

TEST(LayeringTest, EveryFolderIncludesOnlyWhatItsRowAllows) {
  const Files files = ReadProxy();
  ASSERT_TRUE(files.contains("base/bytes.h")) << "proxy/ was not found";
  EXPECT_EQ(Violations(files), "");
}

TEST(LayeringTest, TableHasNoCycle) {
  Folders above;
  for (const Row& row : kRows) {
    EXPECT_TRUE(
        std::includes(above.begin(), above.end(), row.may_include.begin(), row.may_include.end()))
        << row.folder;
    above.insert(row.folder);
  }
}

TEST(LayeringTest, AcceptsWhatTheTableAllows) {
  EXPECT_EQ(Violations({{"net/loop.h",
                         "#include <uv.h>\n#include <vector>\n"
                         "#include \"base/bytes.h\"\n#include \"net/timer.h\"\n"},
                        {"net/README.md", "1\n2\n3\n4\n5\n"},
                        {"ring/md5.cc", "#include <openssl/md5.h>\n"},
                        {"ring/README.md", "#include \"net/loop.h\"\n"}}),
            "");
}

TEST(LayeringTest, FindsAFolderThatIncludesWhatItMayNot) {
  EXPECT_EQ(Violations({{"backend/README.md", "1\n"},
                        {"backend/backend.h",
                         "// words\n#  include \"session/session.h\"\n#include \"resp/errors.h\"\n"
                         "#include \"block.h\"\n#include \"../base/block.h\"\n"}}),
            "backend/backend.h: \"session/session.h\" is not in the row of backend/\n"
            "backend/backend.h: \"block.h\" is not a path from proxy/\n"
            "backend/backend.h: \"../base/block.h\" is not a path from proxy/\n");
}

TEST(LayeringTest, FindsALibraryOutsideOfItsFolder) {
  EXPECT_EQ(Violations({{"ring/README.md", "1\n"},
                        {"ring/hash.cc",
                         "#include <openssl/ssl.h>\n#include <uv.h>\n"
                         "#include <hiredis/hiredis.h>\n"}}),
            "ring/hash.cc: <openssl/ssl.h> is a library that others see\n"
            "ring/hash.cc: <uv.h> is a library that others see\n"
            "ring/hash.cc: <hiredis/hiredis.h> is a library that others see\n");
}

TEST(LayeringTest, FindsALongOrMissingReadmeAndAnUnknownFolder) {
  EXPECT_EQ(
      Violations(
          {{"base/README.md", "1\n2\n3\n4\n5\n6\n"}, {"coro/task.h", ""}, {"util/string.h", ""}}),
      "base/README.md: 6 lines, not 5\n"
      "util/string.h: the design has no folder util/\n"
      "coro/: no README.md\n");
}

// coro/task.h says why.
TEST(LayeringTest, NoAwaitedValueIsNegatedInPlace) {
  for (const auto& [path, text] : ReadProxy()) {
    if (!path.ends_with(".cc")) continue;
    EXPECT_EQ(text.find("!co_await"), std::string::npos) << path;
  }
}

}  // namespace
}  // namespace ringmaster
