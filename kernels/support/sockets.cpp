#include "support/sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <system_error>

namespace headroom::sockets {
namespace {

void require(bool fine, const char* what) {
  if (!fine) throw std::system_error(errno, std::generic_category(), what);
}

#ifdef SOCK_CLOEXEC
constexpr int kStream = SOCK_STREAM | SOCK_CLOEXEC;
constexpr int kPackets = SOCK_SEQPACKET | SOCK_CLOEXEC;
#else
constexpr int kStream = SOCK_STREAM;
constexpr int kPackets = SOCK_SEQPACKET;
#endif
#ifdef MSG_NOSIGNAL
constexpr int kNoSignal = MSG_NOSIGNAL;
#else
constexpr int kNoSignal = 0;
#endif

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

Socket opened_tcp() {
  Socket made(socket(AF_INET, kStream, 0));
  require(static_cast<bool>(made), "socket for 127.0.0.1");
  return made;
}

Pair unix_pair_of(int type) {
  int ends[2];
  require(socketpair(AF_UNIX, type, 0, ends) == 0, "socketpair");
  return {Socket(ends[0]), Socket(ends[1])};
}

// Whether `pair` carries a message to the other end and back.
template <class Make>
bool carries(Make make) {
  try {
    const Pair pair = make();
    const char sent = 'h';
    char got = 0, back = 0;
    return send_all(pair.near.fd(), &sent, 1) && receive_all(pair.far.fd(), &got, 1) &&
           send_all(pair.far.fd(), &got, 1) && receive_all(pair.near.fd(), &back, 1) &&
           back == sent;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

void Socket::shut() const { shutdown(fd_, SHUT_RDWR); }

Socket listen_tcp(int backlog) {
  Socket listener = opened_tcp();
  const sockaddr_in address = loopback(0);
  require(bind(listener.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
              listen(listener.fd(), backlog) == 0,
          "listen on 127.0.0.1");
  return listener;
}

std::uint16_t port_of(const Socket& listener) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  require(getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&address), &length) == 0,
          "getsockname");
  return ntohs(address.sin_port);
}

Socket connect_tcp(std::uint16_t port) {
  Socket made = opened_tcp();
  const sockaddr_in address = loopback(port);
  require(connect(made.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
          "connect to 127.0.0.1");
  return made;
}

Socket accept_from(const Socket& listener) {
  for (;;) {
#ifdef SOCK_CLOEXEC
    const int fd = accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC);
#else
    const int fd = accept(listener.fd(), nullptr, nullptr);
#endif
    if (fd >= 0) return Socket(fd);
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EINVAL) return {};  // the listener was shut
    require(false, "accept on 127.0.0.1");
  }
}

void no_delay(const Socket& socket, bool on) {
  const int value = on ? 1 : 0;
  require(setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &value, sizeof value) == 0,
          "TCP_NODELAY");
}

Pair tcp_pair(bool no_delays) {
  const Socket listener = listen_tcp(1);
  Pair pair;
  pair.near = connect_tcp(port_of(listener));
  pair.far = accept_from(listener);
  for (const Socket* end : {&pair.near, &pair.far}) no_delay(*end, no_delays);
  return pair;
}

Pair unix_pair() { return unix_pair_of(kStream); }
Pair unix_packet_pair() { return unix_pair_of(kPackets); }

bool send_all(int fd, const void* from, std::size_t bytes, int flags) {
  const auto* data = static_cast<const char*>(from);
  while (bytes != 0) {
    const ssize_t sent = send(fd, data, bytes, kNoSignal | flags);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    data += sent;
    bytes -= static_cast<std::size_t>(sent);
  }
  return true;
}

bool send_parts(int fd, std::span<const Part> parts) {
  std::array<iovec, 16> block;
  std::size_t done = 0;  // bytes of the first part
  while (!parts.empty()) {
    const std::size_t count = std::min(parts.size(), block.size());
    for (std::size_t i = 0; i < count; ++i) {
      const Part part = parts[i].subspan(i == 0 ? done : 0);
      block[i] = {const_cast<unsigned char*>(part.data()), part.size()};  // only read
    }
    msghdr message{};
    message.msg_iov = block.data();
    message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(count);
    const ssize_t sent = sendmsg(fd, &message, kNoSignal);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    done += static_cast<std::size_t>(sent);
    for (; !parts.empty() && done >= parts[0].size(); parts = parts.subspan(1))
      done -= parts[0].size();
  }
  return true;
}

std::size_t receive_some(int fd, void* to, std::size_t bytes, int polls) {
  for (;;) {
    const ssize_t got = recv(fd, to, bytes, polls-- > 0 ? MSG_DONTWAIT : 0);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    return got <= 0 ? 0 : static_cast<std::size_t>(got);
  }
}

bool receive_all(int fd, void* to, std::size_t bytes, int polls) {
  auto* data = static_cast<char*>(to);
  while (bytes != 0) {
    const std::size_t got = receive_some(fd, data, bytes, polls);
    if (got == 0) return false;
    data += got;
    bytes -= got;
  }
  return true;
}

bool tcp_works() {
  static const bool works = carries([] { return tcp_pair(); });
  return works;
}
bool unix_works() {
  static const bool works = carries([] { return unix_pair(); });
  return works;
}

bool unix_packets_work() {
  static const bool works = carries([] { return unix_packet_pair(); });
  return works;
}

}  // namespace headroom::sockets
