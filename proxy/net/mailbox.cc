#include "net/mailbox.h"

#include <uv.h>

#include <utility>

#include "base/check.h"
#include "net/loop.h"

namespace ringmaster {

struct Mailbox::State {
  uv_async_t async;
  Mailbox* mailbox;
};

Mailbox::Mailbox(Loop& loop) : state_(new State) {
  state_->mailbox = this;
  RM_CHECK(uv_async_init(loop.raw(), &state_->async, [](uv_async_t* async) {
             auto* state = static_cast<State*>(async->data);
             Loop::Note(async->loop, Pulse::At::kMessage);
             if (state->mailbox != nullptr) state->mailbox->Drain();
           }) == 0);
  state_->async.data = state_;
}

Mailbox::~Mailbox() {
  state_->mailbox = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&state_->async),
           [](uv_handle_t* handle) { delete static_cast<State*>(handle->data); });
}

void Mailbox::Post(Message message) {
  {
    const MutexLock lock(mutex_);
    waiting_.push_back(std::move(message));
    if (waiting_.size() > 1) return;  // the loop has been told already
  }
  uv_async_send(&state_->async);
}

void Mailbox::Drain() {
  State* state = state_;
  std::vector<Message> batch;
  {
    const MutexLock lock(mutex_);
    batch.swap(waiting_);
  }
  for (Message& message : batch) {
    message();
    if (state->mailbox == nullptr) return;  // a message ended us
  }
}

}  // namespace ringmaster
