#include "command/rows/all_rows.h"

#include <array>

#include "command/multikey/over_shards.h"
#include "command/script/handlers.h"
#include "command/whole/handlers.h"

namespace ringmaster {

CommandSet AllCommands() {
  static const std::array<Family, 19> kFamilies = {{{"Strings", StringFamily()},
                                                    {"Keys of any type", GenericFamily()},
                                                    {"Hashes", HashFamily()},
                                                    {"Lists", ListFamily()},
                                                    {"Sets", SetFamily()},
                                                    {"Sorted sets", SortedSetFamily()},
                                                    {"Streams", StreamFamily()},
                                                    {"Geo", GeoFamily()},
                                                    {"HyperLogLog", HyperloglogFamily()},
                                                    {"Bitmaps", BitmapFamily()},
                                                    {"Scripts and functions", ScriptingFamily()},
                                                    {"Transactions", TransactionsFamily()},
                                                    {"Publish and subscribe", PubsubFamily()},
                                                    {"Connection", ConnectionFamily()},
                                                    {"Server", ServerFamily()},
                                                    {"Access control", AclFamily()},
                                                    {"Debugging", DebugFamily()},
                                                    {"Redis Cluster", ClusterFamily()},
                                                    {"Ringmaster's own", ProxyFamily()}}};
  return {.families = kFamilies,
          .recipes = {.over_shards = OverShardsRecipe,
                      .isolated_read = IsolatedReadRecipe,
                      .not_over_shards = NotOverShardsRecipe,
                      .keys_said_by_shard = KeysSaidByShardRecipe,
                      .unknown_command = UnknownCommandRecipe,
                      .queue_unknown_command = QueueUnknownCommandRecipe,
                      .checked_script = CheckedScriptRecipe}};
}

}  // namespace ringmaster
