// The users of the configuration as the data plane checks them.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "command/access.h"
#include "config/config.h"

namespace ringmaster {

// Empty without configured users. With some, a default user that is not among them is off: clients
// have to log in. An error names a rule that makes no sense, such as a category that does not
// exist; a command that the rows do not know may be a shard's, so it is taken and said in the log.
Result<std::vector<std::shared_ptr<const AclUser>>> MakeUsers(const CommandTable& table,
                                                              const PoolConfig& pool);

}  // namespace ringmaster
