// Servers that the environment names, and what may be said of them.
//
// `headroom run` starts them and sets the environment; a user may name servers of their own
// instead. No message of these headers' tells an address, a user or a password: a record would keep
// it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace headroom {

// Where a Redis listens: a Unix socket, TCP, or both. Empty and 0 where it doesn't.
struct RedisAddresses {
  std::string socket;
  std::string host;
  int port = 0;
};

// Reads what HEADROOM_REDIS has: PATH, HOST:PORT, or both with a comma between. Nothing for what is
// neither.
RedisAddresses parse_redis_addresses(std::string_view text);

// The addresses in the environment variable of this name.
RedisAddresses redis_addresses(const char* variable = "HEADROOM_REDIS");

// The process of the server that the environment variable of this name names, where `headroom run`
// started it; else 0.
pid_t server_process(const char* variable);

// The port of 127.0.0.1:PORT; 0 for whatever else it may be.
std::uint16_t loopback_port(std::string_view text);

// A server's or a library's message, of one line, without what names a server, a user or a
// database: libpq says `connection to server at "db.example" failed: FATAL: ... user "bob"`.
std::string without_names(std::string_view message);

}  // namespace headroom
