// How whoever waits on behalf of a client knows it: a reference that is empty from the moment on in
// which the client leaves. Nothing that outlives a turn of the loop keeps a plain one.
//
// Owner: whoever waits, on the client's worker. Waiting costs no allocation.
#pragma once

#include "base/check.h"

namespace ringmaster {

class ClientRef;
struct ClientState;

// The references to one client: a part of its state.
class ClientRefs {
 public:
  ClientRefs() = default;
  // A client that goes to another worker takes none along: nothing of it waits then.
  ClientRefs([[maybe_unused]] ClientRefs&& other) noexcept { RM_DCHECK(other.first_ == nullptr); }
  ClientRefs& operator=([[maybe_unused]] ClientRefs&& other) noexcept {
    RM_DCHECK(first_ == nullptr && other.first_ == nullptr);
    return *this;
  }
  ~ClientRefs() { Forget(); }

  // The client has left: all of them are empty.
  inline void Forget();

 private:
  friend class ClientRef;
  ClientRef* first_ = nullptr;
};

class ClientRef {
 public:
  // `refs` are those of `client`.
  ClientRef(ClientState& client, ClientRefs& refs)
      : client_(&client), refs_(&refs), next_(refs.first_) {
    if (next_ != nullptr) next_->previous_ = this;
    refs.first_ = this;
  }
  ~ClientRef() { Leave(); }
  ClientRef(const ClientRef&) = delete;
  ClientRef& operator=(const ClientRef&) = delete;

  // nullptr: it is gone.
  ClientState* get() const { return client_; }

 private:
  friend class ClientRefs;
  void Leave() {
    if (client_ == nullptr) return;
    (previous_ != nullptr ? previous_->next_ : refs_->first_) = next_;
    if (next_ != nullptr) next_->previous_ = previous_;
    client_ = nullptr;
  }

  ClientState* client_;
  ClientRefs* refs_;
  ClientRef* next_;
  ClientRef* previous_ = nullptr;
};

void ClientRefs::Forget() {
  while (first_ != nullptr) first_->Leave();
}

}  // namespace ringmaster
