#include "command/serve/renew_users.h"

#include <algorithm>

#include "command/access/access_control.h"
#include "command/serve/recipe.h"

namespace ringmaster {

Task<void> RenewUsers(RecipeCall& call, std::vector<std::string> names) {
  AccessControl& access = call.context().proxy.access();
  const uint64_t self = call.client_id();
  // Named before it is awaited: GCC 12 destroys a lambda in an awaited expression twice.
  const Proxy::Visit renew = [&access, names, self](WorkerView& worker, std::string&) {
    worker.EachClient([&](ClientView& client) {
      const std::string name = UserName(client.state());
      if (std::find(names.begin(), names.end(), name) == names.end()) return;
      RenewUser(access, client, client.state().id == self);
    });
  };
  co_await call.VisitWorkers(renew);
}

}  // namespace ringmaster
