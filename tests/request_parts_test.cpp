// The side that answers requests made of parts: they come in any pieces, and what is no request
// ends the connection.
#include "network/request_parts.h"

#include <thread>

#include "catch.h"

#ifdef __linux__
namespace headroom {
namespace {

using small_writes::Header;
using small_writes::Reply;
using small_writes::Request;
using Bytes = std::vector<unsigned char>;

// A request's bytes, key and value of these lengths.
Bytes request_of(std::uint64_t number, std::uint32_t key, std::uint32_t value, Reply& reply) {
  Bytes parts(key + value);
  for (std::size_t i = 0; i < parts.size(); ++i)
    parts[i] = static_cast<unsigned char>(number + i * 131);
  const Request request{
      {number, key, value}, std::span(parts).first(key), std::span(parts).subspan(key)};
  reply = small_writes::reply_to(request);
  Bytes all(sizeof(Header));
  std::memcpy(all.data(), &request.header, sizeof(Header));
  all.insert(all.end(), parts.begin(), parts.end());
  return all;
}

TEST_CASE("requests are answered in whatever pieces their bytes arrive") {
  const sockets::Pair pair = sockets::unix_pair();
  std::thread far([&] { small_writes::answer(pair.far.fd(), [] {}); });
  Bytes all;
  std::vector<Reply> want;
  for (std::uint32_t i = 0; i < 40; ++i) {
    Reply reply;
    const Bytes request = request_of(i, i % 7 * 40, i % 5 * 150, reply);
    want.push_back(reply);
    all.insert(all.end(), request.begin(), request.end());
  }
  for (const std::size_t piece : {std::size_t{1}, std::size_t{100}, all.size()}) {
    CAPTURE(piece);
    for (std::size_t at = 0; at < all.size(); at += piece)
      small_writes::send(pair.near.fd(),
                         std::span(all).subspan(at, std::min(piece, all.size() - at)));
    std::vector<Reply> got;
    while (got.size() < want.size()) got.push_back(small_writes::reply_from(pair.near.fd()));
    CHECK(got == want);
  }
  pair.near.shut();
  far.join();
}

TEST_CASE("what is no request ends the connection, which the client is told") {
  for (const Header& header : {Header{1, small_writes::kMostBytes, 1}, Header{1, 0, 0xffff'fff0},
                               Header{1, 0xffff'ffff, 17}}) {
    const sockets::Pair pair = sockets::unix_pair();
    std::thread far([&] {
      small_writes::answer(pair.far.fd(), [] {});
      pair.far.shut();
    });
    small_writes::send(pair.near.fd(), small_writes::bytes_of(header));
    CHECK_THROWS_WITH(small_writes::reply_from(pair.near.fd()),
                      "network/small_writes: the other side has gone");
    far.join();
  }
}

}  // namespace
}  // namespace headroom
#endif
