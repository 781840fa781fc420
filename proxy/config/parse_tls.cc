#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "config/parse.h"

namespace ringmaster {
namespace {

// Reads the name of a PEM file and looks whether it is there, so that a wrong path is told by
// --test-config and not by the first client. Only looks: a pipe or a device would hang an open().
void ReadFileName(Section& section, Bytes key, std::string& out) {
  const YamlValue* value = section.FindText(key);
  if (value == nullptr) return;
  section.Read(key, out);
  if (out.empty()) {
    section.Complain(*value, key, "the file name is missing");
    return;
  }
  if (!section.problems().looks_at_files()) return;
  struct stat status {};
  if (stat(out.c_str(), &status) != 0 || access(out.c_str(), R_OK) != 0) {
    const int error = errno;
    section.Complain(*value, key,
                     fmt::format("cannot read '{}': {}", Printable(out), std::strerror(error)));
  } else if (!S_ISREG(status.st_mode)) {
    section.Complain(*value, key, fmt::format("'{}' is no file", Printable(out)));
  }
}

// Certificate and key go together.
void CheckPair(const Section& section, const TlsConfig& tls) {
  if (tls.certificate.empty() == tls.key.empty()) return;
  section.Complain(tls.certificate.empty() ? "a key needs its certificate: add cert"
                                           : "a certificate needs its key: add key");
}

}  // namespace

TlsConfig ParseListenerTls(const YamlValue& value, const std::string& path, Problems& problems) {
  TlsConfig tls;
  tls.enabled = true;
  tls.verify = false;
  Section section(&value, path, problems);
  section.Read("enabled", tls.enabled);
  ReadFileName(section, "cert", tls.certificate);
  ReadFileName(section, "key", tls.key);
  ReadFileName(section, "ca", tls.authorities);
  section.Read("verify_client", tls.verify);
  if (!tls.enabled) return {};
  CheckPair(section, tls);
  if (tls.certificate.empty() && tls.key.empty()) section.Complain("a listener needs cert and key");
  if (tls.verify && tls.authorities.empty()) {
    section.Complain("verify_client needs ca: who signs the clients' certificates");
  }
  return tls;
}

TlsConfig ParseShardTls(const YamlValue& value, const std::string& path, Problems& problems) {
  TlsConfig tls;
  tls.enabled = true;
  if (value.kind == YamlValue::Kind::kText && !value.quoted) {
    if (value.text == "false") return {};
    if (value.text == "true") return tls;
  }
  Section section(&value, path, problems);
  section.Read("enabled", tls.enabled);
  ReadFileName(section, "ca", tls.authorities);
  ReadFileName(section, "cert", tls.certificate);
  ReadFileName(section, "key", tls.key);
  section.Read("server_name", tls.server_name, 253);
  section.Read("verify", tls.verify);
  if (!tls.enabled) return {};
  CheckPair(section, tls);
  return tls;
}

}  // namespace ringmaster
