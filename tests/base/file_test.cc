#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "support/temp_folder.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;

class FileTest : public testing::Test {
 protected:
  FileTest() {
    std::filesystem::create_directories(home_ + "/sub");
    WriteWholeFile(home_ + "/next.yml", "next");
    WriteWholeFile(home_ + "/sub/other.yml", "other");
    WriteWholeFile(folder_.File("secret"), "secret");
    std::filesystem::create_symlink("sub/other.yml", home_ + "/link.yml");
    std::filesystem::create_symlink("../secret", home_ + "/out.yml");
    std::filesystem::create_symlink("/dev/tty", home_ + "/tty.yml");
    EXPECT_EQ(mkfifo((home_ + "/fifo").c_str(), 0600), 0);
  }
  std::string Read(const std::string& name, size_t max = 100) {
    const Result<std::string> text = ReadFileIn(home_, name, max);
    return text ? *text : "error: " + text.error().text;
  }

  TempFolder folder_;
  const std::string home_ = folder_.File("home");
};

TEST_F(FileTest, ReadsWhatIsInTheFolder) {
  EXPECT_EQ(Read("next.yml"), "next");
  EXPECT_EQ(Read("./sub/../next.yml"), "next");
  EXPECT_EQ(Read(home_ + "/next.yml"), "next");
  EXPECT_EQ(Read("sub/other.yml"), "other");
  EXPECT_EQ(Read("link.yml"), "other");
}

TEST_F(FileTest, TellsNothingOfWhatIsOutside) {
  for (const std::string& name :
       {std::string("../secret"), folder_.File("secret"), std::string("out.yml"),
        std::string("tty.yml"), std::string("/etc/passwd"), std::string("/nothing/here"),
        std::string("missing"), std::string(""), std::string("."), std::string(".."),
        std::string("next.yml\0x", 10), std::string(5000, 'x')}) {
    EXPECT_EQ(Read(name), "error: there is no such file in the configuration's folder") << name;
  }
}

// Without a writer an open() of it would wait for ever.
TEST_F(FileTest, APipeIsNoFile) {
  EXPECT_THAT(Read("fifo"), HasSubstr("it is no regular file"));
  EXPECT_THAT(Read("sub"), HasSubstr("Is a directory"));
}

TEST_F(FileTest, ReadsNoMoreThanItMay) {
  EXPECT_EQ(Read("next.yml", 4), "next");
  EXPECT_EQ(Read("next.yml", 2), "nex");
}

}  // namespace
}  // namespace ringmaster
