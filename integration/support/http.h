// One HTTP request over a connection of its own.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

#include "support/client.h"

namespace ringmaster::integration {

struct HttpReply {
  int status = 0;  // 0: no connection, or no answer
  std::string head;
  std::string body;
};

inline HttpReply HttpGet(const Address& address, const std::string& path,
                         const std::string& host = "localhost") {
  HttpReply reply;
  Client client(address);
  if (!client.connected()) return reply;
  client.Send("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
  std::string all = client.ReadToEnd();
  if (all.ends_with("<closed>")) all.resize(all.size() - 8);
  const size_t end = all.find("\r\n\r\n");
  if (!all.starts_with("HTTP/1.1 ") || end == std::string::npos) return reply;
  reply.status = std::atoi(all.c_str() + 9);
  reply.head = all.substr(0, end);
  reply.body = all.substr(end + 4);
  return reply;
}
inline HttpReply HttpGet(uint16_t port, const std::string& path) {
  return HttpGet(Address{Address::kTcp, "127.0.0.1", port, ""}, path);
}

}  // namespace ringmaster::integration
