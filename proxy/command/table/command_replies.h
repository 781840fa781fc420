// What COMMAND and its subcommands say of commands, from their rows, as a Redis 7.0 says it. Pure
// functions; the commands themselves are in command/whole/introspection.cc.
#pragma once

#include <span>
#include <vector>

#include "base/bytes.h"
#include "command/table/table.h"
#include "resp/reply_writer.h"

namespace ringmaster {

class ModuleCommands;

// COMMAND INFO of one command, its subcommands included. nullptr or a hidden one: null. Here and
// below: where `modules` are given, commands and arities that they know are there, too.
void WriteCommandInfo(const Command* command, ReplyWriter& out,
                      const ModuleCommands* modules = nullptr);

// COMMAND GETKEYS of a full command, or COMMAND GETKEYSANDFLAGS. REQUIRES: args is not empty.
void WriteCommandKeys(const CommandTable& table, std::span<const Bytes> args, bool with_flags,
                      ReplyWriter& out, const ModuleCommands* modules = nullptr);

// COMMAND: all that are not hidden; COMMAND COUNT: how many these are.
void WriteCommands(const CommandTable& table, ReplyWriter& out, const ModuleCommands* modules);
size_t CountCommands(const CommandTable& table, const ModuleCommands* modules);

// COMMAND LIST. `filter` is what stands behind it: nothing, or FILTERBY kind value.
void WriteCommandList(const CommandTable& table, std::span<const Bytes> filter, ReplyWriter& out,
                      const ModuleCommands* modules = nullptr);

// Commands that only shards know, or the operator added, in a category.
std::vector<Bytes> NamesInCategory(const CommandTable& table, const ModuleCommands* modules,
                                   uint32_t category);

}  // namespace ringmaster
