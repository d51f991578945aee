// FlatTable: what the agreement of hash_find_hit, which has random keys and only hits, can't show.
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "algorithm/flat_table.h"
#include "catch.h"
#include "core/random.h"

namespace headroom {
namespace {

using Keys = std::vector<std::uint64_t>;

FlatTable filled(const Keys& keys, std::size_t expected) {
  FlatTable table(expected);
  for (std::size_t i = 0; i < keys.size(); ++i) table.insert(keys[i], i);
  return table;
}

// Every key is found with its value, and no probe is longer than promised.
void check_sound(const FlatTable& table, const Keys& keys) {
  CHECK(table.size() == keys.size());
  CHECK(table.longest_probe() <= FlatTable::kLongestProbe);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::uint64_t* value = table.find(keys[i]);
    wrong += value == nullptr || *value != i;
  }
  CHECK(wrong == 0);
}

double share_at_home(const FlatTable& table, const Keys& keys) {
  std::size_t at_home = 0;
  for (std::uint64_t key : keys) {
    const FlatTable::Bucket& home = table.view().buckets[table.view().home(key)];
    for (std::uint64_t other : home.keys) at_home += other == key;
  }
  return static_cast<double>(at_home) / static_cast<double>(keys.size());
}

TEST_CASE("FlatTable behaves as std::unordered_map, growing from nothing") {
  for (std::uint64_t range : {3, 50, 5000, 100'000}) {
    FastRng rng(range);
    FlatTable table;
    std::unordered_map<std::uint64_t, std::uint64_t> model;
    std::size_t wrong = 0;
    for (int i = 0; i < 20'000; ++i) {
      const std::uint64_t key = bounded(rng, range);  // 0, which marks free slots, among them
      wrong += table.insert(key, static_cast<std::uint64_t>(i)) !=
               model.emplace(key, static_cast<std::uint64_t>(i)).second;
      const std::uint64_t other = bounded(rng, 2 * range);
      const auto want = model.find(other);
      const std::uint64_t* got = table.find(other);
      wrong += (got == nullptr) != (want == model.end());
      wrong += got != nullptr && *got != want->second;
    }
    CHECK(wrong == 0);
    CHECK(table.size() == model.size());
    CHECK(table.longest_probe() <= FlatTable::kLongestProbe);
  }
}

TEST_CASE("an empty FlatTable finds nothing, and the key that marks free slots is a key") {
  FlatTable table;
  CHECK(table.size() == 0);
  CHECK(table.find(0) == nullptr);
  CHECK(table.find(~std::uint64_t{0}) == nullptr);
  CHECK(table.insert(0, 7));
  CHECK_FALSE(table.insert(0, 8));
  REQUIRE(table.find(0) != nullptr);
  CHECK(*table.find(0) == 7);
  CHECK(table.size() == 1);
  CHECK(table.find(1) == nullptr);
}

TEST_CASE("keys with structure spread over a FlatTable as random ones do") {
  constexpr std::size_t kCount = 20'000;
  constexpr double kAtHome = 0.95;  // of random keys 0.98 are
  const auto check = [&](const char* what, int parameter, auto&& key_of) {
    Keys keys(kCount);
    for (std::size_t i = 0; i < kCount; ++i) keys[i] = key_of(std::uint64_t{i});
    const FlatTable table = filled(keys, kCount);
    INFO(what << " " << parameter);
    check_sound(table, keys);
    CHECK(share_at_home(table, keys) > kAtHome);
  };
  using U = std::uint64_t;
  check("sequential", 0, [](U i) { return i + 1; });
  check("descending from the top", 0, [](U i) { return ~i; });
  for (int bits = 1; bits <= 49; ++bits)
    check("equal low bits", bits, [&](U i) { return (i << bits) | 1; });
  for (int stride : {3, 5, 7, 10, 48, 100, 1000, 4096, 65'537, 1'000'003})
    check("stride", stride, [&](U i) { return i * static_cast<U>(stride); });
  for (int bits : {8, 16, 24, 32, 40, 48})
    check("two fields", bits, [&](U i) { return ((i / 100) << bits) | (i % 100); });
  check("addresses", 0, [](U i) { return 0x7f0000001000 + 48 * i; });
  // Multiples of the inverse of the hash's first factor: each product is i, were it not for the
  // seed.
  check("inverse of the factor", 0, [](U i) { return i * 0xf1de83e19937733d; });
  check("inverse of the factor, seed undone", 0,
        [](U i) { return (i * 0xf1de83e19937733d) ^ 0x2d358dccaa6c78a5; });
}

TEST_CASE("keys chosen to collide make a FlatTable change its seed, not slow") {
  constexpr std::size_t kCount = 10'000;
  const FlatTable empty(kCount);
  Keys keys;
  for (std::uint64_t key = 1; keys.size() < kCount; ++key)
    if (empty.view().home(key) < empty.view().count / 100) keys.push_back(key);
  const FlatTable table = filled(keys, kCount);
  CHECK(table.seed() != empty.seed());
  CHECK(table.bytes() == empty.bytes());
  check_sound(table, keys);
  CHECK(share_at_home(table, keys) > 0.95);
}

}  // namespace
}  // namespace headroom
