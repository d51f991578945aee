// computation/string_split: where the commas lie, and what looks like one.
//
// The reference is the baseline, find and substr.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catch.h"
#include "core/agreement.h"

namespace headroom {
namespace {

void check(std::string_view text) {
  const Kernel* kernel = find_kernel("computation/string_split");
  REQUIRE(kernel != nullptr);
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  const absl::Status status = check_agreement(*kernel, bytes);
  INFO(std::string(status.message()));
  CHECK(status.ok());
}

TEST_CASE("string_split: empty fields, and commas at either end") {
  for (const std::string_view text :
       {"", ",", ",,", ",,,", "a", "a,", ",a", ",a,", "a,b", "a,,b", ",,a", "a,,", ",a,,b,"})
    check(text);
  // Nothing but commas: the most places that a vector can hold.
  for (std::size_t size = 1; size <= 300; ++size) check(std::string(size, ','));
  // No comma at all.
  for (std::size_t size = 1; size <= 300; ++size) check(std::string(size, 'x'));
}

// A comma at each place up to beyond four vectors, and behind it a text that ends anywhere in one.
TEST_CASE("string_split: a comma at every place of a vector") {
  for (std::size_t place = 0; place < 260; ++place)
    for (const std::size_t behind : {0u, 1u, 15u, 16u, 31u, 63u, 64u, 65u}) {
      std::string text(place + 1 + behind, 'x');
      text[place] = ',';
      check(text);
      check("," + text);
      check(text + ",");
    }
}

TEST_CASE("string_split: fields longer than vectors, between short ones") {
  for (const std::size_t length : {15u, 16u, 17u, 63u, 64u, 65u, 127u, 128u, 129u, 1000u, 5000u})
    for (std::size_t shift = 0; shift < 66; shift += 5) {
      const std::string field(length, 'y');
      check(std::string(shift, 'x') + "," + field + ",a,," + field);
    }
}

// From 0 to 64 commas in 64 bytes: variants that write a number of places at a time go around once
// more where there are many.
TEST_CASE("string_split: as many commas in a vector as one likes") {
  Rng rng(1);
  for (std::size_t commas = 0; commas <= 64; ++commas)
    for (std::size_t before = 0; before < 3; ++before) {
      std::string vector(64, 'z');
      for (std::size_t i = 0; i < commas; ++i) vector[i] = ',';
      shuffle(std::span<char>(vector), rng);
      check(std::string(before, 'x') + vector + vector + "tail");
    }
}

// ',' is 0x2c: its neighbours, itself with the highest bit, and every byte between two commas.
TEST_CASE("string_split: bytes that are no comma, zero and beyond 0x7f among them") {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    check(one);
    check("a" + one + "," + one + "b");
    check(std::string(64, static_cast<char>(byte)) + ",x");
    all += one + ",";
  }
  check(all);
  Rng rng(2);
  for (int round = 0; round < 200; ++round) {
    std::string text(bounded(rng, 700), '\0');
    for (char& byte : text) byte = "\x2b\x2c\x2d\xac\xab\xff\x80\0"[rng() >> 61];
    check(text);
  }
}

}  // namespace
}  // namespace headroom
