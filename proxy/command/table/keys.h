// Finding the keys in a command's arguments by its row.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "command/table/row.h"

namespace ringmaster {

// Whether the row has keys at all, whatever the arguments.
bool HasKeys(const Row& row);

// Both take any arguments, also fewer than the row's arity says, and find no position behind them.

// Appends the positions of the keys in args: those that decide where the call goes. False when the
// arguments make no sense (a count that is no number or reaches behind the end): a shard shall say
// so in its own words. Keys that only the server can name are not among them.
bool FindKeys(const Row& row, std::span<const Bytes> args, std::vector<uint32_t>& positions);
bool FindKeys(const Row& row, std::span<const Bytes> args, FoundKeys& found);

// The keys as COMMAND GETKEYS names them: the same for every call that its command accepts, but by
// Redis's rules also where the arguments make no sense. None: Redis calls them invalid.
void ListKeys(const Row& row, std::span<const Bytes> args, FoundKeys& found);

// Finders of rows; each is named after its command.
void BitfieldKeys(std::span<const Bytes> args, FoundKeys& found);
void GeoradiusKeys(std::span<const Bytes> args, FoundKeys& found);
void GeoradiusByMemberKeys(std::span<const Bytes> args, FoundKeys& found);
void MigrateKeys(std::span<const Bytes> args, FoundKeys& found);
void SetKeys(std::span<const Bytes> args, FoundKeys& found);
void SortKeys(std::span<const Bytes> args, FoundKeys& found);
void SortRoKeys(std::span<const Bytes> args, FoundKeys& found);
void XreadKeys(std::span<const Bytes> args, FoundKeys& found);

// Goes through SORT's options as the command does: `see` gets each of GET, BY and STORE, and the
// position of the word behind it.
void EachSortOption(std::span<const Bytes> args,
                    const std::function<void(Bytes option, size_t value)>& see);
// Of them the patterns of GET and BY that name keys: without a star ("#", "nosort") they name none.
void EachSortPattern(std::span<const Bytes> args, const std::function<void(Bytes pattern)>& see);

// What rows make exceptions of.
// XREAD and XREADGROUP with BLOCK, or with streams of several shards.
bool ReadsInSteps(std::span<const Bytes> args, const Topology& topology);
// SORT and SORT_RO with a BY or GET pattern; with one that may name keys of other shards, or the
// proxy's own.
bool HasPattern(std::span<const Bytes> args);
bool HasForeignPattern(std::span<const Bytes> args, const Topology& topology);

}  // namespace ringmaster
