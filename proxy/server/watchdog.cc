#include "server/watchdog.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "base/log.h"

namespace ringmaster {
namespace {

constexpr Duration kLeastPause = std::chrono::milliseconds(10);
constexpr Duration kMostPause = std::chrono::milliseconds(250);

const char* PlaceName(Pulse::At at) {
  switch (at) {
    case Pulse::At::kNowhere:
      return "outside of its loop";
    case Pulse::At::kAsleep:
      return "between two turns";
    case Pulse::At::kSocket:
      return "at what a socket brought";
    case Pulse::At::kConnection:
      return "at a new connection";
    case Pulse::At::kTimer:
      return "at a timer";
    case Pulse::At::kMessage:
      return "at a message of another thread";
    case Pulse::At::kSignal:
      return "at a signal";
    case Pulse::At::kEndOfTurn:
      return "at requests and replies, before it sleeps";
  }
  return "";
}

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// Whether it uses the processor or waits, and for what, as far as the system tells.
std::string ThreadState(int thread) {
  const std::string folder = fmt::format("/proc/self/task/{}/", thread);
  std::string stat, where;
  std::ifstream(folder + "stat") >> stat >> stat >> stat;
  std::getline(std::ifstream(folder + "wchan"), where);
  if (stat == "R") return "its thread runs";
  const bool known = !where.empty() && where != "0";
  return "its thread waits in the system" + (known ? " (" + where + ")" : std::string());
}

}  // namespace

Duration StillFor::Look(const Pulse::Reading& reading, TimePoint now, Duration most) {
  if (reading.at == Pulse::At::kNowhere || reading.turn != last_.turn ||
      last_.at == Pulse::At::kNowhere) {
    still_ = Duration(0);
  } else {
    still_ += std::min(now - looked_at_, most);
  }
  last_ = reading;
  looked_at_ = now;
  return still_;
}

void Watchdog::Watch(std::string name, const Pulse& pulse, LastCommand last_command) {
  const MutexLock lock(mutex_);
  watched_.push_back({std::move(name), pulse, std::move(last_command), {}, {}, {}});
}

void Watchdog::Start(Duration patience) {
  SetPatience(patience);
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "watchdog");
}

void Watchdog::SetPatience(Duration patience) {
  const MutexLock lock(mutex_);
  patience_ = patience;
  wake_.notify_one();
}

void Watchdog::Stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  const MutexLock lock(mutex_);
  watched_.clear();
}

void Watchdog::Look(TimePoint now) {
  for (Watched& each : watched_) {
    each.still = each.still_for.Look(each.pulse.Read(), now, patience_ / 2);
  }
}

std::string Watchdog::Describe(const Watched& watched) const {
  const std::string command = watched.last_command();
  return fmt::format("{} has stood still for {:.1f} s, {}{}", watched.name, Seconds(watched.still),
                     PlaceName(watched.pulse.Read().at),
                     command.empty() ? "" : "; the last command was " + command);
}

std::string Watchdog::Stalls() {
  const MutexLock lock(mutex_);
  if (patience_ <= Duration(0)) return "";
  Look(MonotonicNow());
  std::string text;
  for (const Watched& each : watched_) {
    if (each.still >= patience_) text += Describe(each) + "\n";
  }
  return text;
}

void Watchdog::Run() {
  MutexLock lock(mutex_);
  while (!stopping_) {
    if (patience_ <= Duration(0)) {
      wake_.wait(lock.native());
      continue;
    }
    wake_.wait_for(lock.native(), std::clamp(patience_ / 8, kLeastPause, kMostPause));
    Look(MonotonicNow());
    std::vector<std::pair<std::string, int>> still;  // what it says, and the thread
    std::vector<std::string> moving;
    for (Watched& each : watched_) {
      if (each.still >= std::max(patience_, each.tell_after) && patience_ > Duration(0)) {
        // Once more whenever it has taken twice as long.
        each.tell_after = each.still * 2;
        still.emplace_back(Describe(each), each.pulse.thread());
      } else if (each.still < patience_ && each.tell_after > Duration(0)) {
        each.tell_after = Duration(0);
        moving.push_back(each.name);
      }
    }
    lock.unlock();
    for (const auto& [text, thread] : still) LogError("{}; {}", text, ThreadState(thread));
    for (const std::string& name : moving) LogWarning("{} goes on", name);
    lock.lock();
  }
}

}  // namespace ringmaster
