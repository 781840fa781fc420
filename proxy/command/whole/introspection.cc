// COMMAND and its subcommands.
#include "command/call/call.h"
#include "command/table/command_replies.h"
#include "command/table/learned_rows.h"
#include "command/whole/handlers.h"

namespace ringmaster {

void CommandAll(Call& call, ReplyWriter& out) {
  WriteCommands(call.context.table, out, call.context.modules);
}

void CommandCount(Call& call, ReplyWriter& out) {
  out.Integer(static_cast<int64_t>(CountCommands(call.context.table, call.context.modules)));
}

void CommandInfo(Call& call, ReplyWriter& out) {
  if (call.args.size() == 2) return WriteCommands(call.context.table, out, call.context.modules);
  out.Array(call.args.size() - 2);
  for (const Bytes name : call.args.subspan(2)) {
    const Command* command = call.context.table.FindByName(name);
    if (command == nullptr && call.context.modules != nullptr) {
      command = call.context.modules->Known(name);
    }
    WriteCommandInfo(command, out, call.context.modules);
  }
}

void CommandList(Call& call, ReplyWriter& out) {
  WriteCommandList(call.context.table, call.args.subspan(2), out, call.context.modules);
}

void CommandGetKeys(Call& call, ReplyWriter& out) {
  WriteCommandKeys(call.context.table, call.args.subspan(2), false, out, call.context.modules);
}

void CommandGetKeysAndFlags(Call& call, ReplyWriter& out) {
  WriteCommandKeys(call.context.table, call.args.subspan(2), true, out, call.context.modules);
}

void CommandHelp(Call& call, ReplyWriter& out) {
  static constexpr Bytes kLines[] = {
      "(no subcommand)",
      "    Return details about all Redis commands.",
      "COUNT",
      "    Return the total number of commands in this Redis server.",
      "LIST",
      "    Return a list of all commands in this Redis server.",
      "INFO [<command-name> ...]",
      "    Return details about multiple Redis commands.",
      "    If no command names are given, documentation details for all",
      "    commands are returned.",
      "DOCS [<command-name> ...]",
      "    Return documentation details about multiple Redis commands.",
      "    If no command names are given, documentation details for all",
      "    commands are returned.",
      "GETKEYS <full-command>",
      "    Return the keys from a full Redis command.",
      "GETKEYSANDFLAGS <full-command>",
      "    Return the keys and the access flags from a full Redis command.",
      "HELP",
      "    Prints this help.",
  };
  out.Array(std::size(kLines) + 1);
  out.Simple(Uppercase(call.args[0]) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
  for (const Bytes line : kLines) out.Simple(line);
}

}  // namespace ringmaster
