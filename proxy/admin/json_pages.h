// The JSON pages under /api, from one Overview each.
#pragma once

#include <span>
#include <string>

#include "admin/overview.h"

namespace ringmaster {

struct JsonPage {
  const char* path;  // "/api/status"
  const char* says;  // for the list of pages
  bool with_sagas;   // needs Overview::open_sagas
  std::string (*make)(const Overview& overview);
};

std::span<const JsonPage> JsonPages();

}  // namespace ringmaster
