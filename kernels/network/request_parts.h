// A request that is put together from parts, and the side that answers it. The variants of
// network/small_writes differ in how the client hands the parts to the system.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <vector>

#include "support/far_side.h"
#include "support/sockets.h"

#ifdef __linux__
#include <linux/tcp.h>  // all of tcp_info, which netinet/tcp.h has only the beginning of
#include <netinet/in.h>
#include <sys/socket.h>
#endif

namespace headroom::small_writes {

// Before a request: how long its two parts are.
struct Header {
  std::uint64_t number = 0;
  std::uint32_t key_bytes = 0, value_bytes = 0;
};
inline constexpr std::size_t kMostBytes = 1024;  // of a request, header included

struct Request {
  Header header;
  std::span<const unsigned char> key, value;
};
// The number of the request, and a hash of each of its bytes in order.
struct Reply {
  std::uint64_t number = 0, hash = 0;
  friend bool operator==(const Reply&, const Reply&) = default;
};

// FNV-1a, going on from `hash`.
inline std::uint64_t hash_on(std::uint64_t hash, std::span<const unsigned char> bytes) {
  for (const unsigned char byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}
inline std::span<const unsigned char> bytes_of(const Header& header) {
  return {reinterpret_cast<const unsigned char*>(&header), sizeof header};
}
inline Reply reply_to(const Request& request) {
  std::uint64_t hash = hash_on(0xcbf29ce484222325, bytes_of(request.header));
  hash = hash_on(hash, request.key);
  return {request.header.number, hash_on(hash, request.value)};
}

// Answers requests, however their bytes arrive, until the other side ends, goes, or says something
// that is no request. `heard` is called after each receive.
template <class Heard>
void answer(int fd, Heard heard) {
  std::array<unsigned char, 4 * kMostBytes> buffer;
  std::size_t have = 0;
  while (const std::size_t got =
             sockets::receive_some(fd, buffer.data() + have, buffer.size() - have)) {
    heard();
    have += got;
    std::size_t at = 0;
    while (have - at >= sizeof(Header)) {
      Request request;
      std::memcpy(&request.header, buffer.data() + at, sizeof request.header);
      const std::size_t key = request.header.key_bytes, value = request.header.value_bytes;
      if (key > kMostBytes || value > kMostBytes || sizeof(Header) + key + value > kMostBytes)
        return;
      if (have - at < sizeof(Header) + key + value) break;
      const unsigned char* const parts = buffer.data() + at + sizeof(Header);
      request.key = {parts, key};
      request.value = {parts + key, value};
      const Reply reply = reply_to(request);
      if (!sockets::send_all(fd, &reply, sizeof reply)) return;
      at += sizeof(Header) + key + value;
    }
    have -= at;
    std::memmove(buffer.data(), buffer.data() + at, have);
  }
}

inline Reply reply_from(int fd) {
  Reply reply;
  if (!sockets::receive_all(fd, &reply, sizeof reply))
    throw std::runtime_error("network/small_writes: the other side has gone");
  return reply;
}
// What is left of the other side is told by reply_from.
inline void send(int fd, std::span<const unsigned char> bytes, int flags = 0) {
  sockets::send_all(fd, bytes.data(), bytes.size(), flags);
}

#ifdef __linux__
inline void set(int fd, int option, bool on) {
  const int value = on ? 1 : 0;
  setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value);
}

// How many segments with data this end has sent, without those sent again (a machine with much else
// to do may acknowledge too late); 0 where the system doesn't tell.
inline double segments_sent(int fd) {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return 0;
  return static_cast<double>(info.tcpi_data_segs_out - info.tcpi_total_retrans);
}

// A connection that has been in use, with its far side at work on core 1.
class Connection {
 public:
  struct Setup {
    bool no_delay = false;   // TCP_NODELAY on the near side
    bool quick_ack = false;  // TCP_QUICKACK on the far side
  };
  explicit Connection(const Setup& setup)
      : pair_(sockets::tcp_pair(false)), far_([this, quick = setup.quick_ack] {
          const int fd = pair_.far.fd();
          // The system forgets the option by itself, so it is set with each receive.
          answer(fd, [&] {
            if (quick) set(fd, TCP_QUICKACK, true);
          });
          pair_.far.shut();
        }) {
    if (setup.no_delay) sockets::no_delay(pair_.near);
  }
  ~Connection() { pair_.near.shut(); }
  Connection(const Connection&) = delete;

  // one(fd, request) for each request, which returns its reply.
  template <class One>
  void exchange(std::span<const Request> requests, std::span<Reply> replies, One one) {
    const FarSide::Exchange exchange(far_);
    for (std::size_t i = 0; i < requests.size(); ++i)
      replies[i] = one(pair_.near.fd(), requests[i]);
    requests_ += static_cast<double>(requests.size());
  }
  Quantities quantities() const {
    Quantities all = far_.quantities();
    if (const double sent = segments_sent(pair_.near.fd()); requests_ != 0 && sent != 0)
      all["segments_per_request"] = {sent / requests_, "segments"};
    return all;
  }

 private:
  const sockets::Pair pair_;
  FarSide far_;
  double requests_ = 0;
};
#endif

}  // namespace headroom::small_writes
