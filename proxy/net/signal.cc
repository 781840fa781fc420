#include "net/signal.h"

#include <uv.h>

#include <utility>

#include "net/loop.h"

namespace ringmaster {

struct SignalWatcher::State {
  uv_signal_t signal;
  std::function<void()> callback;
};

SignalWatcher::SignalWatcher(Loop& loop, int signal, std::function<void()> callback)
    : state_(new State) {
  state_->callback = std::move(callback);
  uv_signal_init(loop.raw(), &state_->signal);
  state_->signal.data = state_;
  uv_signal_start(
      &state_->signal,
      [](uv_signal_t* handle, int) {
        Loop::Note(handle->loop, Pulse::At::kSignal);
        static_cast<State*>(handle->data)->callback();
      },
      signal);
}

SignalWatcher::~SignalWatcher() {
  uv_close(reinterpret_cast<uv_handle_t*>(&state_->signal),
           [](uv_handle_t* handle) { delete static_cast<State*>(handle->data); });
}

}  // namespace ringmaster
