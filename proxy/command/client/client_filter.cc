#include "command/client/client_filter.h"

#include <algorithm>

#include "command/access/access_control.h"
#include "command/access/describe_client.h"
#include "command/call/proxy.h"
#include "command/call/push_client.h"
#include "resp/errors.h"

namespace ringmaster {
namespace {

// Letters that a server shows for a client in flags= and capa=.
constexpr Bytes kFlagLetters = "OSMPxbtRBdcuAUreTICN";
constexpr Bytes kCapabilityLetters = "r";

bool KnownType(Bytes type) {
  return EqualsIgnoreCase(type, "normal") || EqualsIgnoreCase(type, "master") ||
         EqualsIgnoreCase(type, "replica") || EqualsIgnoreCase(type, "slave") ||
         EqualsIgnoreCase(type, "primary") || EqualsIgnoreCase(type, "pubsub");
}

// "127.0.0.1:5" and "[::1]:5" without the port.
Bytes IpOf(Bytes address) {
  const Bytes ip = address.substr(0, address.rfind(':'));
  return ip.starts_with('[') && ip.ends_with(']') ? ip.substr(1, ip.size() - 2) : ip;
}

bool HasAll(Bytes letters, Bytes wanted) {
  return std::all_of(wanted.begin(), wanted.end(),
                     [letters](char letter) { return letters.find(letter) != Bytes::npos; });
}

std::string ErrorReply(const std::string& text) { return "-ERR " + text + "\r\n"; }

}  // namespace

struct ClientFilter::Option {
  Bytes name;
  What what;
  bool may_be_negated = true;
};

const ClientFilter::Option* ClientFilter::Find(Bytes name, bool& negated) {
  static constexpr Option kOptions[] = {
      {"id", What::kId},
      {"maxage", What::kMaxAge, false},
      {"idle", What::kIdle, false},
      {"type", What::kType},
      {"addr", What::kAddress},
      {"laddr", What::kLocalAddress},
      {"ip", What::kIp},
      {"user", What::kUser},
      {"name", What::kName},
      {"lib-name", What::kLibraryName},
      {"lib-ver", What::kLibraryVersion},
      {"db", What::kDatabase},
      {"flags", What::kFlags},
      {"capa", What::kCapabilities},
  };
  negated = name.size() > 4 && EqualsIgnoreCase(name.substr(0, 4), "not-");
  if (negated) name.remove_prefix(4);
  const auto* const found =
      std::find_if(std::begin(kOptions), std::end(kOptions),
                   [name](const Option& option) { return EqualsIgnoreCase(name, option.name); });
  return found == std::end(kOptions) || (negated && !found->may_be_negated) ? nullptr : found;
}

ClientFilter ClientFilter::OfId(uint64_t id) {
  ClientFilter filter;
  filter.Add({.what = What::kId, .ids = {id}});
  return filter;
}

ClientFilter ClientFilter::OfAddress(Bytes address) {
  ClientFilter filter;
  filter.Add({.what = What::kAddress, .text = std::string(address)});
  return filter;
}

void ClientFilter::Add(Condition condition) {
  for (Condition& each : conditions_) {
    if (each.what != condition.what || each.negated != condition.negated) continue;
    condition.ids.insert(condition.ids.end(), each.ids.begin(), each.ids.end());
    each = std::move(condition);
    return;
  }
  conditions_.push_back(std::move(condition));
}

std::string ClientFilter::Read(std::span<const Bytes> options, const AccessControl& access,
                               Dialect dialect) {
  for (size_t at = 0; at < options.size();) {
    bool negated = false;
    const Option* const option = Find(options[at], negated);
    const bool skips = EqualsIgnoreCase(options[at], "skipme");
    if ((option == nullptr && !skips) || at + 1 == options.size()) return errors::Syntax();
    const Bytes value = options[at + 1];
    if (skips) {
      skip_me_ = EqualsIgnoreCase(value, "yes");
      if (!*skip_me_ && !EqualsIgnoreCase(value, "no")) return errors::Syntax();
      at += 2;
      continue;
    }
    Condition condition{.what = option->what, .negated = negated};
    size_t used = 1;
    std::string wrong = option->what == What::kId
                            ? ReadIds(options.subspan(at + 1), used, dialect, condition.ids)
                            : ReadValue(value, access, *option, condition);
    if (!wrong.empty()) return wrong;
    Add(std::move(condition));
    at += 1 + used;
  }
  return "";
}

// One or more, up to a word that is none. REQUIRES: `words` is not empty.
std::string ClientFilter::ReadIds(std::span<const Bytes> words, size_t& used, Dialect dialect,
                                  std::vector<uint64_t>& ids) {
  const std::string wrong = ErrorReply("client-id should be greater than 0");
  for (used = 0; used < words.size(); ++used) {
    const std::optional<int64_t> id = ParseInteger(words[used]);
    bool negated = false;
    if (!id && used > 0 && Find(words[used], negated) != nullptr) break;
    if (!id && used > 0 && EqualsIgnoreCase(words[used], "skipme")) break;
    if (!id && dialect == Dialect::kRedisList) return ErrorReply("Invalid client ID");
    if (!id && (used > 0 || dialect == Dialect::kValkey)) return errors::Syntax();
    // Redis's LIST looks for any.
    if (!id || (*id <= 0 && dialect != Dialect::kRedisList)) return wrong;
    ids.push_back(static_cast<uint64_t>(*id));
  }
  return "";
}

std::string ClientFilter::ReadValue(Bytes value, const AccessControl& access, const Option& option,
                                    Condition& condition) {
  const std::string said(value), name(option.name);
  condition.text = said;
  switch (option.what) {
    case What::kMaxAge:
    case What::kIdle: {
      const std::optional<int64_t> number = ParseInteger(value);
      if (!number) return ErrorReply(name + " is not an integer or out of range");
      if (*number <= 0) return ErrorReply(name + " should be greater than 0");
      condition.number = *number;
      return "";
    }
    case What::kDatabase: {
      const std::optional<int64_t> number = ParseInteger(value);
      if (!number || *number < 0) return ErrorReply("DB is not an integer or out of range");
      condition.number = *number;
      return "";
    }
    case What::kType:
      return KnownType(value) ? "" : ErrorReply("Unknown client type '" + said + "'");
    case What::kUser:
      return access.Find(value) ? "" : ErrorReply("No such user '" + said + "'");
    case What::kFlags:
      if (HasAll(kFlagLetters, value)) return "";
      return ErrorReply("Unknown flags found in the provided filter: " + said);
    case What::kCapabilities:
      if (HasAll(kCapabilityLetters, value)) return "";
      return ErrorReply("Unknown capa found in the provided filter: " + said);
    case What::kId:
    case What::kAddress:
    case What::kLocalAddress:
    case What::kIp:
    case What::kName:
    case What::kLibraryName:
    case What::kLibraryVersion:
      return "";
  }
  return "";
}

bool ClientFilter::Holds(const Condition& condition, ClientView& client, TimePoint now) {
  const ClientState& state = client.state();
  const auto seconds = [now](TimePoint since) { return Milliseconds(now - since) / 1000; };
  static const ClientState::Details kNone;
  const ClientState::Details& details = state.details == nullptr ? kNone : *state.details;
  switch (condition.what) {
    case What::kId:
      return std::find(condition.ids.begin(), condition.ids.end(), state.id) != condition.ids.end();
    case What::kMaxAge:
      return seconds(state.connected_at) >= condition.number;
    case What::kIdle:
      return seconds(state.last_active_at) >= condition.number;
    case What::kType: {
      const bool subscriber = state.push != nullptr && state.push->subscriber();
      return EqualsIgnoreCase(condition.text, subscriber ? "pubsub" : "normal");
    }
    case What::kAddress:
      return condition.text == client.address();
    case What::kLocalAddress:
      return condition.text == client.local_address();
    case What::kIp:
      return condition.text == IpOf(client.address());
    case What::kUser:
      return condition.text == UserName(state);
    case What::kName:
      return condition.text == details.name;
    case What::kLibraryName:
      return condition.text == details.lib_name;
    case What::kLibraryVersion:
      return condition.text == details.lib_version;
    case What::kDatabase:
      return condition.number == state.database;
    case What::kFlags:
      return HasAll(FlagsOf(state), condition.text);
    case What::kCapabilities:
      return HasAll(CapabilitiesOf(state), condition.text);
  }
  return false;
}

bool ClientFilter::Matches(ClientView& client, TimePoint now) const {
  if (except_ && *except_ == client.state().id) return false;
  return std::all_of(conditions_.begin(), conditions_.end(), [&](const Condition& condition) {
    return Holds(condition, client, now) != condition.negated;
  });
}

}  // namespace ringmaster
