// Holds the #include lines under proxy/ against the table of the design: which room may include
// which, and which one sees a library. Also what no source may say because a compiler gets it
// wrong.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster {
namespace {

using Rooms = std::set<std::string>;

struct Row {
  std::string room;  // "route", or "command/gate" within the wing command/
  Rooms may_include;
};

// From the ground up: each row names only rooms of rows above it, so there can be no cycle.
// "route's" stands for all that route/ may include.
std::vector<Row> MakeRows() {
  struct Line {
    std::string room;
    std::vector<std::string> words;
  };
  const std::vector<Line> lines = {
      {"base", {}},
      {"coro", {"base"}},
      {"resp", {"base"}},
      {"ring", {"base"}},
      {"schedule", {"base"}},
      {"metrics", {"base"}},
      {"storage", {"base"}},
      {"net", {"base"}},
      {"lock", {"base"}},
      {"config", {"base"}},
      {"jobs", {"base", "metrics", "net", "schedule"}},
      {"backend", {"base", "coro", "resp", "metrics", "net"}},
      {"route", {"backend's", "backend", "ring"}},
      {"saga", {"route's", "route", "lock", "storage"}},
      {"move", {"route's", "route", "schedule"}},
      {"command/table", {"base", "coro", "resp", "ring", "route"}},
      {"command/call", {"base", "resp", "metrics", "backend", "route", "command/table"}},
      {"command/access", {"base", "command/table", "command/call"}},
      {"command/gate", {"saga's", "saga", "move", "command/table", "command/call"}},
      {"command/serve", {"command/gate's", "command/gate", "command/access", "jobs"}},
      {"command/script", {"command/serve's", "command/serve"}},
      {"command/push", {"command/serve's", "command/serve"}},
      {"command/blocking", {"command/serve's", "command/serve"}},
      {"command/multikey", {"command/serve's", "command/serve"}},
      {"command/whole", {"command/serve's", "command/serve", "command/push"}},
      {"command/client",
       {"command/whole's", "command/script", "command/blocking", "command/multikey",
        "command/whole"}},
      {"command/operator",
       {"command/whole's", "command/script", "command/blocking", "command/multikey",
        "command/whole"}},
      {"command/rows", {"command/operator's", "command/client", "command/operator"}},
      {"session",
       {"base", "resp", "metrics", "net", "schedule", "backend", "route", "command/table",
        "command/call", "command/access", "command/gate", "command/serve", "command/script",
        "command/push"}},
      {"control/rebalance", {"move's", "move", "storage"}},
      {"control/discovery", {"base", "resp", "net", "backend"}},
      {"admin", {"base", "metrics", "ring", "net"}},
      {"worker", {"command/operator's", "command/operator", "schedule", "session"}},
      {"server",
       {"command/rows's", "command/rows", "config", "schedule", "session", "control/rebalance",
        "control/discovery", "admin", "worker"}},
  };
  std::vector<Row> rows;
  const auto find = [&](const std::string& room) {
    const auto row =
        std::find_if(rows.begin(), rows.end(), [&](const Row& each) { return each.room == room; });
    EXPECT_NE(row, rows.end()) << room << " has no row so far";
    return row == rows.end() ? Rooms() : row->may_include;
  };
  for (const Line& line : lines) {
    Row row{line.room, {}};
    for (const std::string& word : line.words) {
      if (word.ends_with("'s")) {
        row.may_include.merge(find(word.substr(0, word.size() - 2)));
      } else {
        row.may_include.insert(word);
      }
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

const std::vector<Row>& AllRows() {
  static const std::vector<Row> rows = MakeRows();
  return rows;
}

struct Library {
  std::string header;  // how its headers begin
  Rooms seen_by;
};

// The first that fits a header counts.
const std::vector<Library> kLibraries = {
    {"openssl/evp.h", {"base", "net"}},
    {"openssl/md5.h", {"net", "ring"}},
    {"openssl/", {"net"}},
    {"uv.h", {"net"}},
    {"uv/", {"net"}},
    {"yaml-cpp/", {"config"}},
    {"hiredis", {"control/discovery", "move"}},
    {"sqlite3", {"storage"}},
    {"nlohmann/", {"admin", "server"}},
    {"xxhash.h", {"ring", "saga"}},
    {"CLI/", {"server"}},
    {"spdlog/", {"base"}},
};

constexpr int kReadmeLines = 5;

// Path relative to proxy/, such as "route/router.cc", and what is in the file.
using Files = std::map<std::string, std::string>;

const Row* FindRow(const std::string& room) {
  const auto row = std::find_if(AllRows().begin(), AllRows().end(),
                                [&](const Row& each) { return each.room == room; });
  return row == AllRows().end() ? nullptr : &*row;
}

// What stands before the last slash.
std::string RoomOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

// A folder of rooms, with a README and no sources.
bool IsWing(const std::string& folder) {
  return std::any_of(AllRows().begin(), AllRows().end(),
                     [&](const Row& row) { return row.room.starts_with(folder + "/"); });
}

// What is wrong with a file of the row's room including `name`, given as "<uv.h>" or
// "\"base/bytes.h\""; else empty.
std::string IncludeProblem(const Row& row, bool options, const std::string& name) {
  const std::string header = name.substr(1, name.size() - 2);
  if (name[0] == '"') {
    const std::string target = RoomOf(header);
    if (FindRow(target) == nullptr) return "is not a path from proxy/";
    if (options) return target == "base" ? "" : "is not in base/, which is all an options.h sees";
    // Plain values, so that who reads them from a file need not know who acts on them.
    if (row.room == "config" && header.ends_with("/options.h")) return "";
    if (target == row.room || row.may_include.contains(target)) return "";
    return "is not in the row of " + row.room + "/";
  }
  for (const Library& library : kLibraries) {
    if (!header.starts_with(library.header)) continue;
    return library.seen_by.contains(row.room) ? "" : "is a library that others see";
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
  Rooms rooms;
  for (const auto& [path, text] : files) {
    const std::string room = RoomOf(path);
    const Row* row = FindRow(room);
    const bool readme = path.ends_with("README.md");
    if (row == nullptr && !(readme && IsWing(room))) {
      out << path << ": the design has no room " << room << "/\n";
      continue;
    }
    rooms.insert(room);
    std::istringstream lines(text);
    std::string line;
    int count = 0;
    for (; std::getline(lines, line); ++count) {
      const std::string name = IncludedName(line);
      if (name.empty() || readme) continue;
      const std::string problem = IncludeProblem(*row, path.ends_with("/options.h"), name);
      if (!problem.empty()) out << path << ": " << name << " " << problem << "\n";
    }
    if (readme && count > kReadmeLines) {
      out << path << ": " << count << " lines, not " << kReadmeLines << "\n";
    }
  }
  for (const std::string& room : rooms) {
    if (!files.contains(room + "/README.md")) out << room << "/: no README.md\n";
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

TEST(LayeringTest, EveryRoomIncludesOnlyWhatItsRowAllows) {
  const Files files = ReadProxy();
  ASSERT_TRUE(files.contains("base/bytes.h")) << "proxy/ was not found";
  EXPECT_EQ(Violations(files), "");
}

TEST(LayeringTest, TableHasNoCycle) {
  Rooms above;
  for (const Row& row : AllRows()) {
    EXPECT_TRUE(
        std::includes(above.begin(), above.end(), row.may_include.begin(), row.may_include.end()))
        << row.room;
    above.insert(row.room);
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

TEST(LayeringTest, FindsARoomThatIncludesWhatItMayNot) {
  EXPECT_EQ(Violations({{"backend/README.md", "1\n"},
                        {"backend/backend.h",
                         "// words\n#  include \"session/session.h\"\n#include \"resp/errors.h\"\n"
                         "#include \"block.h\"\n#include \"../base/block.h\"\n"}}),
            "backend/backend.h: \"session/session.h\" is not in the row of backend/\n"
            "backend/backend.h: \"block.h\" is not a path from proxy/\n"
            "backend/backend.h: \"../base/block.h\" is not a path from proxy/\n");
}

TEST(LayeringTest, HoldsRoomsOfAWingAgainstEachOther) {
  EXPECT_EQ(
      Violations({{"command/README.md", "1\n"},
                  {"command/flat.h", ""},
                  {"command/gate/README.md", "1\n"},
                  {"command/gate/gate.h",
                   "#include \"command/call/call.h\"\n#include \"command/serve/recipe.h\"\n"}}),
      "command/flat.h: the design has no room command/\n"
      "command/gate/gate.h: \"command/serve/recipe.h\" is not in the row of command/gate/\n");
}

TEST(LayeringTest, OptionsArePlainValuesThatTheConfigurationMayRead) {
  EXPECT_EQ(
      Violations({{"config/README.md", "1\n"},
                  {"config/config.h", "#include \"move/options.h\"\n#include \"move/mover.h\"\n"},
                  {"move/README.md", "1\n"},
                  {"move/options.h", "#include \"base/clock.h\"\n#include \"route/router.h\"\n"}}),
      "config/config.h: \"move/mover.h\" is not in the row of config/\n"
      "move/options.h: \"route/router.h\" is not in base/, which is all an options.h sees\n");
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

TEST(LayeringTest, FindsALongOrMissingReadmeAndAnUnknownRoom) {
  EXPECT_EQ(
      Violations(
          {{"base/README.md", "1\n2\n3\n4\n5\n6\n"}, {"coro/task.h", ""}, {"util/string.h", ""}}),
      "base/README.md: 6 lines, not 5\n"
      "util/string.h: the design has no room util/\n"
      "coro/: no README.md\n");
}

// coro/task.h says why.
TEST(LayeringTest, NoAwaitedValueIsNegatedInPlace) {
  for (const auto& [path, text] : ReadProxy()) {
    if (!path.ends_with(".cc")) continue;
    EXPECT_EQ(text.find("!co_await"), std::string::npos) << path;
  }
}

// Whoever makes something owns it, or says who does.
TEST(LayeringTest, NothingFreesItself) {
  for (const auto& [path, text] : ReadProxy()) {
    EXPECT_EQ(text.find("delete this"), std::string::npos) << path;
  }
}

// Each "friend ..." of a header whose class or function is nowhere in the header's own folder.
std::string FriendsFromAfar(const Files& files) {
  static const std::regex kFriend("friend (class |struct |[^;()]* )(\\w+)(<\\w+>)?[;(]");
  std::ostringstream out;
  for (const auto& [path, text] : files) {
    const std::string folder = path.substr(0, path.rfind('/') + 1);
    for (std::sregex_iterator at(text.begin(), text.end(), kFriend), end; at != end; ++at) {
      const std::string name = (*at)[2];
      const bool is_class = (*at)[1] == "class " || (*at)[1] == "struct ";
      const std::regex defined(is_class
                                   ? "(class|struct) ([^;{]*\\) )?" + name + "( final)?( :|\\s*\\{)"
                                   : "\n\\w[^\n]* " + name + "\\(");
      const bool here = std::any_of(files.begin(), files.end(), [&](const auto& file) {
        return file.first.substr(0, file.first.rfind('/') + 1) == folder &&
               std::regex_search(file.second, defined);
      });
      if (!here) out << path << ": " << name << "\n";
    }
  }
  return out.str();
}

TEST(LayeringTest, NobodyIsAFriendOfAnotherRoom) {
  const Files files = ReadProxy();
  EXPECT_EQ(FriendsFromAfar(files), "");
}

TEST(LayeringTest, FindsAFriendOfAnotherRoom) {
  EXPECT_EQ(
      FriendsFromAfar({{"net/loop.h",
                        "class Loop {\n  friend class Timer;\n  friend class Worker;\n"
                        "  friend void Turn(Loop& loop);\n  friend int Count(Loop& loop);\n};\n"
                        "void Turn(Loop& loop);\n"},
                       {"net/timer.h", "class Timer final : public Base {\n};\n"},
                       {"server/worker.h", "class Worker {\n};\nint Count(Loop& loop);\n"}}),
      "net/loop.h: Worker\nnet/loop.h: Count\n");
}

// Clang knows nothing of what std's mutexes guard.
TEST(LayeringTest, EveryMutexIsOneThatClangHoldsTheCodeAgainst) {
  for (const auto& [path, text] : ReadProxy()) {
    if (path == "base/mutex.h") continue;
    for (const std::string_view raw :
         {"std::mutex", "std::recursive_mutex", "std::shared_mutex", "std::timed_mutex",
          "lock_guard", "unique_lock", "scoped_lock", "condition_variable_any"}) {
      EXPECT_EQ(text.find(raw), std::string::npos) << path << " says " << raw;
    }
  }
}

}  // namespace
}  // namespace ringmaster
