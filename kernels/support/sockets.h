// Sockets within this machine: TCP on 127.0.0.1 and Unix stream sockets, whole transfers, and the
// needs of kernels that use them. Nothing here listens on an address that another machine reaches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "core/need.h"

namespace headroom::sockets {

// A descriptor with an owner.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket();
  int fd() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void close() { Socket(std::move(*this)); }
  // Ends the connection both ways: whoever waits on either end is told that it is over.
  void shut() const;

 private:
  int fd_ = -1;
};

// Both ends of a connection.
struct Pair {
  Socket near, far;
};

// All throw std::system_error naming what failed.

// Listens on 127.0.0.1, at a port that the system chooses.
Socket listen_tcp(int backlog = 128);
std::uint16_t port_of(const Socket& listener);
Socket connect_tcp(std::uint16_t port);
// The next connection; an empty socket once the listener was shut.
Socket accept_from(const Socket& listener);
// Each small piece is sent at once, without waiting for the answer to the one before (Nagle's
// algorithm, RFC 896).
void no_delay(const Socket& socket, bool on = true);
Pair tcp_pair(bool no_delays = true);
Pair unix_pair();
// The system keeps messages apart: one send, one receive of the same size (SOCK_SEQPACKET).
Pair unix_packet_pair();

// All of it, over short transfers and signals; false where the other end has gone. `flags` are
// send(2)'s (MSG_MORE). The first `polls` looks for bytes don't sleep.
bool send_all(int fd, const void* from, std::size_t bytes, int flags = 0);
// The same of several parts, which the system gathers: one call where it takes all at once.
using Part = std::span<const unsigned char>;
bool send_parts(int fd, std::span<const Part> parts);
bool receive_all(int fd, void* to, std::size_t bytes, int polls = 0);
// What there is, at least a byte and at most `bytes`; 0 where the other end has gone.
std::size_t receive_some(int fd, void* to, std::size_t bytes, int polls = 0);

// Met where a message really goes through such a connection and back.
bool tcp_works();
bool unix_works();
bool unix_packets_work();
inline constexpr Need kTcp{"TCP on 127.0.0.1", tcp_works,
                           "allow this process sockets on the loopback interface"};
inline constexpr Need kUnix{"Unix sockets", unix_works, "allow this process Unix stream sockets"};
inline constexpr Need kUnixPackets{"Unix SOCK_SEQPACKET sockets", unix_packets_work,
                                   "a system that has them, and lets this process use them"};

}  // namespace headroom::sockets
