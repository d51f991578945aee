// Filters (caching/filters.h): none ever denies a key that was put in, and each says "perhaps" for
// as many others as its formula has it. What a store on file (sorted_file.h) finds.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "caching/filters-inl.h"

#include "caching/filters.h"

#include <cmath>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "caching/filters-inl.h"
#include "caching/sorted_file.h"
#include "catch.h"
#include "core/random.h"

namespace headroom {
namespace {
HWY_EXPORT(AskSplitBlock);

using filters::kProbes;

constexpr std::size_t kSizes[] = {0, 1, 2, 3, 5, 7, 16, 31, 100, 255, 256, 257, 1001, 20'001};

// Keys as hard as they come: random ones, small numbers in a row, and numbers that differ in their
// upper bits alone.
enum class Kind { kRandom, kRow, kUpper };
std::vector<std::uint64_t> keys_of(Kind kind, std::size_t n, std::uint64_t seed) {
  FastRng rng(seed);
  std::vector<std::uint64_t> keys(n);
  for (std::size_t i = 0; i < n; ++i)
    keys[i] = kind == Kind::kRandom ? rng() : kind == Kind::kRow ? i : i << 40;
  return keys;
}

template <class Filter>
void check_no_false_negative() {
  for (const Kind kind : {Kind::kRandom, Kind::kRow, Kind::kUpper})
    for (const std::size_t n : kSizes) {
      CAPTURE(n, static_cast<int>(kind));
      const std::vector<std::uint64_t> keys = keys_of(kind, n, n + 1);
      const Filter filter(keys);
      std::size_t denied = 0;
      for (const std::uint64_t key : keys) denied += filter.may_contain(key) ? 0 : 1;
      CHECK(denied == 0);
    }
}

TEST_CASE("no filter denies a key that it holds") {
  SECTION("bloom") { check_no_false_negative<filters::Bloom>(); }
  SECTION("blocked_bloom") { check_no_false_negative<filters::BlockedBloom>(); }
  SECTION("split_block") { check_no_false_negative<filters::SplitBlock>(); }
  SECTION("xor8") { check_no_false_negative<filters::Xor8>(); }
  SECTION("binary_fuse8") { check_no_false_negative<filters::BinaryFuse8>(); }
}

// The probability of each load i of a block, of n keys in so many blocks: a binomial distribution.
std::vector<double> loads(std::size_t n, std::size_t blocks) {
  std::vector<double> all;
  const double p = 1 / static_cast<double>(blocks), keys = static_cast<double>(n);
  for (double i = 0; i <= keys && i < 400; ++i)
    all.push_back(std::exp(std::lgamma(keys + 1) - std::lgamma(i + 1) - std::lgamma(keys - i + 1) +
                           i * std::log(p) + (keys - i) * std::log1p(-p)));
  return all;
}

double expected(const filters::Bloom& filter, std::size_t n) {
  const double set =
      1 - std::exp(-kProbes * static_cast<double>(n) / static_cast<double>(filter.bits()));
  return std::pow(set, kProbes);
}
// After each key the distribution of how many bits of a block are set, and from it the share of
// keys whose seven places all are.
double expected(const filters::BlockedBloom& filter, std::size_t n) {
  constexpr std::size_t kBits = filters::BlockedBloom::kBlockBits;
  std::vector<double> set(kBits + 1);
  set[0] = 1;
  double total = 0;
  for (const double probability : loads(n, filter.bits() / kBits)) {
    for (std::size_t bits = 0; bits <= kBits; ++bits)
      total += probability * set[bits] * std::pow(static_cast<double>(bits) / kBits, kProbes);
    for (int i = 0; i < kProbes; ++i)
      for (std::size_t bits = kBits; bits-- > 0;) {
        const double fresh = set[bits] * static_cast<double>(kBits - bits) / kBits;
        set[bits + 1] += fresh;
        set[bits] -= fresh;
      }
  }
  return total;
}
double expected(const filters::SplitBlock& filter, std::size_t n) {
  double total = 0, unset = 1;
  for (const double probability : loads(n, filter.bits() / 256)) {
    total += probability * std::pow(1 - unset, 8);
    unset *= 31.0 / 32;
  }
  return total;
}
template <class Places>
double expected(const filters::Fingerprints<Places>&, std::size_t) {
  return 1.0 / 256;
}

// How many standard deviations the share of other keys that pass is off what the formula says, and
// the bits for each key.
template <class Filter>
void check_false_positives(double least_bits, double most_bits) {
  constexpr std::size_t kKeys = 30'000, kOthers = 1'000'000;
  double passed = 0, wanted = 0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const std::vector<std::uint64_t> keys = keys_of(Kind::kRandom, kKeys, seed);
    const Filter filter(keys);
    const double bits = static_cast<double>(filter.bits()) / kKeys;
    CHECK(bits >= least_bits);
    CHECK(bits <= most_bits);
    wanted += expected(filter, kKeys) * kOthers;
    FastRng others(seed + 1000);  // none of them is a key
    for (std::size_t i = 0; i < kOthers; ++i) passed += filter.may_contain(others()) ? 1 : 0;
  }
  // Which bits are set differs from filter to filter: that spread is of the order of the sample's.
  const double deviations = (passed - wanted) / std::sqrt(2 * wanted);
  INFO("of 3,000,000 other keys " << passed << " pass, by the formula " << wanted);
  CHECK(std::abs(deviations) < 4);
}

TEST_CASE("filters let as many other keys pass as their formulas say") {
  SECTION("bloom") { check_false_positives<filters::Bloom>(10, 10.01); }
  SECTION("blocked_bloom") { check_false_positives<filters::BlockedBloom>(10, 10.02); }
  SECTION("split_block") { check_false_positives<filters::SplitBlock>(10, 10.01); }
  SECTION("xor8") { check_false_positives<filters::Xor8>(9.8, 9.9); }
  SECTION("binary_fuse8") { check_false_positives<filters::BinaryFuse8>(9, 10); }
}

TEST_CASE("a binary fuse filter of many keys has nine bits for each") {
  const std::vector<std::uint64_t> keys = keys_of(Kind::kRow, 1'000'000, 1);
  const filters::BinaryFuse8 filter(keys);
  CHECK(static_cast<double>(filter.bits()) / 1e6 < 9.1);
  std::size_t denied = 0;
  for (const std::uint64_t key : keys) denied += filter.may_contain(key) ? 0 : 1;
  CHECK(denied == 0);
}

TEST_CASE("fingerprints of equal keys are refused") {
  const std::vector<std::uint64_t> twice = {7, 8, 7};
  CHECK_THROWS_AS(filters::Xor8(twice), std::invalid_argument);
  CHECK_THROWS_AS(filters::BinaryFuse8(twice), std::invalid_argument);
}

// With two keys of known bits, by hand: those pass whose bits were set by the two together.
TEST_CASE("a split block sets the bits that Parquet's format says") {
  const std::vector<std::uint64_t> keys = {42};
  const filters::SplitBlock filter(keys);
  REQUIRE(filter.blocks().size() == 1);
  const auto low = static_cast<std::uint32_t>(filters::mix(42));
  constexpr std::uint32_t kSalts[] = {0x47b6137bu, 0x44974d91u, 0x8824ad5bu, 0xa2b7289du,
                                      0x705495c7u, 0x2df1424bu, 0x9efc4947u, 0x5c6bfb31u};
  for (std::size_t i = 0; i < 8; ++i)
    CHECK(filter.blocks()[0].words[i] == 1u << (low * kSalts[i] >> 27));
}

TEST_CASE("asked in SIMD, a split block says the same") {
  for (const std::size_t n : kSizes) {
    CAPTURE(n);
    const std::vector<std::uint64_t> keys = keys_of(Kind::kRandom, n, n);
    const filters::SplitBlock filter(keys);
    std::vector<std::uint64_t> asked = keys_of(Kind::kRandom, 10 * n + 99, n + 7);
    asked.insert(asked.end(), keys.begin(), keys.end());
    std::vector<std::uint32_t> want, got(asked.size());
    for (std::size_t i = 0; i < asked.size(); ++i)
      if (filter.may_contain(asked[i])) want.push_back(static_cast<std::uint32_t>(i));
    got.resize(HWY_DYNAMIC_DISPATCH(AskSplitBlock)(filter, asked.data(), asked.size(), got.data()));
    CHECK(got == want);
    CHECK(got.size() >= n);
  }
}

TEST_CASE("a sorted file finds its keys and nothing else, read and mapped") {
  for (const std::size_t n : kSizes) {
    CAPTURE(n);
    std::vector<SortedFile::Entry> entries;
    for (std::size_t i = n; i-- > 0;) entries.push_back({10 * i + 5, i + 1});
    const SortedFile file(entries);
    const files::Map map = file.map();
    SortedFile::Block block;
    std::size_t wrong = 0;
    for (std::uint64_t key = 0; key < 10 * n + 20; ++key) {
      const std::uint64_t want = key % 10 == 5 && key / 10 < n ? key / 10 + 1 : 0;
      wrong += file.find(key, block) != want || file.find(key, map) != want ? 1 : 0;
    }
    CHECK(wrong == 0);
    CHECK(file.find(~std::uint64_t{0}, block) == 0);
  }
}

}  // namespace
}  // namespace headroom
