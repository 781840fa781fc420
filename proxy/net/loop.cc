#include "net/loop.h"

#include <unistd.h>
#include <uv.h>

#include <algorithm>

#include "base/check.h"

namespace ringmaster {

struct Loop::Handles {
  uv_prepare_t prepare;
  uv_idle_t idle;
};

void Loop::Forget(Handles* handles) { delete handles; }

Loop::Loop() : loop_(new uv_loop_t), handles_(new Handles, &Loop::Forget) {
  RM_CHECK(uv_loop_init(loop_) == 0);
  loop_->data = this;
  // Idle time feeds the balancer; the cost is one clock reading around each sleep.
  uv_loop_configure(loop_, UV_METRICS_IDLE_TIME);
  uv_prepare_init(loop_, &handles_->prepare);
  uv_idle_init(loop_, &handles_->idle);
  handles_->prepare.data = this;
  handles_->idle.data = this;
  uv_prepare_start(&handles_->prepare, [](uv_prepare_t* handle) {
    auto* loop = static_cast<Loop*>(handle->data);
    loop->pulse_.Note(Pulse::At::kEndOfTurn);
    if (loop->prepare_) loop->prepare_();
    loop->now_valid_ = false;
    ++loop->turns_;
    loop->pulse_.EndTurn();
  });
  share_since_ = MonotonicNow();
}

Loop::~Loop() {
  uv_close(reinterpret_cast<uv_handle_t*>(&handles_->prepare), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&handles_->idle), nullptr);
  // Lets close callbacks run and what was cancelled on the thread pool come back.
  while (uv_run(loop_, UV_RUN_DEFAULT) != 0) {
  }
  RM_CHECK(uv_loop_close(loop_) == 0);
  delete loop_;
}

void Loop::Run() {
  pulse_.SetThread(gettid());
  pulse_.Note(Pulse::At::kAsleep);
  uv_run(loop_, UV_RUN_DEFAULT);
  pulse_.Note(Pulse::At::kNowhere);
}

void Loop::Note(const uv_loop_s* loop, Pulse::At at) {
  static_cast<Loop*>(loop->data)->pulse_.Note(at);
}

void Loop::Stop() { uv_stop(loop_); }

void Loop::RunOnce() { uv_run(loop_, UV_RUN_NOWAIT); }

TimePoint Loop::Now() {
  if (!now_valid_) {
    now_ = MonotonicNow();
    now_valid_ = true;
  }
  return now_;
}

void Loop::OnPrepare(std::function<void()> callback) { prepare_ = std::move(callback); }

void Loop::SetBusy(bool busy) {
  if (busy == busy_) return;
  busy_ = busy;
  if (busy) {
    uv_idle_start(&handles_->idle, [](uv_idle_t*) {});
  } else {
    uv_idle_stop(&handles_->idle);
  }
}

Duration Loop::Slept() const { return Duration(uv_metrics_idle_time(loop_)); }

double Loop::BusyShare() {
  const TimePoint now = MonotonicNow();
  const uint64_t idle = uv_metrics_idle_time(loop_);
  const double span = static_cast<double>((now - share_since_).count());
  const double slept = static_cast<double>(idle - idle_since_);
  share_since_ = now;
  idle_since_ = idle;
  return span <= 0 ? 0 : std::clamp(1 - slept / span, 0.0, 1.0);
}

}  // namespace ringmaster
