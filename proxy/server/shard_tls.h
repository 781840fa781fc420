// TLS towards the shards: the certificates that a configuration names, read once when it is taken,
// so that nothing that is made of it later can fail for a file that is gone by then.
//
// Immutable once made; any thread.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "net/tls.h"

namespace ringmaster {

TlsOptions OptionsOf(const TlsConfig& tls);

class ShardTls {
 public:
  // Reads the files. Shards with the same ones share a context.
  Status Add(const TlsConfig& tls);
  // nullptr without TLS. What was not added is read now.
  Result<std::shared_ptr<TlsContext>> For(const TlsConfig& tls) const;

 private:
  std::shared_ptr<TlsContext> Find(const TlsConfig& tls) const;

  std::vector<std::pair<TlsConfig, std::shared_ptr<TlsContext>>> made_;
};

}  // namespace ringmaster
