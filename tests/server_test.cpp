// The servers of network/server against clients that are not kind: in pieces, all at once, half
// closed, gone, silent, deaf, or talking nonsense. All servers must answer alike.
#include "http_servers.h"

#ifdef __linux__
#include <dirent.h>
#include <poll.h>

#include <chrono>
#include <string>
#include <thread>

#include "catch.h"
#include "network/http_client.h"

namespace headroom::serving {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

std::string get(int item, const std::string& more = "") {
  return "GET /items/" + std::to_string(item) + " HTTP/1.1\r\nHost: a\r\nX-Request-Id: r" +
         std::to_string(item) + "\r\n" + more + "\r\n";
}
std::string answer_to(int item, const std::string& more = "") {
  static const Items items;
  const std::string id = "X-Request-Id: r" + std::to_string(item) + "\r\n";
  const std::string* const body = items.find("/items/" + std::to_string(item));
  if (body == nullptr)
    return "HTTP/1.1 404 Not Found\r\n" + id + more + "Content-Length: 0\r\n\r\n";
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + id + more +
         "Content-Length: " + std::to_string(body->size()) + "\r\n\r\n" + *body;
}
const std::string kBad =
    "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(sockets::connect_tcp(port)) {
    sockets::no_delay(socket_);
  }
  int fd() const { return socket_.fd(); }
  void say(std::string_view text) const { sockets::send_all(fd(), text.data(), text.size()); }
  void half_close() const { shutdown(fd(), SHUT_WR); }
  // So many bytes, or less where the stream ends or nothing comes for 5 s.
  std::string hear(std::size_t bytes) const {
    std::string heard;
    while (heard.size() < bytes) {
      pollfd waits{fd(), POLLIN, 0};
      if (poll(&waits, 1, 5000) <= 0) return heard + " (and no more)";
      char some[4096];
      const ssize_t got = recv(fd(), some, std::min(sizeof some, bytes - heard.size()), 0);
      if (got <= 0) break;
      heard.append(some, static_cast<std::size_t>(got));
    }
    return heard;
  }
  std::string hear_all() const { return hear(std::string::npos); }
  bool is_served(int item) const {
    say(get(item));
    return hear(answer_to(item).size()) == answer_to(item);
  }

 private:
  sockets::Socket socket_;
};

int open_files() {
  int count = 0;
  DIR* const folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}
// Whether it comes true within 5 s.
template <class Condition>
bool soon(Condition condition) {
  for (const auto end = Clock::now() + milliseconds(5000); Clock::now() < end;) {
    if (condition()) return true;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return condition();
}
template <class Body>
void each_server(Body body) {
  if (!sockets::tcp_works() || !has_descriptors()) return;
  for (const ServerByName& kind : servers_by_name()) {
    CAPTURE(kind.name);
    const std::unique_ptr<AnyServer> server = kind.start();
    body(server->port());
  }
}

TEST_CASE("a conversation is the same in any pieces") {
  const Items items;
  const std::string text = get(7) + get(5000) + get(1023) + "nonsense\r\n" + get(3);
  const std::string want = answer_to(7) + answer_to(5000) + answer_to(1023) + kBad;
  for (std::size_t first = 0; first <= text.size(); ++first)
    for (std::size_t second = first; second <= text.size(); second += 7) {
      Conversation talk(items);
      const std::string_view all = text;
      talk.take(all.substr(0, first));
      talk.take(all.substr(first, second - first));
      talk.take(all.substr(second));
      REQUIRE(talk.unsent() == want);
      REQUIRE(talk.over());
    }
}

TEST_CASE("a server answers requests that come in pieces") {
  each_server([](std::uint16_t port) {
    const Client client(port);
    const std::string text = get(12);
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      client.say(text.substr(0, cut));
      std::this_thread::yield();
      client.say(text.substr(cut));
      REQUIRE(client.hear(answer_to(12).size()) == answer_to(12));
    }
    for (const char c : text) client.say({&c, 1});
    CHECK(client.hear(answer_to(12).size()) == answer_to(12));
  });
}

TEST_CASE("a server answers requests that come at once, in order") {
  each_server([](std::uint16_t port) {
    const Client client(port);
    std::string text, want;
    for (int i = 0; i < 1500; ++i) {  // a third of them for what isn't there; several reads
      text += get(i);
      want += answer_to(i);
    }
    std::thread talks([&] { client.say(text); });
    CHECK(client.hear(want.size()) == want);
    talks.join();
  });
}

TEST_CASE("a server answers all that came before the end of a stream") {
  each_server([](std::uint16_t port) {
    const Client client(port);
    client.say(get(1) + get(2) + get(3));
    client.half_close();
    CHECK(client.hear_all() == answer_to(1) + answer_to(2) + answer_to(3));
    const Client torn(port);
    torn.say(get(1) + "GET /items/2 HT");
    torn.half_close();
    CHECK(torn.hear_all() == answer_to(1));
  });
}

TEST_CASE("a server ends a connection where it is asked to, and answers nothing behind that") {
  each_server([](std::uint16_t port) {
    const Client client(port);
    client.say(get(4) + get(5, "Connection: close\r\n") + get(6));
    CHECK(client.hear_all() == answer_to(4) + answer_to(5, "Connection: close\r\n"));
  });
}

TEST_CASE("a server refuses what is no request it knows, and serves others on") {
  const std::string host = "Host: a\r\n", first = "GET /items/1 HTTP/1.1\r\n";
  const std::vector<std::string> bad = {
      "\r\n\r\n",
      "nonsense\r\n\r\n",
      "GET /items/1\r\n\r\n",
      "GET  HTTP/1.1\r\n\r\n",
      "get /items/1 HTTP/1.1\r\n" + host + "\r\n",
      "POST /items/1 HTTP/1.1\r\n" + host + "\r\n",
      "GET /items/1 HTTP/1.0\r\n" + host + "\r\n",
      "GET /items/1 or 2 HTTP/1.1\r\n" + host + "\r\n",
      "GET /items/\x01 HTTP/1.1\r\n" + host + "\r\n",
      first + "\r\n",
      first + host + host + "\r\n",
      first + host + "no colon\r\n\r\n",
      first + host + ": no name\r\n\r\n",
      first + host + "name : blank before the colon\r\n\r\n",
      first + host + " folded: line\r\n\r\n",
      first + host + std::string("a: \0\r\n\r\n", 8),
      first + "Host: a\n\n",
      first + host + "Content-Length: 5\r\n\r\nhello",
      first + host + "Transfer-Encoding: chunked\r\n\r\n",
      first + host + "a: " + std::string(kMostHead, 'b') + "\r\n\r\n",
      std::string(2 * kMostHead, 'x'),
      std::string("\x16\x03\x01\x02\0\x01\n", 7) + std::string(100, '\xff'),
  };
  each_server([&](std::uint16_t port) {
    const Client other(port);
    for (const std::string& text : bad) {
      CAPTURE(text);
      const Client client(port);
      client.say(get(1) + text + get(2));
      CHECK(client.hear_all() == answer_to(1) + kBad);
      CHECK(other.is_served(9));
    }
  });
}

TEST_CASE("a server forgets clients that go, however they go") {
  each_server([](std::uint16_t port) {
    const Client stays(port);
    CHECK(stays.is_served(1));
    const int before = open_files();
    for (int i = 0; i < 200; ++i) {
      const Client client(port);
      if (i % 5 == 1) client.say("GET /it");
      if (i % 5 >= 2) client.say(get(i) + get(i + 1));
      if (i % 5 == 3) CHECK(client.hear(10).size() == 10);
      if (i % 5 == 4) {  // without a farewell: a reset
        const linger none{1, 0};
        setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
      }
      if (i % 20 == 0) REQUIRE(stays.is_served(i));
    }
    CHECK(soon([&] { return open_files() <= before; }));
    CHECK(stays.is_served(2));
  });
}

TEST_CASE("a server doesn't read from a client that doesn't, and serves others meanwhile") {
  each_server([](std::uint16_t port) {
    const Client other(port);
    const Client deaf(port);
    const int small = 16384;
    setsockopt(deaf.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    setsockopt(deaf.fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    std::string text, want;
    for (int i = 0; i < 100; ++i) {
      text += get(i);
      want += answer_to(i);
    }
    // As much as it takes, until it has taken nothing for a while.
    constexpr std::size_t kTooMuch = 64 << 20;
    std::size_t sent = 0;
    for (auto last = Clock::now(); Clock::now() - last < milliseconds(200) && sent < kTooMuch;) {
      const std::size_t at = sent % text.size();
      const ssize_t some = send(deaf.fd(), text.data() + at, text.size() - at, MSG_DONTWAIT);
      if (some > 0) {
        sent += static_cast<std::size_t>(some);
        last = Clock::now();
      } else {
        std::this_thread::sleep_for(milliseconds(1));
      }
    }
    CHECK(sent < kTooMuch);
    for (int i = 0; i < 20; ++i) REQUIRE(other.is_served(i));
    // Then it listens, and gets all of it.
    std::thread rest([&] { deaf.say(text.substr(sent % text.size())); });
    bool right = true;
    for (std::size_t lap = 0; lap <= sent / text.size() && right; ++lap)
      right = deaf.hear(want.size()) == want;
    CHECK(right);
    rest.join();
  });
}

TEST_CASE("a server serves 500 clients at once, each asking much") {
  each_server([](std::uint16_t port) {
    std::vector<std::unique_ptr<Client>> all;
    std::string text, want;
    for (int i = 0; i < 16; ++i) {
      text += get(i);
      want += answer_to(i);
    }
    for (int i = 0; i < 500; ++i) all.push_back(std::make_unique<Client>(port));
    for (const int round : {0, 1}) {
      CAPTURE(round);
      for (const auto& client : all) client->say(text);
      std::size_t right = 0;
      for (const auto& client : all) right += client->hear(want.size()) == want ? 1 : 0;
      CHECK(right == all.size());
    }
  });
}

TEST_CASE("a server ends within a second, whatever its clients do, and leaves nothing open") {
  if (!sockets::tcp_works() || !has_descriptors()) return;
  for (const ServerByName& kind : servers_by_name()) {
    CAPTURE(kind.name);
    const int before = open_files();
    {
      std::unique_ptr<AnyServer> server = kind.start();
      const Client idle(server->port()), torn(server->port()), deaf(server->port()),
          over(server->port());
      CHECK(idle.is_served(1));
      torn.say("GET /items/");
      over.say("nonsense\r\n");
      std::string text;
      for (int i = 0; i < 10'000; ++i) text += get(i);
      for (int i = 0; i < 100; ++i) {
        send(deaf.fd(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        std::this_thread::sleep_for(milliseconds(1));
      }
      const auto begin = Clock::now();
      server.reset();
      CHECK(Clock::now() - begin < milliseconds(1000));
      CHECK(idle.hear_all().empty());
    }
    CHECK(open_files() == before);
  }
}

template <class Kind>
void check_clients() {
  each_server([](std::uint16_t port) {
    Kind clients(port, 5, 4);
    std::string text, want;
    std::vector<std::uint32_t> places{0};
    for (int i = 0; i < 103; ++i) {
      text += get(100 + i);
      want += answer_to(100 + i);
      places.push_back(static_cast<std::uint32_t>(text.size()));
    }
    for (const std::size_t n : {1, 3, 20, 103, 7}) {
      CAPTURE(n);
      std::string got(want.size() / 103 * n, 'x');
      clients.ask(text.data(), std::span(places).first(n + 1), got.data(), want.size() / 103);
      CHECK(got == want.substr(0, got.size()));
    }
    CHECK(clients.latency().count() == 1 + 1 + 5 + 26 + 2);
  });
}

template <class Kind>
void check_that_clients_notice_the_end() {
  if (!sockets::tcp_works()) return;
  const sockets::Socket listener = sockets::listen_tcp();
  Kind clients(sockets::port_of(listener), 1, 2);
  std::thread ends([&] {
    const sockets::Socket one = sockets::accept_from(listener);
    char some[10];
    sockets::receive_all(one.fd(), some, sizeof some);
    sockets::send_all(one.fd(), "short", 5);
  });
  const std::string text = get(1) + get(2);
  const auto half = static_cast<std::uint32_t>(text.size() / 2);
  std::string answers(1000, 'x');
  CHECK_THROWS_WITH(clients.ask(text.data(), std::vector{0u, half, 2 * half}, answers.data(), 500),
                    "the server ended a connection");
  ends.join();
}

TEST_CASE("the clients take all answers to where they belong, and notice that a server ends") {
  check_clients<EpollClients>();
  check_that_clients_notice_the_end<EpollClients>();
#if HEADROOM_URING_SERVER
  if (!has_uring_server()) return;
  check_clients<UringClients>();
  check_that_clients_notice_the_end<UringClients>();
#endif
}

TEST_CASE("a figure of clients that had no room on their core is refused") {
  Shares shares;
  shares.watch([] { std::this_thread::sleep_for(milliseconds(30)); });
  CHECK(shares.refused().empty());
  // The machine may be busy with something else: then the clients have not used the core.
  CHECK(soon([&] {
    shares.watch([] {
      for (const auto end = Clock::now() + milliseconds(5); Clock::now() < end;) {
      }
    });
    return !shares.refused().empty();
  }));
  CHECK_THAT(shares.refused(), Catch::Contains("% of their core"));
  CHECK(shares.client() > shares.server());
}

}  // namespace
}  // namespace headroom::serving
#endif
