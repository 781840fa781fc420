// What COMMAND and its subcommands say of commands, from their rows, as a Redis 7.0 says it. Pure
// functions; the commands themselves are in command/handlers.h.
#pragma once

#include <span>
#include <vector>

#include "base/bytes.h"
#include "command/table.h"
#include "resp/reply_writer.h"

namespace ringmaster {

class ModuleCommands;

// COMMAND INFO of one command, its subcommands included. nullptr or a hidden one: null.
void WriteCommandInfo(const Command* command, ReplyWriter& out);

// Where `modules` are given, commands that they know are there too.
// COMMAND GETKEYS of a full command, or COMMAND GETKEYSANDFLAGS. REQUIRES: args is not empty.
void WriteCommandKeys(const CommandTable& table, std::span<const Bytes> args, bool with_flags,
                      ReplyWriter& out, const ModuleCommands* modules = nullptr);

// COMMAND LIST. `filter` is what stands behind it: nothing, or FILTERBY kind value.
void WriteCommandList(const CommandTable& table, std::span<const Bytes> filter, ReplyWriter& out,
                      const ModuleCommands* modules = nullptr);

// ACL's categories, in Redis's order, without "@".
std::span<const char* const> Categories();

// The categories as bits, in the order of Categories(). 0: there is no such category.
uint32_t CategoryBit(Bytes name);
// The row's own and those that follow from its flags, as Redis adds them.
uint32_t CategoriesOf(const Row& row);

// One of Redis's flags as COMMAND INFO names it; 0: it is none.
uint32_t RowFlagNamed(Bytes name);

// Commands that only shards know, or the operator added, in a category.
std::vector<Bytes> NamesInCategory(const CommandTable& table, const ModuleCommands* modules,
                                   uint32_t category);

}  // namespace ringmaster
