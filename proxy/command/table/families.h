// The families of commands: each file has the rows of one and this function that shows them.
// AllCommands (command/rows/all_rows.h) lists them; nothing registers itself.
#pragma once

#include <span>

#include "command/table/row.h"

namespace ringmaster {

std::span<const Row> AclFamily();
std::span<const Row> BitmapFamily();
std::span<const Row> ClusterFamily();
std::span<const Row> ConnectionFamily();
std::span<const Row> DebugFamily();
std::span<const Row> GenericFamily();
std::span<const Row> GeoFamily();
std::span<const Row> HashFamily();
std::span<const Row> HyperloglogFamily();
std::span<const Row> ListFamily();
std::span<const Row> ProxyFamily();
std::span<const Row> PubsubFamily();
std::span<const Row> ScriptingFamily();
std::span<const Row> ServerFamily();
std::span<const Row> SetFamily();
std::span<const Row> SortedSetFamily();
std::span<const Row> StreamFamily();
std::span<const Row> StringFamily();
std::span<const Row> TransactionsFamily();

struct Family {
  const char* title;
  std::span<const Row> rows;
};

}  // namespace ringmaster
