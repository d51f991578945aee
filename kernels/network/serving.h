// What the servers of network/server have in common beside their answers (http_conversation.h): a
// listener, sockets with an owner, and the count of their system calls.
//
// A server is made of const Items&, has port() and system_calls(), and serves on core 1 from then
// on. Its destructor ends the listener, which is the signal to stop, and returns when its threads
// have ended and its connections are closed.
#pragma once

#ifdef __linux__
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "core/need.h"
#include "network/http_conversation.h"
#include "support/sockets.h"

namespace headroom::serving {

// What is read at a time: a client's sixteen requests and more.
inline constexpr std::size_t kRead = 16384;

// Counted by the threads of a server, on one core; read by others.
class SystemCalls {
 public:
  void count() { made_.fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t made() const { return made_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> made_ = 0;
};

class Listener {
 public:
  // What accept() gives where it gives no connection.
  enum : int { kNone = -1, kShut = -2 };

  const sockets::Socket& socket() const { return socket_; }
  int fd() const { return socket_.fd(); }
  std::uint16_t port() const { return sockets::port_of(socket_); }
  void shut() const { socket_.shut(); }
  // The next connection, which sends small pieces at once. `flags` are accept4's.
  int accept(int flags = 0) {
    for (;;) {
      const int fd = accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC | flags);
      if (fd >= 0) {
        at_once(fd);
        return fd;
      }
      if (errno == EAGAIN) return kNone;
      if (errno == EINVAL) return kShut;
      if (errno == EMFILE || errno == ENFILE) turn_away();
    }
  }
  // With no descriptor left a connection would wait, and the listener stay ready, for ever: the one
  // kept for this lets it in and out.
  void turn_away() {
    // There may be none: the system looks for a descriptor first.
    pollfd waits{socket_.fd(), POLLIN, 0};
    if (poll(&waits, 1, 10) <= 0) return;
    spare_.close();
    sockets::Socket refused(accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    refused.close();
    spare_ = sockets::Socket(open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  // As sockets::no_delay, but a connection that has ended already is no error.
  static void at_once(int fd) {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }

 private:
  sockets::Socket socket_ = sockets::listen_tcp(4096);
  sockets::Socket spare_{open("/dev/null", O_RDONLY | O_CLOEXEC)};
};

// A connection of an event loop, whose calls don't wait.
struct Connection {
  Connection(int fd, const Items& items) : socket(fd), talk(items) {}

  // Sends what it can of what is unsent; false where the client is gone.
  bool flush(SystemCalls& calls) {
    while (!talk.unsent().empty()) {
      calls.count();
      const ssize_t sent = send(socket.fd(), talk.unsent().data(), talk.unsent().size(),
                                MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno == EAGAIN) return true;
      if (sent < 0) return false;
      talk.sent(static_cast<std::size_t>(sent));
    }
    if (talk.over() && !told) {
      shutdown(socket.fd(), SHUT_WR);
      told = true;
    }
    return true;
  }

  sockets::Socket socket;
  Conversation talk;
  bool told = false;  // that it is over
};

// Whether this process may have the descriptors that the widest ladder needs: 128 connections with
// two ends in each arm. Programs start with a low soft limit for the sake of select(); raising it
// to the hard one is what it is for.
inline bool has_descriptors() {
  constexpr rlim_t kWanted = 4096;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  if (limit.rlim_cur >= kWanted) return true;
  limit.rlim_cur = std::min<rlim_t>(kWanted, limit.rlim_max);
  return limit.rlim_cur == kWanted && setrlimit(RLIMIT_NOFILE, &limit) == 0;
}
inline constexpr Need kDescriptors{"4,096 open files", has_descriptors, "raise ulimit -Hn to 4096"};

}  // namespace headroom::serving
#endif
