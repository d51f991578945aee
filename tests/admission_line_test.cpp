// Who is turned away, and who is next, at times that are made up.
#include "concurrency/admission_line.h"

#include "catch.h"

namespace headroom {
namespace {

using Line = AdmissionLine<int>;

TEST_CASE("without rules everybody waits, and is served in turn") {
  Line line({});
  std::vector<int> away;
  for (int i = 0; i < 1000; ++i) CHECK(line.come(i, 10));
  for (int i = 0; i < 1000; ++i) CHECK(line.next(1'000'000'000'000, away) == i);
  CHECK_FALSE(line.next(1'000'000'000'001, away).has_value());
  CHECK(away.empty());
}

TEST_CASE("a bounded line turns away who comes when it is full") {
  Line line({.room = 2});
  std::vector<int> away;
  CHECK(line.come(1, 0));
  CHECK(line.come(2, 0));
  CHECK_FALSE(line.come(3, 0));
  CHECK(line.next(5, away) == 1);
  CHECK(line.come(4, 6));
  CHECK(line.next(7, away) == 2);
  CHECK(line.next(8, away) == 4);
}

TEST_CASE("controlled delay lets a burst wait, and bounds the wait while an overload lasts") {
  Line line({.interval_ns = 100, .target_ns = 10});
  std::vector<int> away;
  // A burst: the line was empty not long ago, so 90 ns are not too long.
  for (int i = 0; i < 3; ++i) CHECK(line.come(i, 1000));
  CHECK(line.next(1090, away) == 0);
  CHECK(away.empty());
  // Not empty for more than 100 ns: whoever has waited for more than 10 goes.
  CHECK(line.come(3, 1100));
  CHECK(line.come(4, 1105));
  CHECK(line.next(1111, away) == 4);
  CHECK(away == std::vector<int>{1, 2, 3});
  away.clear();
  // Once it was empty, it is patient again.
  CHECK_FALSE(line.next(1120, away).has_value());
  CHECK(line.come(5, 2000));
  CHECK(line.next(2090, away) == 5);
  CHECK(line.come(6, 3000));
  CHECK(line.come(7, 3001));
  CHECK(line.next(3102, away) ==
        7);  // 6 has waited too long, and so has 7, but nobody else is there
  CHECK(away == std::vector<int>{6});
  CHECK(line.empty());
}

TEST_CASE("adaptive LIFO serves in turn, and the newest first while an overload lasts") {
  Line line({.interval_ns = 100, .target_ns = 60, .newest_first = true});
  std::vector<int> away;
  for (int i = 0; i < 4; ++i) CHECK(line.come(i, 1000 + 30 * static_cast<std::uint64_t>(i)));
  CHECK(line.next(1095, away) == 0);
  CHECK(line.next(1110, away) == 3);  // 1 has waited for 80 ns and goes
  CHECK(away == std::vector<int>{1});
  CHECK(line.next(1115, away) == 2);
  CHECK(line.empty());
}

}  // namespace
}  // namespace headroom
