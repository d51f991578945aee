// Sockets (support/sockets.h): whole transfers over what the system does to them on real calls, and
// the end of a connection seen from both sides.
#include "support/sockets.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <future>
#include <string_view>
#include <thread>
#include <vector>

#include "catch.h"
#include "interrupted.h"
#include "support/far_side.h"

namespace headroom {
namespace {

std::vector<unsigned char> numbered(std::size_t bytes) {
  std::vector<unsigned char> all(bytes);
  for (std::size_t i = 0; i < bytes; ++i) all[i] = static_cast<unsigned char>(i * 131 >> 3);
  return all;
}

sockets::Pair pair_of(bool tcp) { return tcp ? sockets::tcp_pair() : sockets::unix_pair(); }

TEST_CASE("all bytes go through a socket that takes a few at a time") {
  for (const bool tcp : {true, false})
    for (const int polls : {0, 100}) {
      CAPTURE(tcp, polls);
      const sockets::Pair pair = pair_of(tcp);
      const int few = 4096;
      setsockopt(pair.near.fd(), SOL_SOCKET, SO_SNDBUF, &few, sizeof few);
      setsockopt(pair.far.fd(), SOL_SOCKET, SO_RCVBUF, &few, sizeof few);
      const std::vector<unsigned char> sent = numbered(200'003);
      std::vector<unsigned char> got(sent.size());
      bool received = false;
      std::thread reader(
          [&] { received = sockets::receive_all(pair.far.fd(), got.data(), got.size(), polls); });
      CHECK(sockets::send_all(pair.near.fd(), sent.data(), sent.size()));
      reader.join();
      CHECK(received);
      CHECK((got == sent));
    }
}

TEST_CASE("parts are gathered, over a socket that takes a few bytes at a time") {
  for (const bool tcp : {true, false}) {
    CAPTURE(tcp);
    const sockets::Pair pair = pair_of(tcp);
    const int few = 4096;
    setsockopt(pair.near.fd(), SOL_SOCKET, SO_SNDBUF, &few, sizeof few);
    // More of them than go into one call, some empty, of all lengths up to more than the buffer.
    const std::vector<unsigned char> sent = numbered(50 * 51 / 2 * 1000);
    std::vector<sockets::Part> parts(1);
    for (std::size_t i = 1, at = 0; i <= 50; at += i++ * 1000) {
      parts.push_back(std::span(sent).subspan(at, i * 1000));
      if (i % 9 == 0) parts.emplace_back();
    }
    std::vector<unsigned char> got(sent.size());
    bool received = false;
    std::thread reader(
        [&] { received = sockets::receive_all(pair.far.fd(), got.data(), got.size()); });
    CHECK(sockets::send_parts(pair.near.fd(), parts));
    reader.join();
    CHECK(received);
    CHECK((got == sent));
    pair.far.shut();
    CHECK_FALSE(
        (sockets::send_parts(pair.near.fd(), parts) && sockets::send_parts(pair.near.fd(), parts)));
  }
}

TEST_CASE("packets stay apart") {
  const sockets::Pair pair = sockets::unix_packet_pair();
  char got[16];
  CHECK(sockets::send_all(pair.near.fd(), "abc", 3));
  CHECK(sockets::send_all(pair.near.fd(), "defgh", 5));
  CHECK(sockets::receive_some(pair.far.fd(), got, sizeof got) == 3);
  CHECK(sockets::receive_some(pair.far.fd(), got, sizeof got) == 5);
  CHECK(std::string_view(got, 5) == "defgh");
}

TEST_CASE("a receiver that signals interrupt still gets all bytes") {
  const sockets::Pair pair = pair_of(true);
  const std::vector<unsigned char> sent = numbered(40'000);
  std::vector<unsigned char> got(sent.size());
  std::thread sender;
  {
    sigset_t alarm, before;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, &before);
    sender = std::thread([&] {
      for (std::size_t at = 0; at < sent.size(); at += 1000) {
        sockets::send_all(pair.near.fd(), sent.data() + at, 1000);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  {
    const Interrupted interrupted;
    CHECK(sockets::receive_all(pair.far.fd(), got.data(), got.size()));
  }
  sender.join();
  CHECK((got == sent));
}

TEST_CASE("the end of a connection is seen by both sides, and kills nobody") {
  for (const bool tcp : {true, false}) {
    CAPTURE(tcp);
    sockets::Pair pair = pair_of(tcp);
    char byte = 'x';
    std::future<bool> got = std::async(
        std::launch::async, [&] { return sockets::receive_all(pair.far.fd(), &byte, 1); });
    pair.near.shut();
    CHECK_FALSE(got.get());
    CHECK(sockets::receive_some(pair.far.fd(), &byte, 1) == 0);
    pair.near.close();
    CHECK_FALSE(static_cast<bool>(pair.near));
    const std::vector<char> much(1 << 20);  // without SIGPIPE
    CHECK_FALSE(sockets::send_all(pair.far.fd(), much.data(), much.size()));
  }
}

TEST_CASE("a part of a message followed by the end is no message") {
  const sockets::Pair pair = pair_of(false);
  CHECK(sockets::send_all(pair.near.fd(), "abc", 3));
  pair.near.shut();
  char four[4];
  CHECK_FALSE(sockets::receive_all(pair.far.fd(), four, 4));
}

TEST_CASE("a listener serves this machine alone, and lets go of who waits at it") {
  const sockets::Socket listener = sockets::listen_tcp();
  const std::uint16_t port = sockets::port_of(listener);
  CHECK(port != 0);
  const sockets::Socket near = sockets::connect_tcp(port);
  const sockets::Socket far = sockets::accept_from(listener);
  REQUIRE(static_cast<bool>(far));
  CHECK(sockets::port_of(far) == port);
  std::future<bool> accepted = std::async(
      std::launch::async, [&] { return static_cast<bool>(sockets::accept_from(listener)); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  listener.shut();
  CHECK_FALSE(accepted.get());
  CHECK_THROWS_WITH(sockets::connect_tcp(port), Catch::Contains("connect to 127.0.0.1"));
}

#ifdef __linux__
TEST_CASE("both sides' shares of their cores are told, and who waits has little") {
  if (core_count() < 2) return;
  const sockets::Pair pair = pair_of(false);
  FarSide far([fd = pair.far.fd()] {
    char byte;
    while (sockets::receive_all(fd, &byte, 1)) {
      const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
      while (std::chrono::steady_clock::now() < until) {
      }
      sockets::send_all(fd, &byte, 1);
    }
  });
  CHECK(far.quantities().empty());
  for (int call = 0; call < 6; ++call) {
    const FarSide::Exchange exchange(far);
    char byte = 'x';
    CHECK(sockets::send_all(pair.near.fd(), &byte, 1));
    CHECK(sockets::receive_all(pair.near.fd(), &byte, 1));
  }
  const Quantities shares = far.quantities();
  CHECK(shares.at("client_cpu_share").value < 0.3);
  CHECK(shares.at("server_cpu_share").value > shares.at("client_cpu_share").value);
  CHECK(shares.at("server_cpu_share").value < 1.1);
  pair.near.shut();
}
#endif

}  // namespace
}  // namespace headroom
