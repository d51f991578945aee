// support/bytes.h: random bytes are the same for the same seed, whole words or not, and the bytes
// that a variant wrote are found where it wrote them.
#include "support/bytes.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "catch.h"

namespace headroom {
namespace {

std::vector<std::uint8_t> random(std::size_t n) {
  Rng rng(7);
  const Buffer<std::uint8_t> bytes = random_bytes(n, rng);
  return {bytes.begin(), bytes.end()};
}

TEST_CASE("bytes: random ones depend on the seed alone") {
  const std::vector<std::uint8_t> sixteen = random(16), thirteen = random(13);
  CHECK(sixteen == random(16));
  CHECK(std::equal(thirteen.begin(), thirteen.end(), sixteen.begin()));
  CHECK(random(0).empty());
  Rng other(8);
  const Buffer<std::uint8_t> others = random_bytes(16, other);
  CHECK_FALSE(std::equal(others.begin(), others.end(), sixteen.begin()));
}

TEST_CASE("bytes: a copy has the same ones") {
  const std::vector<std::uint8_t> bytes = random(21);
  const Buffer<std::uint8_t> copy = copy_of(bytes);
  CHECK(std::equal(copy.begin(), copy.end(), bytes.begin(), bytes.end()));
}

TEST_CASE("bytes: what was written is seen, in either place") {
  WrittenBytes written;
  written.buffer = {1, 2, 3};
  CHECK(std::ranges::equal(written.view(), std::vector<std::uint8_t>{1, 2, 3}));
  written.string = "ab";
  written.in_string = true;
  CHECK(std::ranges::equal(written.view(), std::vector<std::uint8_t>{'a', 'b'}));
  CHECK(written.spoil(Spoil::kLast));
  CHECK(written.string[0] == 'a');
  CHECK(written.string[1] != 'b');
  written.poison();
  CHECK(written.view().size() == 3);
  CHECK_FALSE(std::ranges::equal(written.view(), std::vector<std::uint8_t>{1, 2, 3}));
}

}  // namespace
}  // namespace headroom
