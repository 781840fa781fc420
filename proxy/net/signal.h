// Calls back on the loop's thread when the process gets a signal. One thread handles signals.
#pragma once

#include <functional>

namespace ringmaster {

class Loop;

class SignalWatcher {
 public:
  SignalWatcher(Loop& loop, int signal, std::function<void()> callback);
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

 private:
  struct State;
  State* state_;
};

}  // namespace ringmaster
