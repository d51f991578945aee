// database/pg_insert: each way of inserting stores what it was given, and a writer that is killed
// at any moment has kept what it acknowledged. With a server alone: test_servers.py has one, and
// kills that too.
#include "database/pg_payments.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <type_traits>

#include "catch.h"

#if HEADROOM_HAVE_LIBPQ
namespace headroom {
namespace {

struct Told {
  void operator()(std::size_t count) const { rows->fetch_add(count); }
  std::atomic<std::size_t>* rows;
};

struct Way {
  std::string name;
  void (*insert)(PaymentWriter&, std::int64_t, std::span<const Payment>, const Told&);
};

const Way kWays[] = {
    {"each", insert_each<Told>},
    {"transaction", insert_in_transaction<Told>},
#ifdef LIBPQ_HAS_PIPELINING
    {"pipeline", insert_in_pipeline<Told>},
#endif
    {"values", insert_values<Told>},
    {"unnest", insert_unnest<Told>},
    {"copy", insert_by_copy<Told>},
    {"binary_copy", insert_by_binary_copy<Told>},
};

std::vector<std::string> texts_of(const std::vector<Payment>& payments, std::int64_t first = 1) {
  std::vector<std::string> rows;
  for (const Payment& payment : payments) rows.push_back(text_of(first++, payment));
  return rows;
}

TEST_CASE("each way of inserting into PostgreSQL stores every text as it is", "[postgresql]") {
  if (!postgres_answers()) return;
  std::vector<Payment> payments;
  for (const char* note : {"", "NULL", "\\N", "\\.", "a\nb\r\n\tc", R"({"x",'y'},\"z\")", "ä€𝄞",
                           "\\", "'", "$1", " , "})
    payments.push_back({static_cast<std::int64_t>(payments.size()), -5, note});
  payments.push_back({std::numeric_limits<std::int64_t>::max(),
                      std::numeric_limits<std::int64_t>::min(), "the largest and the smallest"});
  for (const Way& way : kWays) {
    INFO(way.name);
    const PaymentTable table;
    PaymentWriter writer(table);
    std::atomic<std::size_t> acknowledged = 0;
    way.insert(writer, 1, payments, {&acknowledged});
    CHECK(acknowledged == payments.size());
    CHECK(table.rows_from(1) == texts_of(payments));
    CHECK(table.rows_from(12) == std::vector{text_of(12, payments[11])});
    CHECK(table.count() == 12);
  }
}

TEST_CASE("a row that PostgreSQL refuses is one line, and nothing is acknowledged for it",
          "[postgresql]") {
  if (!postgres_answers()) return;
  FastRng rng(1);
  const std::vector<Payment> payments = make_payments(3, rng);
  for (const Way& way : kWays) {
    INFO(way.name);
    const PaymentTable table;
    std::atomic<std::size_t> acknowledged = 0;
    {
      PaymentWriter writer(table);
      way.insert(writer, 3, std::span(payments).first(1), {&acknowledged});
    }
    PaymentWriter writer(table);
    try {
      way.insert(writer, 1, payments, {&acknowledged});  // the third key is there already
      FAIL("it took a key twice");
    } catch (const std::runtime_error& error) {
      CHECK(std::string(error.what()) ==
            "postgresql: duplicate key value violates unique constraint \"\"");
    }
    const std::size_t before = way.name == "each" ? 3 : 1;
    CHECK(acknowledged == before);
    CHECK(table.count() == static_cast<std::int64_t>(before));
  }
}

constexpr std::size_t kBatch = 8;

TEST_CASE("what a killed writer had acknowledged is in PostgreSQL, whole and in order",
          "[postgresql]") {
  if (!postgres_answers()) return;
  FastRng rng(2);
  const std::vector<Payment> payments = make_payments(4096 * kBatch, rng);
  const std::vector<std::string> want = texts_of(payments);
  void* const shared = mmap(nullptr, sizeof(std::atomic<std::size_t>), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(shared != MAP_FAILED);
  auto* const acknowledged = new (shared) std::atomic<std::size_t>;
  for (const Way& way : kWays) {
    INFO(way.name);
    for (int kills = 0; kills < 3; ++kills) {
      const PaymentTable table;
      acknowledged->store(0);
      const pid_t child = fork();
      if (child == 0) {
        try {
          PaymentWriter writer(table);
          for (std::size_t i = 0; i < payments.size(); i += kBatch)
            way.insert(writer, static_cast<std::int64_t>(i) + 1,
                       std::span(payments).subspan(i, kBatch), {acknowledged});
        } catch (const std::exception&) {
          _exit(1);
        }
        for (;;) pause();
      }
      REQUIRE(child > 0);
      // From a moment after the first one on, wherever it then is.
      const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (acknowledged->load() < kBatch && std::chrono::steady_clock::now() < limit)
        std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::microseconds(bounded(rng, 20'000)));
      kill(child, SIGKILL);
      int status = 0;
      const bool ended = waitpid(child, &status, 0) == child;
      REQUIRE((ended && WIFSIGNALED(status)));
      const std::vector<std::string> rows = table.rows_from(1);
      CHECK(acknowledged->load() >= kBatch);
      CHECK(rows.size() >= acknowledged->load());
      CHECK(rows == std::vector(want.begin(), want.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                                 rows.size(), want.size()))));
      if (way.name != "each") CHECK(rows.size() % kBatch == 0);
    }
  }
  munmap(shared, sizeof(std::atomic<std::size_t>));
}

// Run by test_servers.py, which kills the server. It tells the table, each acknowledgement, and the
// error; the table stays.
TEST_CASE("insert into PostgreSQL until it goes", "[.]") {
  const char* const name = std::getenv("HEADROOM_TEST_WAY");
  if (name == nullptr) return;
  std::setbuf(stdout, nullptr);
  for (const Way& way : kWays) {
    if (way.name != name) continue;
    auto* const table = new PaymentTable;
    PaymentWriter writer(*table);
    std::printf("table %s\n", table->name().c_str());
    FastRng rng(3);
    std::atomic<std::size_t> acknowledged = 0;
    try {
      for (std::int64_t first = 1;; first += kBatch) {
        way.insert(writer, first, make_payments(kBatch, rng), {&acknowledged});
        std::printf("acknowledged %zu\n", acknowledged.load());
      }
    } catch (const std::runtime_error& error) {
      std::printf("error %s\n", error.what());
    }
    _exit(0);
  }
  FAIL("no such way");
}

}  // namespace
}  // namespace headroom
#endif
