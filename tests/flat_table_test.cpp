// FlatTable: what the agreement of the hash kernels, which have random keys, can't show.
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "algorithm/flat_table.h"
#include "catch.h"
#include "core/agreement.h"
#include "core/kernel.h"
#include "core/random.h"
#include "subset.h"

namespace headroom {
namespace {

using Keys = std::vector<std::uint64_t>;

FlatTable filled(const Keys& keys, std::size_t expected) {
  FlatTable table;
  table.reserve(expected);
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
    for (const FlatTable::Slot& slot : home.slots) at_home += slot.key == key;
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

TEST_CASE("a FlatTable that is also erased from behaves as std::unordered_map") {
  // Few keys in a small range, so that buckets fill up; strides, so that they do it unevenly.
  for (std::uint64_t range : {3, 20, 300, 5000}) {
    for (std::uint64_t stride : {std::uint64_t{1}, std::uint64_t{4096}, std::uint64_t{1} << 48}) {
      FastRng rng(range * stride);
      FlatTable table;
      std::unordered_map<std::uint64_t, std::uint64_t> model;
      std::size_t wrong = 0;
      for (std::uint64_t i = 0; i < 20'000; ++i) {
        const std::uint64_t key = bounded(rng, range) * stride;
        if (rng() % 2 == 0) {
          wrong += table.insert(key, i) != model.emplace(key, i).second;
        } else {
          std::uint64_t value = 0;
          const auto found = model.find(key);
          wrong += table.erase(key, &value) != (found != model.end());
          if (found != model.end()) {
            wrong += value != found->second;
            model.erase(found);
          }
        }
        wrong += table.size() != model.size();
      }
      for (std::uint64_t i = 0; i < range; ++i)
        wrong += (table.find(i * stride) != nullptr) != (model.count(i * stride) != 0);
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("erasing leaves nothing behind in a FlatTable") {
  FlatTable table;
  for (std::uint64_t i = 1; i <= 1000; ++i) table.insert(i, i);
  const std::size_t bytes = table.bytes();
  std::uint64_t value = 0;
  for (std::uint64_t i = 1; i <= 1'000'000; ++i) {
    table.erase(i, &value);
    table.insert(i + 1000, i);
  }
  CHECK(table.size() == 1000);
  CHECK(table.bytes() == bytes);
  for (std::uint64_t i = 1'000'001; i <= 1'001'000; ++i) table.erase(i, &value);
  CHECK(table.size() == 0);
  CHECK(table.longest_probe() == 0);
}

TEST_CASE("keys with structure spread over a FlatTable as random ones do") {
  constexpr std::size_t kCount = 20'000;
  // Of random keys 0.98 are at home; the table takes its strong hash below 7/8.
  constexpr double kAtHome = 0.87;
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

TEST_CASE("keys get the weakest hash that doesn't clump them") {
  using Mixing = FlatTable::Mixing;
  constexpr std::size_t kCount = 10'000;
  FastRng rng(1);
  Keys random(kCount), row(kCount), clumped(kCount), fives(kCount);
  for (std::uint64_t& key : random) key = rng();
  // Numbers in a row have no upper bits.
  for (std::size_t i = 0; i < kCount; ++i) row[i] = i + 1;
  // The first factor of the hash undone: the products are small, the slots all the first few.
  for (std::size_t i = 0; i < kCount; ++i) clumped[i] = (i + 1) * 0xf1de83e19937733d;
  CHECK(filled(random, 0).hash().mixing == Mixing::kNone);
  const auto check = [](const Keys& keys, Mixing mixing) {
    const FlatTable table = filled(keys, 0);
    CHECK(table.hash().mixing == mixing);
    check_sound(table, keys);
    CHECK(share_at_home(table, keys) > 0.95);
  };
  check(row, Mixing::kOnce);
  // Five for each fourth of the 8192 buckets that are made for so many: one in five lies away, and
  // no probe is long.
  for (std::size_t i = 0; i < kCount; ++i) fives[i] = std::uint64_t{i / 5} << 53 | (i % 5 + 1);
  CHECK(filled(fives, kCount).hash().mixing == Mixing::kOnce);
  // As they are, those are spread well; with a hundred numbers in a row before them they have to be
  // multiplied, and then clump.
  check(clumped, Mixing::kNone);
  Keys both(row.begin(), row.begin() + 200);
  both.insert(both.end(), clumped.begin(), clumped.end());
  check(both, Mixing::kTwice);
}

TEST_CASE("keys chosen to collide make a FlatTable change its seed, not slow") {
  // In a 16th of the table by every hash: none, one multiplication, two with the first seed.
  using Mixing = FlatTable::Mixing;
  constexpr std::size_t kCount = 4'000;
  const auto clumped = [&](auto&& also) {
    Keys keys;
    FastRng rng(1);
    while (keys.size() < kCount) {
      const std::uint64_t key = rng() >> 4;
      if (FlatTable::Hash().of<Mixing::kOnce>(key) >> 60 == 0 && also(key)) keys.push_back(key);
    }
    return keys;
  };
  const Keys by_two = clumped([](std::uint64_t) { return true; });
  const FlatTable::Hash strong = filled(by_two, kCount).hash();
  REQUIRE(strong.mixing == Mixing::kTwice);
  const Keys keys =
      clumped([&](std::uint64_t key) { return strong.of<Mixing::kTwice>(key) >> 60 == 0; });
  const FlatTable table = filled(keys, kCount);
  CHECK(table.hash().mixing == Mixing::kTwice);
  CHECK(table.hash().seed != strong.seed);
  CHECK(table.bytes() == filled(by_two, kCount).bytes());
  check_sound(table, keys);
  CHECK(share_at_home(table, keys) > 0.95);
}

TEST_CASE("inserting in SIMD agrees with std::unordered_map on keys with structure") {
  for (const char* name : {"algorithm/hash_insert", "algorithm/hash_insert_reserved"}) {
    const Kernel* kernel = built_kernel(name);
    if (kernel == nullptr) continue;
    const auto check = [&](auto&& key_of) {
      constexpr std::uint64_t kCount = 3000;
      std::vector<std::uint8_t> bytes;
      for (std::uint64_t i = 0; i < kCount; ++i) {
        const std::uint64_t key = key_of(i);
        for (int byte = 0; byte < 8; ++byte)
          bytes.push_back(static_cast<std::uint8_t>(key >> (8 * byte)));
      }
      const absl::Status status = check_agreement(*kernel, bytes);
      INFO(std::string(status.message()));
      CHECK(status.ok());
    };
    using U = std::uint64_t;
    check([](U i) { return i; });
    check([](U i) { return i % 100; });
    check([](U i) { return i << 50; });
    check([](U i) { return 48 * i; });
    check([](U i) { return i * 0xf1de83e19937733d; });
    check([](U i) { return (i / 7 * 0xf1de83e19937733d) ^ 0x2d358dccaa6c78a5; });
  }
}

}  // namespace
}  // namespace headroom
