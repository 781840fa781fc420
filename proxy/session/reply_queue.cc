#include "session/reply_queue.h"

#include <cstring>
#include <utility>

namespace ringmaster {

Request& ReplyQueue::Add() {
  Request* request = requests_.New();
  list_.PushBack(*request);
  ++size_;
  return *request;
}

Request* ReplyQueue::LastHeld() const {
  Request* last = nullptr;
  for (Request* request = list_.front(); request != nullptr; request = list_.next(*request)) {
    if (request->done || request->in_parts) last = request;
  }
  return last;
}

void ReplyQueue::Part(Request& request, const Slice& part, Output& output) {
  if (request.silent) return;
  if (&request == list_.front()) {
    output.Append(part);
    return;
  }
  if (request.parts == nullptr) request.parts = std::make_unique<std::vector<Slice>>();
  request.parts->push_back(part.block ? part : blocks_.Copy(part.bytes));
  request.held += part.bytes.size();
  held_ += part.bytes.size();
}

void ReplyQueue::Collected(Request& request, int64_t bytes) {
  if (bytes < 0) {
    held_ -= request.collected;
    request.held -= request.collected;
    request.collected = 0;
  } else if (&request != list_.front()) {
    held_ += static_cast<size_t>(bytes);
    request.held += static_cast<size_t>(bytes);
    request.collected += static_cast<size_t>(bytes);
  }
}

void ReplyQueue::Hold(Request& request, const Slice& reply) {
  if (request.silent) return;
  if (reply.bytes.size() <= Request::kInlineReply) {
    std::memcpy(request.inline_reply, reply.bytes.data(), reply.bytes.size());
    request.inline_size = static_cast<uint8_t>(reply.bytes.size());
    return;
  }
  request.reply = reply.block ? reply : blocks_.Copy(reply.bytes);
  request.held += reply.bytes.size();
  held_ += reply.bytes.size();
}

void ReplyQueue::Emit(Request& request, Output& output) {
  if (request.parts != nullptr) {
    for (const Slice& part : *request.parts) output.Append(part);
    request.parts.reset();
  }
  if (request.inline_size > 0) {
    output.Put(Bytes(request.inline_reply, request.inline_size));
    request.inline_size = 0;
  } else if (!request.reply.bytes.empty()) {
    output.Append(request.reply);
    request.reply = Slice();
  }
  held_ -= request.held;
  request.held = request.collected = 0;
}

void ReplyQueue::Abandon(Reaper& reaper) {
  while (Request* request = list_.PopFront()) {
    if (request->done) {
      requests_.Delete(request);
    } else {
      request->parts.reset();
      reaper.Adopt(*request);
    }
  }
  size_ = 0;
  held_ = 0;
}

}  // namespace ringmaster
