#include "resp/errors.h"

#include <algorithm>

namespace ringmaster::errors {
namespace {

// Redis cuts what it quotes of a request.
constexpr size_t kQuoted = 128;
constexpr Bytes kReplyTooLarge = "ERR the merged reply is larger than limits.reply_buffer (";

// An error is one line, whatever it quotes.
std::string Line(std::string text) {
  for (char& c : text) {
    if (c == '\r' || c == '\n') c = ' ';
  }
  return "-" + text + "\r\n";
}

std::string ToText(Bytes bytes) { return std::string(bytes); }

// What "%.*s" makes of it: at most `limit` bytes, up to the first NUL.
Bytes Quoted(Bytes bytes, size_t limit = kQuoted) {
  return bytes.substr(0, std::min(bytes.find('\0'), limit));
}

}  // namespace

std::string UnknownCommand(std::span<const Bytes> args) {
  std::string quoted;
  for (size_t i = 1; i < args.size() && quoted.size() < kQuoted; ++i) {
    const Bytes arg = Quoted(args[i], kQuoted - quoted.size());
    quoted.append("'").append(arg).append("' ");
  }
  const Bytes name = args.empty() ? Bytes() : Quoted(args[0]);
  return Line("ERR unknown command '" + ToText(name) + "', with args beginning with: " + quoted);
}

std::string UnknownSubcommand(Bytes command, Bytes subcommand) {
  return Line("ERR unknown subcommand '" + ToText(Quoted(subcommand)) + "'. Try " +
              Uppercase(command) + " HELP.");
}

std::string WrongArity(Bytes full_name) {
  return Line("ERR wrong number of arguments for '" + ToText(full_name) + "' command");
}

std::string Syntax() { return "-ERR syntax error\r\n"; }

std::string NotAnInteger() { return "-ERR value is not an integer or out of range\r\n"; }

std::string Protocol(Bytes text) { return Line("ERR " + ToText(text)); }

std::string DbOutOfRange() { return "-ERR DB index is out of range\r\n"; }

std::string InvalidDb() { return "-ERR invalid DB index\r\n"; }

std::string NoProto() { return "-NOPROTO unsupported protocol version\r\n"; }

std::string NoAuth() { return "-NOAUTH Authentication required.\r\n"; }

std::string HelloNeedsAuth() {
  return "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
         "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "
         "RESP protocol version at the same time\r\n";
}

std::string WrongPass() {
  return "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
}

std::string NoPasswordSet() {
  return "-ERR AUTH <password> called without any password configured for the default user. Are "
         "you sure your configuration is correct?\r\n";
}

std::string InvalidCursor() { return "-ERR invalid cursor\r\n"; }

std::string MaxClients() { return "-ERR max number of clients reached\r\n"; }

std::string Unblocked() { return "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"; }

std::string NoSuchClient() { return "-ERR No such client\r\n"; }

std::string OnlySubscriptions(Bytes full_name) {
  return "-ERR Can't execute '" + std::string(full_name) +
         "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
         "context\r\n";
}

std::string NotApplied(Bytes shard, Bytes why) {
  return Line("NOTAPPLIED shard " + ToText(shard) + ": " + ToText(why));
}

std::string Uncertain(Bytes shard, Bytes why) {
  return Line("UNCERTAIN shard " + ToText(shard) + ": " + ToText(why));
}

std::string Refused(Bytes command, Bytes why) {
  std::string name(command);
  for (char& c : name) c = c == '|' ? ' ' : ToUpper(c);
  return Line("ERR " + name + " " + ToText(why));
}

std::string ReservedKey(Bytes key) {
  return Line("ERR the key '" + Printable(key) +
              "' is reserved: keys under '__rm:' belong to the "
              "proxy");
}

std::string ManyShards(Bytes command) {
  std::string name(command);
  for (char& c : name) c = c == '|' ? ' ' : ToUpper(c);
  return Line("ERR " + name +
              " is served only when all of its keys live on one shard; give them a "
              "common hash tag, as in {user1}:a {user1}:b");
}

std::string ReplyTooLarge(uint64_t limit, Bytes effect) {
  return Line(std::string(kReplyTooLarge) + std::to_string(limit) + " bytes)" +
              std::string(effect.empty() ? "" : ", ") + std::string(effect) +
              "; ask for fewer keys at a time or raise the limit");
}

bool IsReplyTooLarge(Bytes reply) {
  return !reply.empty() && reply[0] == '-' && reply.substr(1).starts_with(kReplyTooLarge);
}

std::string RequestTooLarge(uint64_t limit) {
  return Line("ERR Protocol error: the request is larger than limits.query_buffer (" +
              std::to_string(limit) + " bytes)");
}

std::string OutOfMemory() {
  return "-NOTAPPLIED the proxy is at its memory limit (limits.memory); try again later\r\n";
}

std::string ShuttingDown() { return "-NOTAPPLIED the proxy is shutting down\r\n"; }

}  // namespace ringmaster::errors
