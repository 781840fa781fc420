// What the texts of replies say, for clients that write histories down.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ringmaster::histories {

int64_t Nanoseconds();  // now

// Errors of a shard that did nothing.
bool Refused(const std::string& reply);

// The first number; 0: none.
int64_t Number(const std::string& reply);

// All numbers between quotes or behind "(integer)".
std::vector<uint32_t> Numbers(const std::string& reply);

// What is between quotes.
std::vector<std::string> Strings(const std::string& reply);

std::string Key(const char* kind, uint32_t number);

}  // namespace ringmaster::histories
