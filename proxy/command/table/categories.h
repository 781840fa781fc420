// ACL's categories and the flags of commands, by the names that Redis gives them. Pure functions;
// any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "command/table/row.h"

namespace ringmaster {

// ACL's categories, in Redis's order, without "@".
std::span<const char* const> Categories();

// The categories as bits, in the order of Categories(). 0: there is no such category.
uint32_t CategoryBit(Bytes name);
// The row's own and those that follow from its flags, as Redis adds them.
uint32_t CategoriesOf(const Row& row);

struct FlagName {
  uint32_t flag;
  const char* name;
};
// Redis's flags as COMMAND INFO names them, in the order in which Redis lists them.
std::span<const FlagName> FlagNames();
// 0: it is none.
uint32_t RowFlagNamed(Bytes name);

// The words of a text, by single spaces.
std::vector<Bytes> Words(Bytes text);

}  // namespace ringmaster
