#include "net/timer.h"

#include <uv.h>

#include <algorithm>
#include <utility>

#include "net/loop.h"

namespace ringmaster {

struct Timer::State {
  uv_timer_t timer;
  std::function<void()> callback;
};

Timer::Timer(Loop& loop, std::function<void()> callback) : state_(new State) {
  state_->callback = std::move(callback);
  uv_timer_init(loop.raw(), &state_->timer);
  state_->timer.data = state_;
}

Timer::~Timer() {
  uv_close(reinterpret_cast<uv_handle_t*>(&state_->timer),
           [](uv_handle_t* handle) { delete static_cast<State*>(handle->data); });
}

void Timer::StartOnce(Duration after) {
  uv_update_time(state_->timer.loop);
  const auto ms = static_cast<uint64_t>(std::max<int64_t>(0, Milliseconds(after)));
  uv_timer_start(
      &state_->timer, [](uv_timer_t* timer) { static_cast<State*>(timer->data)->callback(); }, ms,
      0);
}

void Timer::StartEvery(Duration period) {
  const auto ms = static_cast<uint64_t>(std::max<int64_t>(1, Milliseconds(period)));
  uv_timer_start(
      &state_->timer, [](uv_timer_t* timer) { static_cast<State*>(timer->data)->callback(); }, ms,
      ms);
}

void Timer::Stop() { uv_timer_stop(&state_->timer); }

bool Timer::active() const {
  return uv_is_active(reinterpret_cast<const uv_handle_t*>(&state_->timer)) != 0;
}

}  // namespace ringmaster
