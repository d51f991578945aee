// computation/format_integer: numbers where the count of digits changes, and blocks that mix them.
//
// std::to_string and std::to_chars are variants of the kernel, and naive is an ostringstream:
// agreement is with all of them.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "catch.h"
#include "core/agreement.h"

namespace headroom {
namespace {

using Numbers = std::vector<std::uint64_t>;

constexpr std::uint64_t kLargest = std::numeric_limits<std::uint64_t>::max();
constexpr int kMostDigits = 20;

std::uint64_t power_of_ten(int exponent) {
  std::uint64_t power = 1;
  for (; exponent > 0; --exponent) power *= 10;
  return power;
}

void check(const Numbers& numbers) {
  const Kernel* kernel = find_kernel("computation/format_integer");
  REQUIRE(kernel != nullptr);
  std::vector<std::uint8_t> bytes(8 * numbers.size());
  if (!bytes.empty()) std::memcpy(bytes.data(), numbers.data(), bytes.size());
  const absl::Status status = check_agreement(*kernel, bytes);
  INFO(std::string(status.message()));
  CHECK(status.ok());
}

// All numbers where something changes: powers of ten and of two, and their neighbours.
Numbers edges() {
  Numbers all = {0, 1, kLargest, kLargest - 1};
  for (int exponent = 0; exponent < kMostDigits; ++exponent)
    for (const std::uint64_t times : {1, 5, 9}) {
      const std::uint64_t x = power_of_ten(exponent);
      if (times > kLargest / x) continue;
      for (const std::uint64_t around : {x * times - 1, x * times, x * times + 1})
        all.push_back(around);
    }
  for (int bit = 0; bit < 64; ++bit)
    for (const std::uint64_t around : {-1, 0, 1}) all.push_back((std::uint64_t{1} << bit) + around);
  return all;
}

// Of exactly `digits` digits.
std::uint64_t random_number(int digits, Rng& rng) {
  const std::uint64_t low = digits == 1 ? 0 : power_of_ten(digits - 1);
  const std::uint64_t high = digits == kMostDigits ? kLargest : power_of_ten(digits) - 1;
  return low + bounded(rng, high - low + 1);
}

TEST_CASE("format_integer: every edge alone, and all of them in one block") {
  const Numbers all = edges();
  for (const std::uint64_t number : all) check({number});
  check(all);
  Numbers descending = all;
  std::sort(descending.rbegin(), descending.rend());
  check(descending);
}

// Variants that treat a block by its largest number take another way at 10^8 and at 10^16.
TEST_CASE("format_integer: one number of another length among many") {
  Rng rng(1);
  for (const int digits : {1, 2, 7, 8, 9, 15, 16, 17, 19, 20})
    for (const int other : {1, 8, 9, 16, 17, 20})
      for (const std::size_t count : {2u, 8u, 17u, 255u, 256u, 257u}) {
        Numbers numbers;
        for (std::size_t i = 0; i < count; ++i) numbers.push_back(random_number(digits, rng));
        for (const std::size_t place : {std::size_t{0}, count / 2, count - 1}) {
          Numbers mixed = numbers;
          mixed[place] = random_number(other, rng);
          check(mixed);
        }
      }
}

TEST_CASE("format_integer: all lengths, in blocks of all sizes around a vector") {
  Rng rng(2);
  for (int digits = 1; digits <= kMostDigits; ++digits)
    for (std::size_t count = 0; count <= 20; ++count) {
      Numbers numbers;
      for (std::size_t i = 0; i < count; ++i) numbers.push_back(random_number(digits, rng));
      check(numbers);
    }
  for (int round = 0; round < 50; ++round) {
    Numbers numbers(600);
    for (std::uint64_t& number : numbers)
      number = random_number(1 + static_cast<int>(bounded(rng, kMostDigits)), rng);
    check(numbers);
  }
}

}  // namespace
}  // namespace headroom
