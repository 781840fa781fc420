// The users of the configuration as the data plane checks them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "command/access/access.h"
#include "config/config.h"

namespace ringmaster {

// An error says which rule is wrong, such as patterns that contradict each other, and `key` gets
// the one of the user's keys that says it. A command that the rows do not know may be a shard's, so
// it is taken.
Result<std::shared_ptr<const AclUser>> MakeUser(const CommandTable& table, const UserConfig& config,
                                                std::string& key);
// Rules about such commands: a word that is spelt wrong forbids nothing.
std::vector<std::string> UnknownCommandsOf(const CommandTable& table, const UserConfig& config);
// Where some are configured, a default user that is not among them is off: clients have to log in.
void AddDefaultUser(const CommandTable& table, std::vector<std::shared_ptr<const AclUser>>& users);

}  // namespace ringmaster
