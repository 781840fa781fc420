#include "net/timer.h"

#include <uv.h>

#include <algorithm>
#include <utility>

#include "net/loop.h"

namespace ringmaster {

struct Timer::State {
  uv_timer_t timer;
  Loop& loop;
  std::function<void()> callback;
};

Timer::Timer(Loop& loop, std::function<void()> callback)
    : state_(new State{{}, loop, std::move(callback)}) {
  uv_timer_init(loop.raw(), &state_->timer);
  state_->timer.data = state_;
}

Timer::~Timer() {
  uv_close(reinterpret_cast<uv_handle_t*>(&state_->timer),
           [](uv_handle_t* handle) { delete static_cast<State*>(handle->data); });
}

void Timer::Fire(uv_timer_s* timer) {
  State& state = *static_cast<State*>(timer->data);
  Loop& loop = state.loop;
  Loop::Note(timer->loop, Pulse::At::kTimer);
  loop.in_timers_ = true;
  state.callback();
  loop.in_timers_ = false;
}

// The time of the loop is left as it is: moved on in a callback, it would make ever more timers due
// in the same turn. libuv runs whatever is due by that time, also what was started meanwhile; one
// millisecond more is not.
void Timer::StartOnce(Duration after) {
  uint64_t wait = 0;
  if (after > Duration(0)) {
    const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(after).count();
    const uint64_t due = (uv_hrtime() + static_cast<uint64_t>(nanoseconds) + 999'999) / 1'000'000;
    const uint64_t now = uv_now(state_->timer.loop);
    wait = due > now ? due - now : 0;
  }
  if (state_->loop.in_timers_) wait = std::max<uint64_t>(wait, 1);
  uv_timer_start(&state_->timer, &Timer::Fire, wait, 0);
}

void Timer::StartEvery(Duration period) {
  const auto ms = static_cast<uint64_t>(std::max<int64_t>(1, Milliseconds(period)));
  uv_timer_start(&state_->timer, &Timer::Fire, ms, ms);
}

void Timer::Stop() { uv_timer_stop(&state_->timer); }

bool Timer::active() const {
  return uv_is_active(reinterpret_cast<const uv_handle_t*>(&state_->timer)) != 0;
}

}  // namespace ringmaster
