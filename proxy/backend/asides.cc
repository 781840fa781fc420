#include "backend/asides.h"

#include <utility>

#include "backend/connection.h"
#include "base/check.h"

namespace ringmaster {

class Asides::Aside final : public Exchange, private Sink {
 public:
  Aside(Asides& owner, Options options, Then then)
      : owner_(owner), nobody_waits_(options.nobody_waits), then_(std::move(then)) {
    sink = this;
    read_only = options.read_only;
  }

 private:
  const Exchange* Root(const Exchange&) const override { return nobody_waits_ ? nullptr : this; }
  void OnReplyPart(Exchange&, const Slice& part) override {
    if (then_) collected_.append(part.bytes);
  }
  void OnReply(Exchange&, const Slice& reply) override {
    if (in_parts && outcome != Outcome::kReplied) collected_.clear();  // the rest will not come
    if (then_) collected_.append(reply.bytes);
    const Outcome came = outcome;
    const Then then = std::move(then_);
    std::string collected = std::move(collected_);
    owner_.places_.Delete(this);
    if (then) then(came, std::move(collected));
  }

  Asides& owner_;
  const bool nobody_waits_;
  Then then_;
  std::string collected_;
};

Asides::Asides() : places_(kKept) {}

Asides::~Asides() { RM_DCHECK(places_.live() == 0); }

void Asides::Send(Connection& connection, const Slice& request, Options options, Then then) {
  Aside* aside = places_.New(*this, options, std::move(then));
  aside->request = request;
  connection.Send(*aside);
}

}  // namespace ringmaster
