// The two sides of a round trip, over whatever connects them. An end of a connection has
//
//   bool send(const void* from, std::size_t bytes)    all of it; false where the other side has
//                                                     gone
//
//   bool receive(void* to, std::size_t bytes)         the same
//
//   void end()                                        the other side is told that it is over
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "support/far_side.h"
#include "support/sockets.h"

namespace headroom {

// Looks for bytes `polls` times before it sleeps.
struct SocketEnd {
  sockets::Socket socket;
  int polls = 0;
  bool send(const void* from, std::size_t bytes) {
    return sockets::send_all(socket.fd(), from, bytes);
  }
  bool receive(void* to, std::size_t bytes) {
    return sockets::receive_all(socket.fd(), to, bytes, polls);
  }
  void end() { socket.shut(); }
};

struct SocketEnds {
  SocketEnd near, far;
  explicit SocketEnds(sockets::Pair pair, int polls = 0)
      : near{std::move(pair.near), polls}, far{std::move(pair.far), polls} {}
};

// What the far side makes of word `at` of a message. Words that are exchanged on the way there, and
// back on the way back, don't pass.
inline std::uint64_t answer_to(std::uint64_t word, std::size_t at) { return ~word + at; }

// Sends messages of `words` words, each when the one before has been answered; throws where the
// other side goes.
template <class End>
void ask(End& end, std::span<const std::uint64_t> messages, std::size_t words,
         std::span<std::uint64_t> answers) {
  const std::size_t bytes = words * sizeof(std::uint64_t);
  for (std::size_t at = 0; at < messages.size(); at += words)
    if (!end.send(&messages[at], bytes) || !end.receive(&answers[at], bytes))
      throw std::runtime_error("network/transport: the other side has gone");
}

// Answers messages of `words` words until the other side ends or goes.
template <class End>
void answer(End& end, std::size_t words) {
  std::vector<std::uint64_t> message(words);
  const std::size_t bytes = words * sizeof(std::uint64_t);
  while (end.receive(message.data(), bytes)) {
    for (std::size_t at = 0; at < words; ++at) message[at] = answer_to(message[at], at);
    if (!end.send(message.data(), bytes)) break;
  }
  end.end();
}

#ifdef __linux__
// A connection with its far side at work on core 1. Ends is a type with the ends `near` and `far`.
template <class Ends>
class Answered {
 public:
  template <class... Args>
  explicit Answered(std::size_t words, Args&&... args)
      : words_(words),
        ends_(std::forward<Args>(args)...),
        far_([this] { answer(ends_.far, words_); }) {}
  ~Answered() { ends_.near.end(); }
  Answered(const Answered&) = delete;

  void trips(std::span<const std::uint64_t> messages, std::span<std::uint64_t> answers) {
    const FarSide::Exchange exchange(far_);
    ask(ends_.near, messages, words_, answers);
  }
  Quantities quantities() const { return far_.quantities(); }

 private:
  const std::size_t words_;
  Ends ends_;
  FarSide far_;
};
#endif

}  // namespace headroom
