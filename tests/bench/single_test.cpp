// A variant alone, as an ordinary benchmark.
#include "bench/single_benchmark.h"

#include <algorithm>
#include <string>
#include <vector>

#include "bench/ladder_benchmark.h"
#include "bench/sentinel.h"
#include "catch.h"
#include "diary.h"
#include "reporter.h"

namespace headroom {
namespace {

using namespace diary;

const Registrar kAlone(metadata("diary/alone"), kThree<true>);
const Registrar kAloneMutating(metadata("diary/alone_mutating"), kThree<true, Shape::kMutating>);

struct Alone {
  Alone() {
    forget_ladders();
    register_single_benchmarks();
    for (Script& script : book().scripts) script = {.wall_ns = 2'000'000, .cpu_ns = 1};
  }
  ~Alone() { forget_ladders(); }
  MadeUpTime time;
};

const Registrar kAloneWaiting(
    [] {
      Metadata meta = metadata("diary/alone_waiting");
      meta.axis = Axis::kNetwork;
      return meta;
    }(),
    kThree<true>);

TEST_CASE("alone a call's median is by the ladder's clock, without what an empty epoch takes") {
  {
    Alone alone;
    book().scripts[1] = {.wall_ns = 2'000'000, .cpu_ns = 1'000'000};
    const std::vector<GoogleRow> rows = run_benchmarks("^diary/alone/second/");
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].counters.at("median_ns") == 1'000'000);
  }
  {
    Alone alone;
    book().scripts[1] = {.wall_ns = 2'000'000, .cpu_ns = 1'000'000};
    const std::vector<GoogleRow> rows = run_benchmarks("^diary/alone_waiting/second/");
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].counters.at("median_ns") == 2'000'000);
  }
  // A fifth of the calls that take ten times as long move the mean, not the median.
  Alone alone;
  book().scripts[1].wall_of = [](std::size_t nth) { return nth % 5 == 0 ? 20'000'000 : 2'000'000; };
  const std::vector<GoogleRow> rows = run_benchmarks("^diary/alone/second/");
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].counters.at("median_ns") == 2'000'000);
  CHECK(rows[0].ns > 5'000'000);
}

TEST_CASE("alone too epochs of short calls are an epoch of the ladder's") {
  Alone alone;
  book().scripts[1] = {.wall_ns = 1000, .cpu_ns = 1000};
  const std::vector<GoogleRow> rows = run_benchmarks("^diary/alone/second/");
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].counters.at("median_ns") == Approx(1000).epsilon(1e-6));
}

TEST_CASE("alone a variant takes what a call takes, by the wall, over all the calls that it made") {
  Alone alone;
  const std::vector<GoogleRow> rows = run_benchmarks("^diary/alone/second/");
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].error.empty());
  CHECK(rows[0].ns == Approx(2'000'000));
  CHECK(rows[0].counters.at("score") > 0);
  std::size_t calls = 0;
  for (const Epoch& e : timed()) {
    CHECK(e.who == 1);
    CHECK(e.calls == 1);
    calls += e.calls;
  }
  CHECK(timed().back().innermost == Reported::kCpu);
  // Google Benchmark called the function more than once; the last time counts.
  CHECK(calls >= static_cast<std::size_t>(rows[0].iterations));
  CHECK(rows[0].iterations >= 100);
}

TEST_CASE("alone short calls are timed many at once, and each is divided by as many") {
  Alone alone;
  book().scripts[2] = {.wall_ns = 1000, .cpu_ns = 1};
  const std::vector<GoogleRow> rows = run_benchmarks("^diary/alone/third/");
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].ns == Approx(1000).epsilon(0.001));
  const std::size_t calls = timed().back().calls;
  CHECK(calls >= 50);
  CHECK(calls <= 200);
  // Consecutive turns: every input is timed.
  const std::vector<Epoch> all = timed();
  for (std::size_t i = 1; i < all.size(); ++i)
    if (all[i].first != all[i - 1].first + all[i - 1].calls) FAIL("turn " << all[i].first);
}

TEST_CASE("alone the sentinel tells what the core was worth, where it can speak of it") {
  const double quiet = static_cast<double>(kWallRead) / Sentinel::kIterations;
  {
    Alone alone;
    const std::vector<GoogleRow> rows = run_benchmarks("^diary/alone/second/");
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].counters.at("sentinel_ns") == Approx(quiet));
  }
  {
    Alone alone;
    const std::vector<GoogleRow> rows = run_benchmarks("^diary/alone_waiting/second/");
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].counters.count("sentinel_ns") == 0);
  }
  // A neighbour that comes after the first epochs of those that count.
  Alone alone;
  book().wall_read = [](std::int64_t) { return book().counted < 60 ? kWallRead : 2 * kWallRead; };
  const std::vector<GoogleRow> rows = run_benchmarks("^diary/alone/second/");
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].counters.at("sentinel_ns") == Approx(2 * quiet));
}

TEST_CASE("alone too a wrong variant is not timed") {
  for (bool silent : {false, true}) {
    Alone alone;
    book().scripts[1].writes = !silent;
    book().scripts[1].wrong_at = [](std::size_t) { return true; };
    const std::vector<GoogleRow> rows = run_benchmarks("^diary/alone/second/");
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].error.find("diary/alone: variant second disagrees with the baseline") == 0);
    CHECK(timed().empty());
  }
}

TEST_CASE("alone a variant that throws is an error, and the next one runs") {
  Alone alone;
  book().scripts[1].throws_from_call = 0;
  const std::vector<GoogleRow> rows = run_benchmarks("^diary/alone/(second|third)/");
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].error == "no such luck");
  CHECK(rows[1].error.empty());
}

TEST_CASE("alone copies of what is changed are at most some hundreds") {
  Alone alone;
  for (Script& script : book().scripts) script = {.wall_ns = 50, .cpu_ns = 1};
  book().keep = true;
  const std::vector<GoogleRow> rows = run_benchmarks("^diary/alone_mutating/naive/");
  REQUIRE(rows.size() == 1);
  for (const Epoch& e : timed()) CHECK(e.calls < 64 * 16);
}

TEST_CASE("alone there is each cell once, and only what can run") {
  Alone alone;
  std::vector<std::string> names;
  for (const GoogleRow& row : run_benchmarks("^diary/listed/"))
    names.push_back(row.name.substr(0, row.name.find("/manual_time")));
  CHECK(names == std::vector<std::string>{
                     "diary/listed/naive/n:256/clients:1", "diary/listed/usual/n:256/clients:1",
                     "diary/listed/naive/n:256/clients:8", "diary/listed/usual/n:256/clients:8",
                     "diary/listed/naive/n:1024/clients:1", "diary/listed/naive/n:1024/clients:8"});
}

}  // namespace
}  // namespace headroom
