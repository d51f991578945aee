// support/places-inl.h: the places of every mask's bits, in order, within the room it asks for.
#include <cstdint>
#include <vector>

#include "catch.h"
#include "core/random.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "../tests/places_test.cpp"
#include "support/places-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

template <size_t kStep>
bool PlacesAreRight(uint64_t bits, uint32_t base) {
  std::vector<uint32_t> want;
  for (uint32_t i = 0; i < 64; ++i)
    if ((bits >> i & 1) != 0) want.push_back(base + i);
  std::vector<uint32_t> got(kMostPlaces<kStep>);  // AddressSanitizer sees what is written behind it
  got.resize(WritePlaces<kStep>(bits, base, got.data()));
  return got == want;
}

bool AllPlacesAreRight(uint64_t bits, uint32_t base) {
  return PlacesAreRight<1>(bits, base) && PlacesAreRight<6>(bits, base) &&
         PlacesAreRight<12>(bits, base) && PlacesAreRight<64>(bits, base);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
namespace {

HWY_EXPORT(AllPlacesAreRight);

TEST_CASE("the places of a mask's bits are written in order") {
  Rng rng(1);
  CHECK(HWY_DYNAMIC_DISPATCH(AllPlacesAreRight)(0, 7));
  CHECK(HWY_DYNAMIC_DISPATCH(AllPlacesAreRight)(~std::uint64_t{0}, 0));
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t dense = rng(), sparse = rng() & rng() & rng() & rng();
    CHECK(HWY_DYNAMIC_DISPATCH(AllPlacesAreRight)(dense, 64));
    CHECK(HWY_DYNAMIC_DISPATCH(AllPlacesAreRight)(sparse, 4096));
    CHECK(HWY_DYNAMIC_DISPATCH(AllPlacesAreRight)(std::uint64_t{1} << (i % 64), 1));
  }
}

}  // namespace
}  // namespace headroom
#endif
