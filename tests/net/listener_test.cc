#include "net/listener.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "net/connector.h"
#include "net/tls.h"
#include "support/turns.h"

namespace ringmaster {
namespace {

Address Parse(const std::string& text) { return ParseAddress(text).value(); }

// Any free port.
Address On(const std::string& host) { return Address{Address::kTcp, host, 0, ""}; }

class ListenerTest : public testing::Test {
 protected:
  ListenerTest() {
    char name[] = "/tmp/rm-listener-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~ListenerTest() override {
    for (const int fd : accepted_) close(fd);
    std::filesystem::remove_all(folder_);
  }

  Result<std::unique_ptr<Listener>> Open(const Address& address) {
    return Listener::Open(loop_, address, [this](int fd) { accepted_.push_back(fd); });
  }
  // Connects and turns the loop until that has an answer.
  Result<int> Connect(const Address& address, Duration timeout = std::chrono::seconds(10)) {
    std::optional<Result<int>> answer;
    const Connector connector(loop_, address, timeout,
                              [&](Result<int> result) { answer = std::move(result); });
    EXPECT_TRUE(TurnUntil(loop_, [&] { return answer.has_value(); }));
    if (!answer) return Error{ErrorCode::kTimeout, "no answer"};
    return *answer;
  }

  Loop loop_;
  std::string folder_;
  std::vector<int> accepted_;
};

TEST_F(ListenerTest, AcceptsOverTcpV4V6AndUnixSockets) {
  for (const Address& address : {On("127.0.0.1"), On("::1"), Parse(folder_ + "/socket")}) {
    const std::string text = address.ToString();
    auto listener = Open(address);
    if (!listener && text[0] == '[') continue;  // a machine without IPv6
    ASSERT_TRUE(listener.ok()) << listener.error().text;
    Address at = (*listener)->address();
    const size_t before = accepted_.size();
    const Result<int> fd = Connect(at);
    ASSERT_TRUE(fd.ok()) << text << ": " << fd.error().text;
    EXPECT_TRUE(TurnUntil(loop_, [&] { return accepted_.size() > before; })) << text;
    close(*fd);
  }
}

TEST_F(ListenerTest, TakenPortIsAnErrorThatNamesIt) {
  const auto first = Open(On("127.0.0.1"));
  ASSERT_TRUE(first.ok());
  const auto second = Open((*first)->address());
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().text.find((*first)->address().ToString()), std::string::npos)
      << second.error().text;
}

TEST_F(ListenerTest, SocketFileThatNobodyServesIsReplaced) {
  const std::string path = folder_ + "/socket";
  // What a proxy that was killed leaves behind.
  const int stale = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  ASSERT_EQ(bind(stale, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  close(stale);
  const auto listener = Open(Parse(path));
  ASSERT_TRUE(listener.ok()) << listener.error().text;
  const Result<int> fd = Connect(Parse(path));
  EXPECT_TRUE(fd.ok());
  if (fd.ok()) close(*fd);
}

TEST_F(ListenerTest, SocketFileThatSomebodyServesIsLeftAlone) {
  const std::string path = folder_ + "/socket";
  const auto first = Open(Parse(path));
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(Open(Parse(path)).ok());
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(ListenerTest, FileThatIsNoSocketIsNeverRemoved) {
  const std::string path = folder_ + "/precious";
  FILE* file = fopen(path.c_str(), "w");
  ASSERT_NE(file, nullptr);
  fclose(file);
  EXPECT_FALSE(Open(Parse(path)).ok());
  EXPECT_TRUE(std::filesystem::is_regular_file(path));
}

TEST_F(ListenerTest, RemovesItsSocketFileAtTheEnd) {
  const std::string path = folder_ + "/socket";
  { ASSERT_TRUE(Open(Parse(path)).ok()); }
  EXPECT_FALSE(std::filesystem::exists(path));
}

using ConnectorTest = ListenerTest;

TEST_F(ConnectorTest, RefusedConnectionSaysWhereAndWhy) {
  Address closed;
  {
    const auto listener = Open(On("127.0.0.1"));
    ASSERT_TRUE(listener.ok());
    closed = (*listener)->address();
  }
  const Result<int> fd = Connect(closed);
  ASSERT_FALSE(fd.ok());
  EXPECT_NE(fd.error().text.find(closed.ToString()), std::string::npos) << fd.error().text;
  EXPECT_NE(fd.error().text.find("refused"), std::string::npos) << fd.error().text;
}

TEST_F(ConnectorTest, UnknownNameIsAnErrorAndNoHang) {
  EXPECT_FALSE(Connect(Parse("no-such-host.invalid:7000")).ok());
}

TEST_F(ConnectorTest, MissingSocketFileIsAnError) {
  EXPECT_FALSE(Connect(Parse(folder_ + "/nobody")).ok());
}

TEST_F(ConnectorTest, NameIsResolvedAndEachOfItsAddressesTried) {
  const auto listener = Open(On("127.0.0.1"));
  ASSERT_TRUE(listener.ok());
  const std::string port = std::to_string((*listener)->address().port);
  const Result<int> fd = Connect(Parse("localhost:" + port));
  ASSERT_TRUE(fd.ok()) << fd.error().text;
  close(*fd);
}

TEST_F(ConnectorTest, DestroyedBeforeItsAnswerItNeverCalls) {
  const auto listener = Open(On("127.0.0.1"));
  ASSERT_TRUE(listener.ok());
  bool called = false;
  {
    const Connector connector(loop_, (*listener)->address(), std::chrono::seconds(1),
                              [&](Result<int>) { called = true; });
  }
  for (int i = 0; i < 50; ++i) loop_.RunOnce();
  EXPECT_FALSE(called);
}

TEST(TlsContextTest, MissingFilesAreNamedInTheError) {
  TlsOptions options;
  options.certificate = "/no/such.pem";
  options.key = "/no/such.key";
  const auto context = TlsContext::Server(options);
  ASSERT_FALSE(context.ok());
  EXPECT_NE(context.error().text.find("/no/such.pem"), std::string::npos) << context.error().text;
}

TEST(TlsContextTest, MissingAuthoritiesAreNamedInTheError) {
  TlsOptions options;
  options.authorities = "/no/such/ca.pem";
  const auto context = TlsContext::Client(options);
  ASSERT_FALSE(context.ok());
  EXPECT_NE(context.error().text.find("/no/such/ca.pem"), std::string::npos)
      << context.error().text;
}

}  // namespace
}  // namespace ringmaster
