// The two sides of network/request (network/http_items.h): what is right comes through however it
// is cut, what is not is refused by both, and a server that goes away is an error, never an answer.
#include "network/http_items.h"

#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "catch.h"

namespace headroom {
namespace {

using sockets::Pair;

void send(const sockets::Socket& to, std::string_view text) {
  REQUIRE(sockets::send_all(to.fd(), text.data(), text.size()));
}

// All that comes until the other end is through.
std::string rest(const sockets::Socket& from) {
  std::string all;
  char piece[4096];
  while (const std::size_t got = sockets::receive_some(from.fd(), piece, sizeof piece))
    all.append(piece, got);
  return all;
}

// What the server answers to `text`, sent in pieces of so many bytes, until it has no more to say.
std::string answered(std::string_view text, std::size_t piece) {
  static const http::Shop shop;
  Pair pair = sockets::tcp_pair();
  std::thread server([&] {
    http::serve_one(pair.far.fd(), shop);
    pair.far.close();
  });
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size())))
    if (!sockets::send_all(pair.near.fd(), text.data(), std::min(piece, text.size()))) break;
  shutdown(pair.near.fd(), SHUT_WR);
  std::string all = rest(pair.near);
  server.join();
  return all;
}

// Why a client doesn't take what a server has said before it went; "" where it does.
std::string refused(std::string_view said, bool only) {
  Pair pair = sockets::tcp_pair();
  send(pair.far, said);
  pair.far.close();
  http::Answers answers;
  try {
    only ? answers.only(pair.near.fd()) : answers.next(pair.near.fd());
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("an item is always the same, and as the fixture has it") {
  CHECK(http::item(0) ==
        "e220a8397b1dcdaf6e789e6aa1b965f406c45d188009454ff88bb8a8724c81ec1b39896a51a8749");
  CHECK(http::item(999) == "6d39b25aa8f508d96b137d66f8fa8b85e48a8df63b90eb919f70949d7");
  const http::Shop shop;
  for (std::size_t i = 0; i < http::Shop::kItems; ++i) {
    REQUIRE(shop.find(std::to_string(i)) != nullptr);
    REQUIRE(*shop.find(std::to_string(i)) == http::item(i));
  }
  for (const std::string key : {"", "1000", "01", "-1", "1 "}) CHECK(shop.find(key) == nullptr);
}

TEST_CASE("requests are answered whole and in order, however they are cut") {
  std::string text, want;
  const auto expect = [&want](const std::string& body, const char* more = "") {
    want += "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " +
            std::to_string(body.size()) + "\r\n" + more + "\r\n" + body;
  };
  for (const int key : {7, 0, 999, 7}) {
    http::ask_for(std::to_string(key), false, text);
    expect(http::item(static_cast<std::uint64_t>(key)));
  }
  http::ask_for_many("5\n5\n12\n", text);
  expect(http::item(5) + "\n" + http::item(5) + "\n" + http::item(12) + "\n");
  http::ask_for_many("", text);
  expect("");
  http::ask_for("3", true, text);
  expect(http::item(3), "Connection: close\r\n");
  http::ask_for("4", false, text);  // behind the end that the client asked for
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, text.size()}) {
    CAPTURE(piece);
    CHECK(answered(text, piece) == want);
  }
}

TEST_CASE("what is no request, or asks for what is not there, is told so") {
  const auto status = [](std::string_view text) { return answered(text, 1000).substr(9, 3); };
  CHECK(status("GET /items/1 HTTP/1.1\r\n\r\n") == "200");
  CHECK(status("GET /items/1000 HTTP/1.1\r\n\r\n") == "404");
  CHECK(status("GET /items/ HTTP/1.1\r\n\r\n") == "404");
  CHECK(status("GET / HTTP/1.1\r\n\r\n") == "404");
  CHECK(status("POST /items HTTP/1.1\r\nContent-Length: 5\r\n\r\n1\nx\n\n") == "404");
  CHECK(status("POST /items HTTP/1.1\r\nContent-Length: 1\r\n\r\n1") == "400");
  CHECK(status("POST /items HTTP/1.1\r\nContent-Length: x\r\n\r\n1\n") == "400");
  CHECK(status("POST /items HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n1\n") == "400");
  CHECK(status("POST /items HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n") == "400");
  CHECK(status("GET /items/1 HTTP/2\r\n\r\n") == "400");
  CHECK(status("GET /items/1 HTTP/1.1\r\nno colon\r\n\r\n") == "400");
  CHECK(status("\r\n\r\n") == "400");
  CHECK(status(std::string(100'000, 'x')) == "400");
  CHECK(answered("GET /items/1 HTTP/1.1\r\n", 1000).empty());  // the client went in the middle
}

TEST_CASE("a head is read as the standard says it may be written") {
  const std::string text = "HTTP/1.1 200 OK\r\ncOnTeNt-LeNgTh:  12 \r\nCONNECTION:Close\r\n\r\n";
  const std::string all = text + "body";
  const auto head = http::head_of(all);
  REQUIRE(head.has_value());
  CHECK(head->first == "HTTP/1.1 200 OK");
  CHECK(head->body_bytes == 12);
  CHECK(head->close);
  CHECK(head->bytes == text.size());
  CHECK_FALSE(http::head_of("HTTP/1.1 200 OK\r\nConnection: close\r\n").has_value());
}

TEST_CASE("a server that goes away in the middle of an answer is an error") {
  const std::string whole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345";
  for (const bool only : {false, true}) {
    CHECK(refused(whole, only).empty());
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes)
      REQUIRE(refused(whole.substr(0, bytes), only) == "http: the server has gone");
    CHECK(refused("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", only) ==
          "http: HTTP/1.1 404 Not Found");
    CHECK(refused("SSH-2.0-OpenSSH\r\n\r\n", only) == "http: SSH-2.0-OpenSSH");
    CHECK(refused("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", only) ==
          "http: no content length");
  }
}

TEST_CASE("answers come one by one out of whatever pieces they arrive in") {
  for (const std::size_t piece : {1, 3, 40, 100'000}) {
    CAPTURE(piece);
    Pair pair = sockets::tcp_pair();
    std::string text;
    std::vector<std::string> bodies = {"", "x", std::string(50'000, 'y'), "abc", ""};
    for (const std::string& body : bodies) {
      http::append_head("200 OK", body.size(), false, text);
      text += body;
    }
    std::thread server([&] {
      for (std::string_view left = text; !left.empty();) {
        const std::size_t some = std::min(piece, left.size());
        if (!sockets::send_all(pair.far.fd(), left.data(), some)) return;
        left.remove_prefix(some);
      }
    });
    http::Answers answers;
    for (const std::string& body : bodies) CHECK(answers.next(pair.near.fd()) == body);
    server.join();
  }
}

TEST_CASE("a server serves until its listener is shut, one connection after the other") {
  const http::Shop shop;
  const sockets::Socket listener = sockets::listen_tcp();
  std::thread server([&] { http::serve(listener, shop); });
  http::Answers answers;
  for (int i = 0; i < 20; ++i) {
    const sockets::Socket connection = sockets::connect_tcp(sockets::port_of(listener));
    if (i % 3 == 0) continue;  // goes without a word
    std::string text;
    http::ask_for("17", true, text);
    send(connection, text);
    CHECK(answers.only(connection.fd()) == http::item(17));
  }
  listener.shut();
  server.join();
}

}  // namespace
}  // namespace headroom
