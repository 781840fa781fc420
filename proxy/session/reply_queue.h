// The requests of one client in the order they came, and their replies until it is their turn.
// Replies arrive in any order; Emit hands them to the output in the order of the requests.
//
// Owned by a session; pure bookkeeping, no I/O.
#pragma once

#include <cstddef>

#include "base/block.h"
#include "base/intrusive_list.h"
#include "base/object_pool.h"
#include "command/call/request.h"
#include "net/output.h"

namespace ringmaster {

class Reaper;

class ReplyQueue {
 public:
  ReplyQueue(ObjectPool<Request>& requests, BlockPool& blocks)
      : requests_(requests), blocks_(blocks) {}
  ReplyQueue(const ReplyQueue&) = delete;
  ReplyQueue& operator=(const ReplyQueue&) = delete;

  Request& Add();
  // Requests whose reply is not in the output yet.
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Request* front() const { return list_.front(); }
  Request* next(const Request& request) const { return list_.next(request); }
  Request* last() const { return list_.back(); }
  // The last request whose reply, or part of it, is here and not all in the output; may be nullptr.
  Request* LastHeld() const;

  // A part of a reply, and its end. What is ready from the front on goes to `output`; finished
  // requests are freed. `finished` is told of each, before it is freed.
  void Part(Request& request, const Slice& part, Output& output);
  template <typename Finished>
  void End(Request& request, const Slice& reply, Output& output, Finished&& finished) {
    if (&request != list_.front()) {
      Hold(request, reply);
      request.done = true;
      return;
    }
    if (!request.silent) output.Append(reply);
    Release(request, finished);
    while (Request* front = list_.front()) {
      Emit(*front, output);
      if (!front->done) return;
      Release(*front, finished);
    }
  }

  // Of the request's reply so many bytes are collected elsewhere; negative: no longer.
  void Collected(Request& request, int64_t bytes);
  // Bytes of replies that wait for earlier ones, those that are still being collected included.
  size_t held() const { return held_; }

  // The client left: what is under way goes to `reaper`, which frees it; the rest is freed now.
  void Abandon(Reaper& reaper);

 private:
  void Hold(Request& request, const Slice& reply);
  void Emit(Request& request, Output& output);
  template <typename Finished>
  void Release(Request& request, Finished&& finished) {
    IntrusiveList<Request>::Remove(request);
    --size_;
    finished(request);
    requests_.Delete(&request);
  }

  ObjectPool<Request>& requests_;
  BlockPool& blocks_;
  IntrusiveList<Request> list_;
  size_t size_ = 0;
  size_t held_ = 0;
};

// Frees requests whose client is gone when their reply comes. One per worker.
class Reaper final : public Sink {
 public:
  explicit Reaper(ObjectPool<Request>& requests) : requests_(requests) {}
  // Whoever was to answer them is gone by then, as when the process stops in the middle of a wait.
  ~Reaper() {
    while (Request* request = waiting_.PopFront()) requests_.Delete(request);
  }
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;

  // Owns it from now on. REQUIRES: it is in no list, and not answered.
  void Adopt(Request& request) {
    request.sink = this;
    waiting_.PushBack(request);
  }
  void OnReply(Exchange& exchange, const Slice&) override {
    Request& request = Request::Of(exchange);
    IntrusiveList<Request>::Remove(request);
    requests_.Delete(&request);
  }
  const Exchange* Root(const Exchange&) const override { return nullptr; }
  void OnReplyPart(Exchange&, const Slice&) override {}

 private:
  ObjectPool<Request>& requests_;
  IntrusiveList<Request> waiting_;
};

}  // namespace ringmaster
