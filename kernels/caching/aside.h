// The parts of caching/cache_aside: a table in PostgreSQL, the query, and Redis in front of it.
// A file that includes this has `// Links: libpq hiredis`.
#pragma once

#include <unistd.h>

#include <array>
#include <charconv>
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

// The orders, in a table that goes with the last who holds it. Its name is this program's own.
class Orders {
 public:
  Orders() {
    Postgres server;
    const auto run = [&](const std::string& sql) { server.execute(sql.c_str()); };
    run("CREATE TABLE " + name_ +
        " (customer integer NOT NULL, amount bigint NOT NULL, day integer NOT NULL)");
    run("INSERT INTO " + name_ + " SELECT i % " + std::to_string(kCustomers) +
        ", i::bigint * 7919 % 10007, i / " + std::to_string(kCustomers) +
        " FROM generate_series(0, " + std::to_string(kCustomers * kOrders - 1) + ") AS i");
    run("CREATE INDEX ON " + name_ + " (customer)");
    run("VACUUM ANALYZE " + name_);
  }
  ~Orders() {
    try {
      Postgres().execute(("DROP TABLE " + name_).c_str());
    } catch (const std::runtime_error&) {
      // The server has gone, and the table with it.
    }
  }
  Orders(const Orders&) = delete;
  const std::string& name() const { return name_; }

 private:
  const std::string name_ = "headroom_orders_" + std::to_string(getpid());
};

// A connection with the query, parsed and planned once.
class Query {
 public:
  explicit Query(const Orders& orders) {
    server_.prepare("orders", ("SELECT count(*), sum(amount), max(day) FROM " + orders.name() +
                               " WHERE customer = $1")
                                  .c_str());
  }
  std::string answer(std::int32_t customer) {
    std::array<char, 12> digits;
    *std::to_chars(digits.data(), digits.data() + digits.size() - 1, customer).ptr = '\0';
    const char* const values[] = {digits.data()};
    const Postgres::Result result = server_.execute_prepared("orders", values);
    std::string text = PQgetvalue(result.get(), 0, 0);
    for (int field = 1; field < 3; ++field) (text += '|') += PQgetvalue(result.get(), 0, field);
    return text;
  }

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
