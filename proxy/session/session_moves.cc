// Clients that move between workers.
#include <algorithm>
#include <cstring>
#include <utility>

#include "session/session.h"

namespace ringmaster {
namespace {

// Unserved bytes are copied on the way; whoever has more of them is busy enough where it is.
constexpr size_t kMostCarried = 1024 * 1024;

}  // namespace

Session::Session(SessionContext& context, MovedClient& client)
    : context_(context),
      stream_(context.loop, std::exchange(client.fd, -1)),
      output_(context.blocks),
      queue_(context.requests, context.blocks),
      state_(std::move(client.state)),
      window_(context.windows) {
  if (state_.details != nullptr) state_.details->Charge(context.blocks);
  if (client.tls != nullptr) stream_.AdoptTls(std::move(client.tls));
  stream_.Attach(
      this, [](void* self) { static_cast<Session*>(self)->OnReadable(); },
      [](void* self) { static_cast<Session*>(self)->OnWritable(); });
  stream_.WatchHangup(true);
  if (!client.input.empty()) {
    BlockRef block = context.blocks.Allocate(std::max(client.input.size(), BlockPool::kSmall));
    std::memcpy(block.data(), client.input.data(), client.input.size());
    input_ = Input{std::move(block), 0, client.input.size()};
  }
  // No event of the socket announces these.
  if (!input_.empty() || stream_.HasBuffered()) context.line.Wake(*this);
}

void Session::SetLeaving(bool leaving) {
  if (closed_) return;
  leaving_ = leaving;
  UpdateReading();
  if (!leaving) Continue();
}

bool Session::quiet() const {
  return !closed_ && !tied() && queue_.empty() && output_.empty() &&
         input_.end - input_.begin <= kMostCarried && !barrier_ && !writing_ && stream_.AtRest();
}

std::shared_ptr<MovedClient> Session::Depart() {
  std::string input;
  if (!input_.empty()) input = input_.bytes();
  std::unique_ptr<TlsState> tls = stream_.ReleaseTls();
  Detach();
  if (state_.details != nullptr) state_.details->charge.Release();
  closed_ = closing_ = true;
  return std::make_shared<MovedClient>(stream_.Release(), std::move(tls), std::move(state_),
                                       std::move(input));
}

}  // namespace ringmaster
