// support/sqlite.h: plans that are checked, files that are made once and go.
#include "support/sqlite.h"

#include <filesystem>
#include <string>

#include "catch.h"

#if HEADROOM_HAVE_SQLITE
namespace headroom {
namespace {

struct Numbers {
  explicit Numbers(std::size_t n) : rows(n) {}
  const std::size_t rows;
  const sqlite::File file{[this](const sqlite::Connection& made) {
    made.execute("CREATE TABLE numbers (id INTEGER PRIMARY KEY, square INTEGER NOT NULL)");
    sqlite::Statement insert(made, "INSERT INTO numbers VALUES (?, ?)");
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(rows); ++i) {
      insert.bind(1, i);
      insert.bind(2, i * i);
      insert.run();
    }
  }};
};

TEST_CASE("a statement with another plan than it is said to have is refused, with the plan") {
  const Numbers numbers(10);
  const sqlite::Connection connection(numbers.file.path());
  const char* const sql = "SELECT id FROM numbers WHERE square = ?";
  sqlite::Statement scan = sqlite::planned(connection, sql, "SCAN numbers");
  scan.bind(1, 49);
  REQUIRE(scan.step());
  CHECK(scan.number(0) == 7);
  CHECK_FALSE(scan.step());
  try {
    sqlite::planned(connection, sql, "SEARCH numbers");
    FAIL("not refused");
  } catch (const std::runtime_error& error) {
    CHECK(std::string(error.what()) == "SQLite's plan is not SEARCH numbers, but SCAN numbers; ");
  }
}

TEST_CASE("a file's rows are there for other connections, and the file goes with its last holder") {
  const auto first = sqlite::tables_of<Numbers>(10);
  CHECK(sqlite::tables_of<Numbers>(10) == first);
  const std::string path = first->file.path();
  {
    const sqlite::Connection connection(path);
    sqlite::Statement sum(connection, "SELECT count(*), sum(square) FROM numbers");
    REQUIRE(sum.step());
    CHECK(sum.number(0) == 10);
    CHECK(sum.number(1) == 285);
  }
  std::string other;
  {
    const auto second = sqlite::tables_of<Numbers>(20);
    CHECK(second != first);
    other = second->file.path();
    CHECK(std::filesystem::exists(path));  // `first` holds it still
  }
  CHECK(std::filesystem::exists(other));
  CHECK(sqlite::tables_of<Numbers>(10) != first);
  CHECK_FALSE(std::filesystem::exists(other));
}

}  // namespace
}  // namespace headroom
#endif
