// Caches of answers (caching/query_cache.h): when an answer is computed anew.
#include "caching/query_cache.h"

#include <string>

#include "catch.h"

namespace headroom {
namespace {

using namespace std::chrono_literals;

TEST_CASE("an answer is believed for its time, and not longer") {
  TtlCache cache(10s);
  int computed = 0;
  const auto compute = [&](std::int64_t key) {
    return std::to_string(key) + ":" + std::to_string(++computed);
  };
  const TtlCache::Clock::time_point start{};
  CHECK(cache.get(7, compute, start) == "7:1");
  CHECK(cache.get(7, compute, start + 9999ms) == "7:1");
  CHECK(cache.get(8, compute, start + 9999ms) == "8:2");
  CHECK(cache.get(7, compute, start + 10s) == "7:3");
  CHECK(cache.get(8, compute, start + 10s) == "8:2");
  CHECK(cache.computed() == 3);
}

#if HEADROOM_HAVE_SQLITE
TEST_CASE("a versioned cache sees every commit, of its own connection and of others") {
  const ScratchFolder folder;
  const std::string path = folder.path() + "/versions.db";
  for (const char* settings : {sqlite::kDurable, sqlite::kWal}) {
    CAPTURE(settings);
    const sqlite::Connection reader(path, settings), writer(path, settings);
    writer.execute("CREATE TABLE IF NOT EXISTS t (key INTEGER PRIMARY KEY, value INTEGER)");
    writer.execute("INSERT OR REPLACE INTO t VALUES (1, 10)");
    sqlite::Statement query(reader, "SELECT value FROM t WHERE key = ?");
    VersionedCache cache(reader);
    const auto ask = [&] {
      return cache.get(1, [&](std::int64_t key) {
        query.bind(1, key);
        query.step();
        std::string text(query.text(0));
        query.reset();
        return text;
      });
    };
    CHECK(ask() == "10");
    CHECK(ask() == "10");
    const std::uint64_t before = cache.computed();
    CHECK(ask() == "10");
    CHECK(cache.computed() == before);
    for (int value = 11; value < 31; ++value) {
      const std::string sql = "UPDATE t SET value = " + std::to_string(value);
      (value % 2 == 0 ? reader : writer).execute(sql.c_str());
      CHECK(ask() == std::to_string(value));
      CHECK(ask() == std::to_string(value));
    }
    CHECK(cache.computed() == before + 20);
    // What was not committed isn't there, and what is rolled back never was.
    writer.execute("BEGIN IMMEDIATE");
    writer.execute("UPDATE t SET value = 99");
    CHECK(ask() == "30");
    writer.execute("ROLLBACK");
    CHECK(ask() == "30");
  }
}
#endif

}  // namespace
}  // namespace headroom
