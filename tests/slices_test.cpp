#include "support/slices.h"

#include <vector>

#include "catch.h"
#include "core/buffer.h"

namespace headroom {
namespace {

TEST_CASE("slices cover what is asked for, by a power of two") {
  CHECK(Slices::covering(1000, 1).count() == 1024);
  CHECK(Slices::covering(1024, 1).count() == 1024);
  CHECK(Slices::covering(1025, 1).count() == 2048);
  CHECK(Slices::covering(1000, 300).count() == 4);
  CHECK(Slices::covering(1000, 300).items() == 1200);
  CHECK(Slices::covering(1000, 2000).count() == 1);
  CHECK(Slices::covering(1000, 1, 64).count() == 64);
  CHECK(Slices::covering(1000, 0).count() == 1);
  CHECK(Slices::covering(0, 5).count() == 1);
}

TEST_CASE("slices stay within what there is") {
  CHECK(Slices::within(2048, 16).count() == 128);
  CHECK(Slices::within(2048, 3).count() == 512);
  CHECK(Slices::within(2048, 2048).count() == 1);
  CHECK(Slices::within(10, 11).count() == 1);
  CHECK(Slices::within(10, 0).count() == 1);
}

TEST_CASE("turns go through all slices in order, and around again") {
  const Slices slices = Slices::covering(12, 3);
  REQUIRE(slices.count() == 4);
  Buffer<int> items(slices.items());
  for (std::size_t i = 0; i < items.size(); ++i) items[i] = static_cast<int>(i);
  std::vector<int> seen;
  for (std::size_t turn = 0; turn < 2 * slices.count(); ++turn) {
    CHECK(slices.lap(turn) == turn / 4);
    for (const int item : slices.of(items, turn)) seen.push_back(item);
  }
  REQUIRE(seen.size() == 24);
  for (std::size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == static_cast<int>(i % 12));
}

TEST_CASE("one slice of no items is what there is before any is made") {
  const Slices none;
  CHECK(none.count() == 1);
  CHECK(none.items() == 0);
  CHECK(none.of(Buffer<int>(), 7).empty());
}

}  // namespace
}  // namespace headroom
