// Every error text of our own that a client can see, one function each, so that wording lives in
// one place. Redis's words where Redis has the error. Each returns the whole reply line with "-"
// and
// "\r\n". A shard's own error reply is data and passes untouched.
#pragma once

#include <span>
#include <string>

#include "base/bytes.h"

namespace ringmaster::errors {

// Redis's own.
std::string UnknownCommand(std::span<const Bytes> args);
std::string UnknownSubcommand(Bytes command, Bytes subcommand);
std::string WrongArity(Bytes full_name);  // "get", "client|setname"
std::string Syntax();
std::string NotAnInteger();
std::string Protocol(Bytes text);  // RequestParser::error()
std::string DbOutOfRange();
std::string InvalidDb();
std::string NoProto();
std::string NoAuth();
std::string HelloNeedsAuth();
std::string WrongPass();
std::string NoPasswordSet();
std::string InvalidCursor();
std::string MaxClients();
std::string NoSuchClient();
std::string Unblocked();                         // CLIENT UNBLOCK with ERROR
std::string OnlySubscriptions(Bytes full_name);  // a subscriber of RESP2 asked for something else

// Ours. docs/failures.md: -NOTAPPLIED surely did nothing, -UNCERTAIN may have been applied.
std::string NotApplied(Bytes shard, Bytes why);
std::string Uncertain(Bytes shard, Bytes why);
// A command that cannot make sense, or is not served, over many shards; `why` is a clause that
// says what to do instead.
std::string Refused(Bytes command, Bytes why);
std::string ReservedKey(Bytes key);     // a key under "__rm:"
std::string ManyShards(Bytes command);  // keys on several shards where one is needed
// `effect`: what became of the writes, if there were any.
std::string ReplyTooLarge(uint64_t limit, Bytes effect = {});
bool IsReplyTooLarge(Bytes reply);
std::string RequestTooLarge(uint64_t limit);
std::string OutOfMemory();
std::string ShuttingDown();

}  // namespace ringmaster::errors
