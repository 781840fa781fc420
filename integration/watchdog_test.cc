// The promise: a thread that stands still does not do so unseen. It is logged with what it is at,
// /healthz says so, and both see it when it goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <filesystem>
#include <thread>

#include "support/cluster.h"
#include "support/http.h"

namespace ringmaster::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Stops one thread of a child, as a debugger does, until the end of the object.
class StoppedThread {
 public:
  explicit StoppedThread(pid_t thread) : thread_(thread) {
    EXPECT_EQ(ptrace(PTRACE_SEIZE, thread, nullptr, nullptr), 0);
    EXPECT_EQ(ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr), 0);
    int status = 0;
    EXPECT_EQ(waitpid(thread, &status, __WALL), thread);
  }
  ~StoppedThread() { ptrace(PTRACE_DETACH, thread_, nullptr, nullptr); }
  StoppedThread(const StoppedThread&) = delete;
  StoppedThread& operator=(const StoppedThread&) = delete;

 private:
  const pid_t thread_;
};

class WatchdogTest : public testing::Test {
 protected:
  pid_t ThreadCalled(const std::string& name) {
    const std::string tasks = "/proc/" + std::to_string(proxy_.pid()) + "/task";
    for (const auto& task : std::filesystem::directory_iterator(tasks)) {
      if (ReadFile(task.path() / "comm") == name + "\n") return std::stoi(task.path().filename());
    }
    ADD_FAILURE() << "no thread is called " << name;
    return -1;
  }
  HttpReply Health() { return HttpGet(proxy_.admin_port(), "/healthz"); }

  Cluster cluster_{ClusterOptions{.shards = 2, .more = "watchdog: 300ms"}};
  ProxyProcess& proxy_ = cluster_.proxy();
};

TEST_F(WatchdogTest, AWorkerThatStandsStillIsReported) {
  std::vector<Client> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(proxy_.Connect());  // on both workers
  for (Client& client : clients) client.Command({"STRLEN", "k"});
  EXPECT_EQ(Health().body, "ok\n");
  {
    const StoppedThread stopped(ThreadCalled("worker-1"));
    HttpReply health;
    ASSERT_TRUE(Eventually([&] { return (health = Health()).status == 503; }));
    EXPECT_THAT(health.body,
                AllOf(HasSubstr("worker 1 has stood still for "), HasSubstr("strlen")));
    EXPECT_TRUE(proxy_.LogSays("worker 1 has stood still for "));
    EXPECT_TRUE(proxy_.LogSays("the last command was strlen"));
  }
  EXPECT_TRUE(Eventually([&] { return Health().status == 200; }));
  EXPECT_TRUE(proxy_.LogSays("worker 1 goes on"));
  for (Client& client : clients) EXPECT_EQ(client.Command({"STRLEN", "k"}), "(integer) 0");
}

// The thread that accepts and reloads: /healthz is answered without it.
TEST_F(WatchdogTest, TheMainThreadIsReportedWithoutItsHelp) {
  {
    const StoppedThread stopped(proxy_.pid());
    ASSERT_TRUE(Eventually([&] { return Health().status == 503; }));
    EXPECT_THAT(Health().body, HasSubstr("the main thread has stood still for "));
    EXPECT_EQ(HttpGet(proxy_.admin_port(), "/metrics").status, 503);
    EXPECT_TRUE(proxy_.LogSays("the main thread has stood still for "));
  }
  EXPECT_TRUE(Eventually([&] { return Health().status == 200; }));
  EXPECT_EQ(HttpGet(proxy_.admin_port(), "/metrics").status, 200);
}

// Whoever is idle turns, too; and a process that was stopped as a whole did nothing wrong.
TEST_F(WatchdogTest, IdleAndStoppedProcessesAreNoNews) {
  const auto fine_for = [this](Duration time) {
    const TimePoint until = MonotonicNow() + time;
    while (MonotonicNow() < until) ASSERT_EQ(Health().status, 200);
  };
  fine_for(std::chrono::seconds(1));
  proxy_.Signal(SIGSTOP);
  std::this_thread::sleep_for(std::chrono::seconds(1));
  proxy_.Signal(SIGCONT);
  fine_for(std::chrono::milliseconds(500));
  EXPECT_EQ(proxy_.Log().find("has stood still"), std::string::npos);
}

TEST_F(WatchdogTest, AReloadTurnsItOff) {
  ConfigText next = proxy_.config();
  next.more = "watchdog: 0s";
  EXPECT_THAT(proxy_.Reload(next), HasSubstr("read again"));
  const StoppedThread stopped(ThreadCalled("worker-0"));
  const TimePoint until = MonotonicNow() + std::chrono::seconds(1);
  while (MonotonicNow() < until) ASSERT_EQ(Health().status, 200);
}

}  // namespace
}  // namespace ringmaster::integration
