// support/postgres.h: values as text, and with a server (test_servers.py has one) connections that
// fail in one line, pipelines, and tables that go with their owner.
#include "support/postgres.h"

#include <limits>
#include <string>
#include <vector>

#include "catch.h"

#if HEADROOM_HAVE_LIBPQ
namespace headroom {
namespace {

TEST_CASE("numbers are written for PostgreSQL as it reads them", "[postgresql]") {
  CHECK(std::string(Digits(0).c_str()) == "0");
  CHECK(std::string(Digits(std::numeric_limits<std::int64_t>::min()).c_str()) ==
        "-9223372036854775808");
  CHECK(array_of(std::vector<std::int64_t>{}) == "{}");
  CHECK(array_of(std::vector<std::int64_t>{7}) == "{7}");
  CHECK(array_of(std::vector<std::int32_t>{-1, 0, 2147483647}) == "{-1,0,2147483647}");
}

bool is_there(Postgres& server, const std::string& table) {
  return row_of(server.execute("SELECT to_regclass('" + table + "') IS NOT NULL"), 0) == "t";
}

TEST_CASE("a table of ours in PostgreSQL goes with its owner, and no other", "[postgresql]") {
  if (!postgres_answers()) return;
  Postgres server;
  const PostgresTable stays("test", "x bigint");
  std::string name;
  {
    const PostgresTable goes("test", "x bigint", PostgresTable::Log::kUnlogged);
    name = goes.name();
    CHECK(name != stays.name());
    CHECK(name.starts_with("headroom_test_"));
    CHECK(is_there(server, name));
    CHECK(goes.sql("SELECT x FROM @, @") == "SELECT x FROM " + name + ", " + name);
  }
  CHECK_FALSE(is_there(server, name));
  CHECK(is_there(server, stays.name()));
}

std::string error_of(Postgres& server, const char* sql) {
  try {
    server.execute(sql);
    return "none";
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

TEST_CASE("what PostgreSQL refuses is one line without names, and it goes on", "[postgresql]") {
  if (!postgres_answers()) return;
  Postgres server;
  CHECK(error_of(server, "SELECT * FROM no_such_table") ==
        "postgresql: relation \"\" does not exist");
  CHECK(error_of(server, "SELECT 1 +") == "postgresql: syntax error at end of input");
  const PostgresTable table("test", "x bigint");
  CHECK_THROWS_WITH(server.copy(table.sql("COPY @ FROM STDIN").c_str(), "no number\n"),
                    "postgresql: invalid input syntax for type bigint: \"\"");
  CHECK_THROWS_WITH(server.copy("COPY no_such_table FROM STDIN", "1\n"),
                    "postgresql: relation \"\" does not exist");
  server.copy(table.sql("COPY @ FROM STDIN").c_str(), "1\n2\n");
  CHECK(row_of(server.execute(table.sql("SELECT sum(x) FROM @")), 0) == "3");
}

TEST_CASE("a connection that PostgreSQL ended says so in one line, each time", "[postgresql]") {
  if (!postgres_answers()) return;
  Postgres server, other;
  const std::string pid = row_of(server.execute("SELECT pg_backend_pid()"), 0);
  other.execute("SELECT pg_terminate_backend(" + pid + ")");
  for (int i = 0; i < 2; ++i) {
    const std::string told = error_of(server, "SELECT 1");
    INFO(told);
    CHECK(told.starts_with("postgresql: "));
    CHECK(told.size() > 14);
    CHECK(told.find('\n') == std::string::npos);
  }
}

TEST_CASE("an unset or unreachable server is one line without its address", "[postgresql]") {
  CHECK_THROWS_WITH(Postgres("HEADROOM_NO_SUCH_VARIABLE"), "HEADROOM_NO_SUCH_VARIABLE is not set");
}

#ifdef LIBPQ_HAS_PIPELINING
TEST_CASE("a pipeline's answers come in the order of its statements, and as one transaction",
          "[postgresql]") {
  if (!postgres_answers()) return;
  Postgres server;
  const PostgresTable table("test", "x bigint PRIMARY KEY");
  server.prepare("put", table.sql("INSERT INTO @ VALUES ($1) RETURNING x").c_str());
  const auto put = [&](const std::vector<int>& numbers) {
    server.begin_pipeline();
    for (const int number : numbers) {
      const Digits text(number);
      const char* const values[] = {text.c_str()};
      server.send_prepared("put", values);
    }
    server.sync();
    std::vector<std::string> told;
    for (std::size_t i = 0; i < numbers.size(); ++i) told.push_back(row_of(server.next(), 0));
    server.end_pipeline();
    return told;
  };
  CHECK(put({3, 1, 2}) == std::vector<std::string>{"3", "1", "2"});
  CHECK(put({}).empty());
  // Far more than the buffers between both sides hold.
  std::vector<int> many;
  for (int i = 10; i < 20'000; ++i) many.push_back(i);
  CHECK(put(many).back() == "19999");
  CHECK_THROWS_WITH(put({5, 3, 6}),
                    "postgresql: duplicate key value violates unique constraint \"\"");
  CHECK(row_of(Postgres().execute(table.sql("SELECT count(*) FROM @ WHERE x < 10")), 0) == "3");
}
#endif

TEST_CASE("shares of PostgreSQL's and the client's cores: the first call's count until the second",
          "[postgresql]") {
  if (!postgres_answers()) return;
  Postgres server;
  CpuShares shares;
  shares.add(server.process());
  const auto call = [&] {
    const CpuShares::Exchange exchange(shares);
    server.execute("SELECT sum(i) FROM generate_series(1, 300000) AS i");
  };
  CHECK(shares.quantities().empty());
  call();
  CHECK(shares.quantities().contains("client_cpu_share"));
  call();
  const Quantities told = shares.quantities();
  REQUIRE(told.contains("client_cpu_share"));
  CHECK(told.at("client_cpu_share").value < 0.5);
  if (server.process() == 0) return;  // on another machine
  CHECK(told.at("server_cpu_share").value > 0.02);
  CHECK(told.at("server_cpu_share").value < 1.1);
  CHECK(told.at("server_cpu_share").value > told.at("client_cpu_share").value);
}

}  // namespace
}  // namespace headroom
#endif
