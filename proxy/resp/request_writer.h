// Writes requests to shards: arrays of bulks. Appends to a string of the caller's.
#pragma once

#include <initializer_list>
#include <span>
#include <string>

#include "base/bytes.h"

namespace ringmaster {

void AppendRequestHeader(std::string& out, size_t args);
void AppendRequestArg(std::string& out, Bytes arg);
void AppendRequest(std::string& out, std::span<const Bytes> args);
std::string MakeRequest(std::initializer_list<Bytes> args);
std::string MakeRequest(std::span<const Bytes> args);

// How many bytes AppendRequest would add.
size_t RequestSize(std::span<const Bytes> args);

}  // namespace ringmaster
