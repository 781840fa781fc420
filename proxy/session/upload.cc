#include "session/upload.h"

#include "command/call/request.h"
#include "resp/errors.h"

namespace ringmaster {

Upload::Upload(Request& request, Backend& backend, int database, int resp,
               const RequestParser& parser, size_t parsed_bytes, Connection::Drained drained,
               void* owner)
    : request_(request),
      backend_(&backend),
      connection_(backend.Borrow(database, resp)),
      tail_(parser, parsed_bytes) {
  if (connection_ != nullptr) connection_->SetDrained(drained, owner);
}

Upload::Upload(Request& request, const RequestParser& parser, size_t parsed_bytes)
    : request_(request), backend_(nullptr), connection_(nullptr), tail_(parser, parsed_bytes) {}

Upload::~Upload() {
  if (connection_ != nullptr) backend_->Discard(connection_);
}

void Upload::Start(const Slice& first) {
  Exchange& exchange = request_;
  exchange.streamed = true;
  if (connection_ == nullptr) {
    exchange.outcome = Outcome::kNotApplied;
    exchange.sink->OnReply(
        exchange,
        Slice{errors::NotApplied(backend_->link().name(), "too many large transfers at once"), {}});
    return;
  }
  exchange.request = first;
  connection_->Send(exchange);
}

void Upload::Refuse(Bytes reply) {
  request_.streamed = true;
  request_.sink->OnReply(request_, Slice{reply, {}});
}

size_t Upload::Feed(const Slice& bytes) {
  size_t taken = 0;
  const RequestTail::Status status = tail_.Take(bytes.bytes, &taken);
  if (connection_ != nullptr && !answered_ && taken > 0) {
    connection_->AppendToLast(Slice{bytes.bytes.substr(0, taken), bytes.block});
  }
  if (status == RequestTail::Status::kBad) error_ = tail_.error();
  if (status == RequestTail::Status::kDone) {
    complete_ = true;
    if (connection_ != nullptr && !answered_) connection_->EndOfLast();
  }
  return taken;
}

void Upload::OnAnswered() {
  answered_ = true;
  if (connection_ == nullptr) return;
  if (complete_ && connection_->ready() && connection_->idle() && connection_->unsent() == 0) {
    backend_->Return(connection_);
  } else {
    backend_->Discard(connection_);
  }
  connection_ = nullptr;
}

}  // namespace ringmaster
