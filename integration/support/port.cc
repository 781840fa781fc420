#include "support/port.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

namespace ringmaster::integration {

Port::Port(bool ipv6) {
  fd_ = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  RM_CHECK(fd_ >= 0);
  const int on = 1;
  setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  setsockopt(fd_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  if (ipv6) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    socklen_t size = sizeof(address);
    RM_CHECK(bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    RM_CHECK(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    number_ = ntohs(address.sin6_port);
  } else {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    RM_CHECK(bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    RM_CHECK(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    number_ = ntohs(address.sin_port);
  }
}

Port::~Port() { close(fd_); }

}  // namespace ringmaster::integration
