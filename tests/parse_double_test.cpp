// computation/parse_double: doubles that are hard to round, and lines that are no numbers.
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "catch.h"
#include "core/agreement.h"

namespace headroom {
namespace {

void check_lines(const std::string& text) {
  const Kernel* kernel = find_kernel("computation/parse_double");
  REQUIRE(kernel != nullptr);
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  const absl::Status status = check_agreement(*kernel, bytes);
  INFO(std::string(status.message()));
  CHECK(status.ok());
}

// A long double holds what lies half way between two doubles, and glibc prints every digit of it.
template <class... Arguments>
std::string printed(const char* format, Arguments... arguments) {
  std::string text(2000, '\0');
  const int size = std::snprintf(text.data(), text.size(), format, arguments...);
  text.resize(static_cast<std::size_t>(size));
  return text + "\n";
}

TEST_CASE("parse_double: half way between two doubles, and next to it") {
  Rng rng(1);
  std::string text;
  for (int i = 0; i < 400; ++i) {
    // Every fourth near 1, where decimals are short enough to be exactly half way.
    const std::uint64_t exponent = i % 4 == 0 ? 1023 - 10 + bounded(rng, 70) : bounded(rng, 2046);
    std::uint64_t mantissa = rng() >> 12;
    if (i % 3 == 0) mantissa &= ~std::uint64_t{0} << bounded(rng, 52);
    const double low = std::bit_cast<double>(exponent << 52 | mantissa);
    const double high = std::bit_cast<double>((exponent << 52 | mantissa) + 1);
    const long double middle = (static_cast<long double>(low) + high) / 2;
    std::string whole = printed("%.1200Lf", middle);  // all digits: a subnormal has 1075
    text += whole;
    text += whole.substr(0, whole.size() - 1) + "1\n";  // just above
    // Just below, where the last digit that isn't 0 can be one less.
    const std::size_t last = whole.find_last_not_of("0\n");
    if (whole[last] != '.') {
      --whole[last];
      text += whole;
    }
    for (int digits : {15, 16, 17, 18, 19, 20, 25}) text += printed("%.*Le", digits, middle);
  }
  check_lines(text);
}

// Lines that are short on average are looked at 16 characters at a time: of every length around
// that, with points, signs and other characters anywhere.
TEST_CASE("parse_double: short lines of any characters, few of them or many odd") {
  Rng rng(3);
  for (int trial = 0; trial < 300; ++trial) {
    std::string text;
    const std::uint64_t odd = 1 + bounded(rng, 40);
    for (std::size_t lines = 1 + bounded(rng, 100); lines > 0; --lines) {
      const std::size_t length = bounded(rng, bounded(rng, 8) == 0 ? 20 : 9);
      std::string line;
      for (std::size_t i = 0; i < length; ++i) line += static_cast<char>('0' + bounded(rng, 10));
      if (length != 0 && bounded(rng, 8) != 0) line[bounded(rng, length)] = '.';
      if (bounded(rng, 4) == 0) line.insert(0, 1, '-');
      if (!line.empty() && bounded(rng, odd) == 0)
        line[bounded(rng, line.size())] = ".-+eE0/: x\t\xb1"[bounded(rng, 12)];
      text += line + "\n";
    }
    check_lines(text);
  }
}

TEST_CASE("parse_double: random bits in every notation, least and largest numbers") {
  Rng rng(2);
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    std::uint64_t bits = rng();
    if (i % 4 == 0) bits &= 0x800fffffffffffff;  // subnormal
    const double value = std::bit_cast<double>(bits);
    if (!std::isfinite(value)) continue;
    for (int digits : {0, 1, 2, 5, 14, 15, 16, 17, 18, 19, 20, 30})
      text += printed("%.*e", digits, value);
    text += printed("%.17g", value) + printed("%f", value);
  }
  // Powers of ten times few and many digits, through both ends of what a double holds.
  for (int exponent = -400; exponent <= 400; ++exponent)
    for (const char* digits :
         {"0", "1", "9", "4.9406564584124654", "2.4703282292062327", "2.4703282292062328",
          "1.7976931348623157", "1.7976931348623158", "1.7976931348623159", "9007199254740993",
          "18446744073709551615", "18446744073709551616", "9999999999999999999",
          "99999999999999999999", "0.00000000000000000000000000000000000017"})
      text += printed("%se%d", digits, exponent);
  check_lines(text);
}

TEST_CASE("parse_double: all variants reject what is no number") {
  const Kernel* kernel = find_kernel("computation/parse_double");
  REQUIRE(kernel != nullptr);
  for (std::uint64_t seed = 10; seed < 14; ++seed) {
    const absl::Status status = check_agreement(*kernel, {4096, "odd", seed}, 4);
    INFO(std::string(status.message()));
    CHECK(status.ok());
  }
  // Every text of up to four of the characters that the grammar knows, and of two that it doesn't.
  const std::string letters = "09.-+eEx ";
  std::string text;
  for (std::size_t i = 0; i < 9 * 9 * 9 * 9 * 9; ++i) {
    std::string line;
    std::size_t rest = i;
    for (int k = 0; k < 5; ++k, rest /= 9) line += letters[rest % 9];
    text += line + "\n" + line + "7\n";
  }
  check_lines(text);
}

}  // namespace
}  // namespace headroom
