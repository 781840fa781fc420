#include "support/checked_load.h"

#include <algorithm>
#include <utility>

#include "base/random.h"
#include "support/client.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

constexpr size_t kMismatchesKept = 5;

// A pipeline of requests, and for each what its reply may be.
class Questions {
 public:
  Questions(const std::vector<std::string>& keys, size_t value_size, bool client_errors,
            Random& random)
      : keys_(keys), value_size_(value_size), client_errors_(client_errors), random_(random) {}

  void Ask() {
    switch (random_.Below(client_errors_ ? 10 : 7)) {
      case 0:
      case 1:
      case 2: {
        const std::string& key = Key();
        return Add({"SET", key, Value(key)}, "OK");
      }
      case 3:
      case 4:
      case 5: {
        const std::string& key = Key();
        return Add({"GET", key}, ValueOrNil(key));
      }
      case 6: {
        const std::string& a = Key();
        const std::string& b = Key();
        return AddMget(a, b);
      }
      case 7:
        return Add({"AUTH", "nobody", "wrong"},
                   "(error) WRONGPASS invalid username-password pair or user is disabled.");
      case 8:
        return Add({"SELECT", "9999"}, "(error) ERR DB index is out of range");
      default:
        return Add({"HELLO", "9"}, "(error) NOPROTO unsupported protocol version");
    }
  }

  const std::string& bytes() const { return bytes_; }
  size_t size() const { return expected_.size(); }
  // Empty when `reply` may be the answer to question i.
  std::string Wrong(size_t i, const std::string& reply) const {
    for (const std::string& allowed : expected_[i]) {
      if (reply == allowed) return "";
    }
    return asked_[i] + " was answered " + reply.substr(0, 300);
  }

 private:
  using Allowed = std::vector<std::string>;
  const std::string& Key() { return keys_[random_.Below(keys_.size())]; }
  std::string Value(const std::string& key) const {
    std::string value = "value of " + key + " ";
    value.resize(std::max(value.size(), value_size_), '.');
    return value;
  }
  Allowed ValueOrNil(const std::string& key) const { return {Quoted(Value(key)), "(nil)"}; }
  void AddMget(const std::string& a, const std::string& b) {
    Allowed both;
    for (const std::string& first : ValueOrNil(a)) {
      for (const std::string& second : ValueOrNil(b)) {
        both.push_back("[" + first + ", " + second + "]");
      }
    }
    Add({"MGET", a, b}, both);
  }
  void Add(const std::vector<std::string>& words, const std::string& reply) {
    Add(words, Allowed{reply});
  }
  void Add(const std::vector<std::string>& words, Allowed allowed) {
    bytes_ += Encode(words);
    asked_.push_back(words[0] + " " + words[1]);
    expected_.push_back(std::move(allowed));
  }

  const std::vector<std::string>& keys_;
  const size_t value_size_;
  const bool client_errors_;
  Random& random_;
  std::string bytes_;
  std::vector<std::string> asked_;
  std::vector<Allowed> expected_;
};

std::string ErrorKind(const std::string& reply) {
  const size_t at = reply.find("(error) ");
  if (at != 0) return "";
  return reply.substr(8, reply.find(' ', 8) - 8);
}

}  // namespace

CheckedLoad::CheckedLoad(const Address& address, Options options)
    : address_(address), options_(std::move(options)) {
  for (int i = 0; i < options_.clients; ++i) {
    threads_.emplace_back([this, i] { RunClient(i); });
  }
}

void CheckedLoad::RunClient(int index) {
  Random random(static_cast<uint64_t>(index) + 1);
  std::vector<std::string> keys = options_.keys;
  for (int i = 0; keys.size() < 100 && options_.keys.empty(); ++i) {
    keys.push_back("client:" + std::to_string(index) + ":key:" + std::to_string(i));
  }
  Report report;
  std::vector<Duration> latencies;
  Client client(address_, options_.patience);
  while (!stop_) {
    Questions questions(keys, options_.value_size, options_.client_errors, random);
    for (int i = 0; i < options_.pipeline; ++i) questions.Ask();
    const TimePoint asked_at = MonotonicNow();
    client.Send(questions.bytes());
    for (size_t i = 0; i < questions.size(); ++i) {
      const std::string reply = client.Read();
      if (reply == "<closed>" || reply == "<reset>" || reply == "<refused>") {
        ++report.disconnects;
        client = Client(address_, options_.patience);
        break;
      }
      ++report.replies;
      ++replies_;
      const std::string wrong = questions.Wrong(i, reply);
      if (wrong.empty()) continue;
      const std::string kind = ErrorKind(reply);
      if (kind.empty()) {
        if (report.mismatches.size() < kMismatchesKept) report.mismatches.push_back(wrong);
        stop_ = true;
        break;
      }
      ++errors_;
      ++report.errors;
      ++report.errors_by_kind[kind];
    }
    latencies.push_back(MonotonicNow() - asked_at);
  }
  Note(report, std::move(latencies));
}

void CheckedLoad::Note(const Report& report, std::vector<Duration> latencies) {
  const std::lock_guard lock(mutex_);
  report_.replies += report.replies;
  report_.errors += report.errors;
  report_.disconnects += report.disconnects;
  for (const auto& [kind, count] : report.errors_by_kind) report_.errors_by_kind[kind] += count;
  for (const std::string& text : report.mismatches) report_.mismatches.push_back(text);
  latencies_.insert(latencies_.end(), latencies.begin(), latencies.end());
}

CheckedLoad::Report CheckedLoad::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  const std::lock_guard lock(mutex_);
  std::sort(latencies_.begin(), latencies_.end());
  if (!latencies_.empty()) {
    report_.p50 = latencies_[latencies_.size() / 2];
    report_.p99 = latencies_[latencies_.size() * 99 / 100];
    report_.longest = latencies_.back();
  }
  return report_;
}

std::string Summary(const CheckedLoad::Report& report) {
  std::string text = std::to_string(report.replies) + " replies, " +
                     std::to_string(report.disconnects) + " disconnects, p99 " +
                     std::to_string(Microseconds(report.p99)) + " us";
  for (const auto& [kind, count] : report.errors_by_kind) {
    text += ", " + kind + " " + std::to_string(count);
  }
  for (const std::string& wrong : report.mismatches) text += "\n" + wrong;
  return text;
}

}  // namespace ringmaster::integration
