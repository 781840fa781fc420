#include "load_runner.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "load_cpu.h"

namespace ringmaster::bench {
namespace {

constexpr size_t kReadSize = size_t{256} << 10;
constexpr int kMaxEvents = 256;
constexpr uint64_t kPreloadBytes = uint64_t{1}
                                   << 20;  // values in flight while the keys are written
constexpr uint32_t kPreloadCommands = 256;
constexpr time_t kPreloadPatience = 10;
constexpr std::chrono::seconds kDrainPatience(5);

volatile std::sig_atomic_t signaled = 0;

Error SystemError(Bytes what) {
  return Error{ErrorCode::kIo, std::string(what) + ": " + std::strerror(errno)};
}

std::chrono::nanoseconds FromSeconds(double seconds) {
  return std::chrono::nanoseconds(static_cast<int64_t>(seconds * 1e9));
}

uint64_t Between(TimePoint from, TimePoint to) {
  return from < to ? static_cast<uint64_t>((to - from).count()) : 0;
}

// A blocking socket, connected.
Result<int> Dial(const Plan& plan) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(plan.port);
  if (inet_pton(AF_INET, plan.host.c_str(), &address.sin_addr) != 1) {
    return Error{ErrorCode::kInvalid, "not an IPv4 address: " + plan.host};
  }
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return SystemError("socket");
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    Error error = SystemError("connect to port " + std::to_string(plan.port));
    close(fd);
    return error;
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return fd;
}

}  // namespace

Runner::Runner(const Plan& plan)
    : plan_(plan), templates_(plan), input_(kReadSize), keys_(std::max(plan.multi, 1U)) {}

Runner::~Runner() {
  for (const auto& client : clients_) {
    if (client->fd >= 0) close(client->fd);
  }
  if (timer_ >= 0) close(timer_);
  if (epoll_ >= 0) close(epoll_);
}

Result<Report> Runner::Run() {
  if (plan_.preload) {
    if (Status written = Preload(); !written) return written.error();
  }
  if (Status connected = Connect(); !connected) return connected.error();
  if (plan_.start_on_signal) std::signal(SIGUSR1, [](int) { signaled = 1; });

  const TimePoint begin = MonotonicNow();
  const TimePoint start = begin + FromSeconds(plan_.warmup);
  TimePoint stop = start + FromSeconds(plan_.seconds);
  for (size_t index = 0; index < clients_.size(); index += plan_.busy_every) {
    Client& client = *clients_[index];
    if (plan_.rate > 0) {
      // Spread over one interval, so that the clients do not march in step.
      client.due = begin + FromSeconds(client.random.Fraction() / plan_.rate);
      idle_.push_back(&client);
    } else {
      Start(client, begin);
    }
  }
  ArmTimer();
  TimePoint now = begin;
  TimePoint measured_from = start;
  while (alive_ > 0 && now < stop && answered_ < plan_.max_requests) {
    Turn(10);
    now = MonotonicNow();
    if (!measuring_ && (now >= start || signaled != 0)) {
      measuring_ = true;
      TakeCpu();
      measured_from = MonotonicNow();
      stop = measured_from + FromSeconds(plan_.seconds);
    }
  }
  if (measuring_) {
    TakeCpu();
    report_.seconds = static_cast<double>(Between(measured_from, MonotonicNow())) * 1e-9;
  }
  Drain();
  return std::move(report_);
}

// Lets the commands in flight end, so that a reply that never comes shows as a fault.
void Runner::Drain() {
  measuring_ = false;
  stopping_ = true;
  const TimePoint patience_ends = MonotonicNow() + kDrainPatience;
  const auto unanswered = [this] {
    return std::ranges::count_if(clients_, [](const std::unique_ptr<Client>& client) {
      return client->fd >= 0 && client->replies.pending() > 0;
    });
  };
  while (unanswered() > 0 && MonotonicNow() < patience_ends) Turn(10);
  if (const auto left = unanswered(); left > 0) {
    report_.faults.Note(report_.faults.wrong_replies, "clients still without reply",
                        std::to_string(left));
  }
}

Status Runner::Connect() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return SystemError("epoll_create1");
  if (plan_.rate > 0) {
    timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    epoll_event event{};
    event.events = EPOLLIN;
    if (timer_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, timer_, &event) != 0) {
      return SystemError("timerfd");
    }
  }
  for (uint32_t index = 0; index < plan_.clients; ++index) {
    clients_.push_back(std::make_unique<Client>(plan_, templates_, report_.faults,
                                                plan_.seed * 1'000'003 + index));
    Client& client = *clients_.back();
    Result<int> fd = Dial(plan_);
    if (!fd) return fd.error();
    client.fd = *fd;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &client;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, client.fd, &event) != 0) return SystemError("epoll_ctl");
    ++alive_;
  }
  return Done();
}

// One connection, in batches small enough that neither side waits for the other to read.
Status Runner::Preload() {
  Plan single = plan_;
  single.multi = 0;
  const Templates templates(single);
  const auto per_batch = static_cast<uint32_t>(
      std::clamp<uint64_t>(kPreloadBytes / plan_.value_size, 1, kPreloadCommands));
  Faults faults;
  ReplyChecker replies(single, faults);
  Batch batch(templates, per_batch);
  Result<int> connected = Dial(plan_);
  if (!connected) return connected.error();
  const int fd = *connected;
  const timeval patience{kPreloadPatience, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  for (uint32_t key = 0; key < plan_.keys && faults.total() == 0;) {
    batch.Clear();
    for (uint32_t count = 0; count < per_batch && key < plan_.keys; ++count, ++key) {
      const uint64_t digits = templates.digits(key);
      batch.Append(true, &digits);
      replies.Expect(true, &digits);
    }
    bool alive = batch.WriteTo(fd) && batch.empty();
    while (alive && replies.pending() > 0 && !replies.broken()) {
      const ssize_t count = recv(fd, input_.data(), input_.size(), 0);
      alive = count > 0;
      if (alive) replies.Consume(Bytes(input_.data(), static_cast<size_t>(count)));
    }
    if (!alive) faults.Note(faults.lost_connections, "lost connection", "while writing the keys");
  }
  close(fd);
  if (faults.total() > 0) return Error{ErrorCode::kRefused, "cannot preload: " + faults.first};
  return Done();
}

void Runner::Start(Client& client, TimePoint now) {
  client.batch.Clear();
  for (uint32_t count = 0; count < plan_.pipeline; ++count) {
    const bool write = client.random.Fraction() < plan_.sets;
    for (uint64_t& key : keys_) {
      key = templates_.digits(static_cast<uint32_t>(client.random.Below(templates_.keys())));
    }
    client.batch.Append(write, keys_.data());
    client.replies.Expect(write, keys_.data());
  }
  if (plan_.rate == 0) client.due = now;
  client.sent = now;
  Flush(client);
}

// With a rate: starts every waiting client whose turn has come, and sets the alarm for the next.
void Runner::StartDue(TimePoint now) {
  if (stopping_) return;
  for (size_t at = 0; at < idle_.size();) {
    Client* client = idle_[at];
    if (client->due > now) {
      ++at;
      continue;
    }
    idle_[at] = idle_.back();
    idle_.pop_back();
    Start(*client, now);
  }
  ArmTimer();
}

void Runner::ArmTimer() {
  if (idle_.empty()) return;  // the next finished command arms it
  const auto first = std::min_element(
      idle_.begin(), idle_.end(), [](const Client* a, const Client* b) { return a->due < b->due; });
  const int64_t at = (*first)->due.time_since_epoch().count();
  itimerspec when{};
  when.it_value.tv_sec = at / 1'000'000'000;
  when.it_value.tv_nsec = at % 1'000'000'000;
  timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
}

void Runner::Flush(Client& client) {
  if (!client.batch.WriteTo(client.fd)) return Lose(client, std::strerror(errno));
  const bool needs_room = !client.batch.empty();
  if (needs_room != client.waits_for_room) Watch(client, needs_room);
}

void Runner::Watch(Client& client, bool for_room) {
  epoll_event event{};
  event.events = EPOLLIN | (for_room ? EPOLLOUT : 0U);
  event.data.ptr = &client;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, client.fd, &event);
  client.waits_for_room = for_room;
}

void Runner::Lose(Client& client, Bytes why) {
  report_.faults.Note(report_.faults.lost_connections, "lost connection", why);
  close(client.fd);
  client.fd = -1;
  --alive_;
  std::erase(idle_, &client);
}

void Runner::OnReadable(Client& client) {
  const ssize_t count = recv(client.fd, input_.data(), input_.size(), MSG_DONTWAIT);
  if (count > 0) return Finish(client, Bytes(input_.data(), static_cast<size_t>(count)));
  if (count == 0) return Lose(client, "closed by the peer");
  if (errno != EAGAIN && errno != EINTR) Lose(client, std::strerror(errno));
}

void Runner::Finish(Client& client, Bytes input) {
  const TimePoint now = MonotonicNow();
  const uint32_t finished = client.replies.Consume(input);
  answered_ += finished;
  if (measuring_ && finished > 0) {
    report_.requests += finished;
    report_.latency.Record(Between(client.due, now), finished);
    if (plan_.rate > 0) report_.service.Record(Between(client.sent, now), finished);
  }
  if (client.replies.broken()) return Lose(client, "given up after a wrong reply");
  if (client.replies.pending() > 0 || !client.batch.empty()) return;
  if (stopping_) return;
  if (plan_.rate == 0) return Start(client, now);
  client.due += FromSeconds(1 / plan_.rate);
  if (client.due <= now) return Start(client, now);
  idle_.push_back(&client);
  ArmTimer();
}

// Called twice; the report holds the difference.
void Runner::TakeCpu() {
  if (report_.cpu.empty()) report_.cpu.assign(plan_.processes.size(), 0);
  for (size_t index = 0; index < plan_.processes.size(); ++index) {
    const auto now = CpuNanoseconds(plan_.processes[index]);
    std::optional<uint64_t>& taken = report_.cpu[index];
    if (!now || !taken) {
      taken.reset();
    } else {
      *taken = *now - *taken;
    }
  }
  report_.own_cpu = CpuNanoseconds(getpid()).value_or(0) - report_.own_cpu;
}

void Runner::Turn(int timeout_milliseconds) {
  epoll_event events[kMaxEvents];
  const int count = epoll_wait(epoll_, events, kMaxEvents, timeout_milliseconds);
  for (int index = 0; index < count; ++index) {
    if (events[index].data.ptr == nullptr) {
      uint64_t rings = 0;
      // An alarm that was set again meanwhile has nothing to read.
      [[maybe_unused]] const ssize_t ignored = read(timer_, &rings, sizeof(rings));
      StartDue(MonotonicNow());
      continue;
    }
    Client& client = *static_cast<Client*>(events[index].data.ptr);
    if ((events[index].events & EPOLLOUT) != 0) Flush(client);
    if (client.fd >= 0 && (events[index].events & ~EPOLLOUT) != 0) OnReadable(client);
  }
}

}  // namespace ringmaster::bench
