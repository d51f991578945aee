// A relay within this machine that makes a round trip take as long as over a wire.
//
// A client connects to the relay's port instead of the server's, and whatever either side sends
// reaches the other one way later. What is modelled is a link that is long, and nothing else: no
// limit on throughput, no loss, no jitter, no reordering. With d for one way, and counted from when
// the client connects:
//
//   d     the relay connects to the server; if it is refused there, the client is told at 2 d
//   2 d   the client could send on a real link, where connect() takes a round trip. Here connect()
//         returns at once, and what is sent before 2 d counts as sent then,
//   3 d   so that the server gets its first byte no earlier than this, three one ways after the
//         beginning; nor does it count as able to send before (its side of the handshake)
//   4 d   and the client its first answer: the round trip of connecting and that of the request
//
// Later bytes take d, each way. The end of one direction (FIN) and a reset take d too and stay
// behind the bytes before them. What is under way is bounded, per direction: a sender whose
// receiver doesn't read is held back, as by a full window.
//
// One thread that sleeps: it wakes up when bytes come and shortly before they are due, and uses
// some microseconds of its core for each. One way begins when the system has taken the bytes in, so
// that a late wake-up doesn't add to it; nothing comes early, and how late it comes is a wake-up's.
#pragma once

#ifdef __linux__
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace headroom {

class Relay {
 public:
  struct Options {
    std::uint16_t to = 0;  // the server's port on 127.0.0.1
    std::chrono::nanoseconds one_way{0};
    int core = -1;                                 // as pin_to_core takes it; -1: any
    std::size_t most_held = std::size_t{1} << 20;  // bytes under way, per direction
  };
  // Throws std::system_error naming what failed.
  explicit Relay(const Options& options);
  // Ends all connections at once; both sides see a reset.
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  // Where to connect, on 127.0.0.1.
  std::uint16_t port() const;

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

}  // namespace headroom
#endif
