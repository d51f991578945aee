// Round trips: whichever way connects the two sides, one whose other side goes says so, at once.
#include "network/round_trips.h"

#include <thread>
#include <vector>

#include "catch.h"
#include "network/byte_ring.h"

#ifdef __linux__
namespace headroom {
namespace {

// The far side answers two messages, hears a third, and goes.
template <class Ends>
void goes_after_two(Ends& ends) {
  constexpr std::size_t kWords = 8;
  std::thread far([&] {
    std::uint64_t message[kWords];
    for (int answered = 0; ends.far.receive(message, sizeof message); ++answered) {
      if (answered == 2) break;
      for (std::size_t at = 0; at < kWords; ++at) message[at] = answer_to(message[at], at);
      if (!ends.far.send(message, sizeof message)) break;
    }
    ends.far.end();
  });
  std::vector<std::uint64_t> messages(3 * kWords), answers(messages.size());
  for (std::size_t i = 0; i < messages.size(); ++i) messages[i] = i * 0x9e3779b97f4a7c15;
  CHECK_THROWS_WITH(ask(ends.near, messages, kWords, answers),
                    "network/transport: the other side has gone");
  far.join();
  for (std::size_t i = 0; i < answers.size(); ++i)
    CHECK(answers[i] == (i < 2 * kWords ? answer_to(messages[i], i % kWords) : 0));
  CHECK_THROWS(ask(ends.near, messages, kWords, answers));  // and it stays gone
}

TEST_CASE("a far side that goes is one error, over every way of transport") {
  if (sockets::tcp_works()) {
    for (const int polls : {0, 200}) {
      SocketEnds tcp(sockets::tcp_pair(), polls);
      goes_after_two(tcp);
    }
  }
  for (const int polls : {0, 200}) {
    SocketEnds stream(sockets::unix_pair(), polls);
    goes_after_two(stream);
  }
  SocketEnds packets(sockets::unix_packet_pair());
  goes_after_two(packets);
  for (const int looks : {0, 1000}) {
    SharedRings rings(256, looks);
    goes_after_two(rings);
  }
}

TEST_CASE("a message longer than the ring is answered too") {
  if (core_count() < 2) return;
  struct Small : SharedRings {
    Small() : SharedRings(256, 100) {}
  };
  constexpr std::size_t kWords = 100;
  Answered<Small> connection(kWords);
  std::vector<std::uint64_t> messages(3 * kWords), answers(messages.size());
  for (std::size_t i = 0; i < messages.size(); ++i) messages[i] = i * 0x9e3779b97f4a7c15;
  connection.trips(messages, answers);
  std::size_t right = 0;
  for (std::size_t i = 0; i < answers.size(); ++i)
    right += answers[i] == answer_to(messages[i], i % kWords);
  CHECK(right == answers.size());
}

}  // namespace
}  // namespace headroom
#endif
