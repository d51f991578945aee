// database/pg_aggregate: the summary is what counting gives, after whatever was done to payments.
#include <string>
#include <thread>

#include "catch.h"
#include "core/random.h"
#include "database/pg_summary.h"

#if HEADROOM_HAVE_LIBPQ
namespace headroom {
namespace {

std::string all_of(const Postgres::Result& rows) {
  std::string text;
  for (int row = 0; row < PQntuples(rows.get()); ++row) text += row_of(rows, row) + "\n";
  return text;
}

std::string counted(Postgres& server, const SummedPayments& tables) {
  return all_of(server.execute(tables.payments.sql(
      "SELECT shop, count(*), sum(amount) FROM @ GROUP BY shop ORDER BY shop")));
}
std::string summed(Postgres& server, const SummedPayments& tables) {
  return all_of(server.execute(tables.summary.sql(
      "SELECT shop, payments, total FROM @ WHERE payments <> 0 OR total <> 0 ORDER BY shop")));
}

TEST_CASE("PostgreSQL's summary is what counting gives, after any change", "[postgresql]") {
  if (!postgres_answers()) return;
  const SummedPayments tables;
  Postgres server;
  FastRng rng(1);
  const auto number = [&](std::uint64_t bound) { return std::to_string(bounded(rng, bound)); };
  for (int step = 0; step < 150; ++step) {
    std::string sql;
    switch (bounded(rng, step < 20 ? 2 : 6)) {
      case 0:
        sql = "INSERT INTO @ VALUES (" + number(40) + ", " + number(5) + ", " + number(100) + ")";
        break;
      case 1:
        sql = "INSERT INTO @ SELECT i, (i * " + number(9) +
              ") % 5, i - 10 FROM "
              "generate_series(1, 20) AS i";
        break;
      case 2:
        sql =
            "UPDATE @ SET shop = (shop + id) % 6, amount = amount - 7 WHERE id % 3 = " + number(3);
        break;
      case 3:
        sql = "DELETE FROM @ WHERE id = " + number(40);
        break;
      case 4:
        sql = "UPDATE @ SET amount = 0 WHERE false";
        break;
      default:
        sql = bounded(rng, 8) == 0 ? "TRUNCATE @" : "DELETE FROM @ WHERE shop = " + number(6);
    }
    INFO(step << ": " << sql);
    const bool undone = bounded(rng, 4) == 0;
    server.execute("BEGIN");
    server.execute(tables.payments.sql(sql));
    CHECK(summed(server, tables) == counted(server, tables));
    server.execute(undone ? "ROLLBACK" : "COMMIT");
    REQUIRE(summed(server, tables) == counted(server, tables));
  }
}

TEST_CASE("PostgreSQL's summary loses nothing between writers at once", "[postgresql]") {
  if (!postgres_answers()) return;
  const SummedPayments tables;
  const auto write = [&](int of) {
    Postgres server;
    server.execute("SET synchronous_commit = off");  // more of them in less time
    for (int i = 0; i < 60; ++i) {
      const std::string id = std::to_string(1000 * of + i);
      server.execute(tables.payments.sql("INSERT INTO @ SELECT ") + id + ", shop, " + id +
                     " FROM generate_series(0, 4) AS shop");
      if (i % 3 == 0) server.execute(tables.payments.sql("DELETE FROM @ WHERE id = ") + id);
    }
  };
  std::thread other(write, 1);
  write(2);
  other.join();
  Postgres server;
  CHECK(summed(server, tables) == counted(server, tables));
  CHECK(row_of(server.execute(tables.payments.sql("SELECT count(*) FROM @")), 0) == "400");
}

}  // namespace
}  // namespace headroom
#endif
