// The parts of caching/cache_aside: a table in PostgreSQL, the query, and Redis in front of it.
// A file that includes this has `// Links: libpq hiredis`.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "support/postgres.h"
#include "support/redis.h"

namespace headroom::aside {

inline constexpr std::int32_t kCustomers = 500;
inline constexpr std::int32_t kOrders = 64;  // of each

#if HEADROOM_HAVE_LIBPQ && HEADROOM_HAVE_HIREDIS

// The answer for a customer of whom nothing was changed: "orders|sum of amounts|last day".
inline std::string first_answer(std::int32_t customer) {
  std::int64_t sum = 0;
  for (std::int64_t i = customer; i < std::int64_t{kCustomers} * kOrders; i += kCustomers)
    sum += i * 7919 % 10'007;
  return std::to_string(kOrders) + "|" + std::to_string(sum) + "|" + std::to_string(kOrders - 1);
}

// The orders, in a table that goes with the last who holds it.
class Orders : public PostgresTable {
 public:
  Orders()
      : PostgresTable("orders",
                      "customer integer NOT NULL, amount bigint NOT NULL, day integer NOT NULL") {
    Postgres server;
    server.execute(sql("INSERT INTO @ SELECT i % ") + std::to_string(kCustomers) +
                   ", i::bigint * 7919 % 10007, i / " + std::to_string(kCustomers) +
                   " FROM generate_series(0, " + std::to_string(kCustomers * kOrders - 1) +
                   ") AS i");
    server.execute(sql("CREATE INDEX ON @ (customer)"));
    server.execute(sql("VACUUM ANALYZE @"));
  }
};

// A connection with the query, parsed and planned once.
class Query {
 public:
  explicit Query(const Orders& orders) {
    server_.prepare(
        "orders",
        orders.sql("SELECT count(*), sum(amount), max(day) FROM @ WHERE customer = $1").c_str());
  }
  std::string answer(std::int32_t customer) {
    const Digits key(customer);
    const char* const values[] = {key.c_str()};
    return row_of(server_.execute_prepared("orders", values), 0);
  }
  // The server's for this connection; 0 where nobody knows it.
  pid_t process() const { return server_.process(); }

 private:
  Postgres server_;
};

// Answers in Redis, each for as long as it is believed. Who reads looks there first, asks the
// database for what is not there, and puts it there; who writes to the database forgets it there
// afterwards. A reader that asked just before a write and stores just after it puts the old answer
// there: until then an answer may be as old as it is believed to be.
class Copies {
 public:
  Copies(std::string prefix, std::chrono::milliseconds believed)
      : prefix_(std::move(prefix)), believed_(std::to_string(believed.count())) {}
  template <class Compute>
  std::string get(std::int32_t customer, const Compute& compute) {
    const std::string key = prefix_ + std::to_string(customer);
    const Redis::Reply reply = server_.command({"GET", key});
    if (reply->type == REDIS_REPLY_STRING) return {reply->str, reply->len};
    std::string value = compute(customer);
    server_.command({"SET", key, value, "PX", believed_});
    ++computed_;
    return value;
  }
  void forget(std::int32_t customer) {
    server_.command({"DEL", prefix_ + std::to_string(customer)});
  }
  Redis& server() { return server_; }
  const std::string& prefix() const { return prefix_; }
  std::uint64_t computed() const { return computed_; }

 private:
  const std::string prefix_, believed_;
  Redis server_{Redis::Via::kSocket};
  std::uint64_t computed_ = 0;
};

#else
class Orders {};
#endif

}  // namespace headroom::aside
