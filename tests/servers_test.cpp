// What is read from the environment about servers, and what messages about them may tell.
#include "support/servers.h"

#include <cstdlib>
#include <string>

#include "catch.h"

namespace headroom {
namespace {

TEST_CASE("HEADROOM_REDIS names a Unix socket, a TCP address, or both") {
  RedisAddresses all = parse_redis_addresses("/run/a folder/ö.sock,127.0.0.1:6380");
  CHECK(all.socket == "/run/a folder/ö.sock");
  CHECK(all.host == "127.0.0.1");
  CHECK(all.port == 6380);

  all = parse_redis_addresses("db.example:6379");
  CHECK(all.socket.empty());
  CHECK(all.host == "db.example");
  CHECK(all.port == 6379);

  all = parse_redis_addresses("[::1]:7");
  CHECK(all.host == "::1");
  CHECK(all.port == 7);

  CHECK(parse_redis_addresses("/tmp/x.sock").socket == "/tmp/x.sock");
  CHECK(parse_redis_addresses("/tmp/x.sock").port == 0);
}

TEST_CASE("a server on this machine is named by its port, any other is none") {
  CHECK(loopback_port("127.0.0.1:8080") == 8080);
  CHECK(loopback_port("127.0.0.1:65535") == 65535);
  for (const std::string text : {"", "8080", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536",
                                 "db.example:80", "127.0.0.2:80", "/tmp/x,127.0.0.1:80"}) {
    INFO(text);
    CHECK(loopback_port(text) == 0);
  }
}

TEST_CASE("a server's process is a number that the environment has, anything else is none") {
  constexpr char kVariable[] = "HEADROOM_TEST";
  constexpr char kProcess[] = "HEADROOM_TEST_PROCESS";
  unsetenv(kProcess);
  CHECK(server_process(kVariable) == 0);
  for (const std::string text : {"", "0", "-4", "12x", " 12", "99999999999"}) {
    INFO(text);
    setenv(kProcess, text.c_str(), 1);
    CHECK(server_process(kVariable) == 0);
  }
  setenv(kProcess, "4711", 1);
  CHECK(server_process(kVariable) == 4711);
  unsetenv(kProcess);
}

TEST_CASE("what is no address of a Redis is none") {
  for (const std::string text : {"", ",", "host", ":6379", "host:", "host:0", "host:65536",
                                 "host:6379x", "host:-1", "redis://host"}) {
    INFO(text);
    const RedisAddresses all = parse_redis_addresses(text);
    CHECK(all.socket.empty());
    CHECK(all.host.empty());
    CHECK(all.port == 0);
  }
}

TEST_CASE("messages of servers keep what went wrong, and no name") {
  CHECK(
      without_names("connection to server at \"db.example\" (10.1.2.3), port 5432 failed: FATAL:  "
                    "password authentication failed for user \"bob\"\n") ==
      "FATAL:  password authentication failed for user \"\"");
  CHECK(without_names(
            "connection to server on socket \"/tmp/x/.s.PGSQL.5432\" failed: No such file "
            "or directory\n\tIs the server running locally?") == "No such file or directory");
  CHECK(without_names(
            "could not translate host name \"db.example\" to address: Name or service not "
            "known") == "could not translate host name \"\" to address: Name or service not known");
  CHECK(without_names("WRONGPASS invalid username-password pair or user is disabled.") ==
        "WRONGPASS invalid username-password pair or user is disabled.");
  CHECK(without_names("NOT_FOUND - no queue 'orders' in vhost 'shop'") ==
        "NOT_FOUND - no queue '' in vhost ''");
  CHECK(without_names("can't open \"it's\", 'a \"b'") == "can't open \"\", ''");
  CHECK(without_names("").empty());
  CHECK(without_names("an open \"quote") == "an open \"");
}

}  // namespace
}  // namespace headroom
