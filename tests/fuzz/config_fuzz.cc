// Any text is a configuration or an error that says something, and never a crash or an exception.
// What is accepted reads back from its dump as the same configuration, but for bytes that are not
// UTF-8, which the dump says as U+FFFD.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "config/config.h"
#include "config/dump.h"

using ringmaster::Bytes;
using ringmaster::Config;
using ringmaster::Result;

namespace {

void Require(bool condition, const char* what, const std::string& text) {
  if (condition) return;
  std::fprintf(stderr, "%s\n%s\n", what, text.c_str());
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Result<Config> config =
      ringmaster::ParseConfig(Bytes(reinterpret_cast<const char*>(data), size), "input");
  if (!config) {
    Require(config.error().text.starts_with("input:"), "an error without its place",
            config.error().text);
    return 0;
  }
  const std::string dump = ringmaster::DumpConfig(*config, ringmaster::Secrets::kShown);
  if (dump.find("\\ufffd") != std::string::npos) return 0;
  const Result<Config> again = ringmaster::ParseConfig(dump, "dump");
  Require(again.ok(), "the dump is refused", dump + (again ? "" : again.error().text));
  Require(*again == *config, "the dump reads back differently", dump);
  Require(!ringmaster::DumpConfig(*config).empty(), "the redacted dump is empty", dump);
  return 0;
}
