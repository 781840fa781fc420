#include "server/shard_tls.h"

#include <algorithm>

namespace ringmaster {
namespace {

bool SameFiles(const TlsConfig& a, const TlsConfig& b) {
  return a.certificate == b.certificate && a.key == b.key && a.authorities == b.authorities &&
         a.verify == b.verify;
}

}  // namespace

TlsOptions OptionsOf(const TlsConfig& tls) {
  return {tls.certificate, tls.key, tls.authorities, tls.verify};
}

std::shared_ptr<TlsContext> ShardTls::Find(const TlsConfig& tls) const {
  const auto at = std::find_if(made_.begin(), made_.end(),
                               [&](const auto& each) { return SameFiles(each.first, tls); });
  return at == made_.end() ? nullptr : at->second;
}

Status ShardTls::Add(const TlsConfig& tls) {
  if (!tls.enabled || Find(tls) != nullptr) return Done();
  auto made = TlsContext::Client(OptionsOf(tls));
  if (!made) return made.error();
  made_.emplace_back(tls, std::move(*made));
  return Done();
}

Result<std::shared_ptr<TlsContext>> ShardTls::For(const TlsConfig& tls) const {
  if (!tls.enabled) return std::shared_ptr<TlsContext>();
  if (auto made = Find(tls)) return made;
  return TlsContext::Client(OptionsOf(tls));
}

}  // namespace ringmaster
