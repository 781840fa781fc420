#include "command/rows/compatibility.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "command/rows/all_rows.h"

namespace ringmaster {
namespace {

TEST(CompatibilityTableTest, IsWhatDocsShow) {
  const std::string path = RM_SOURCE_DIR "/docs/compatibility.md";
  const std::string expected = CompatibilityTable(CommandTable(AllCommands()));
  if (std::getenv("RM_UPDATE") != nullptr) std::ofstream(path) << expected;
  std::ifstream file(path);
  const std::string shown{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(shown, expected) << "run this test with RM_UPDATE=1 to write " << path;
}

TEST(CompatibilityTableTest, SaysWhatARefusedCallReads) {
  const std::string table = CompatibilityTable(CommandTable(AllCommands()));
  EXPECT_NE(table.find("| `GET` | by the shard of its key |\n"), std::string::npos);
  EXPECT_NE(table.find("| `LMPOP` | by the shard of its keys; over several shards by the proxy, "
                       "in steps |\n"),
            std::string::npos);
  EXPECT_NE(table.find("| `MIGRATE` | refused: `ERR MIGRATE is not served"), std::string::npos);
  EXPECT_NE(table.find("| `CLIENT ID` | by the proxy |\n"), std::string::npos);
}

}  // namespace
}  // namespace ringmaster
