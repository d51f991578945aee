// algorithm/edit_distance: hard cases. Bytes as an input are where to cut, in 255ths, and two
// strings; the kernel also takes the second one and all of it against all of it.
#include <cstdint>
#include <string>
#include <vector>

#include "catch.h"
#include "core/agreement.h"

namespace headroom {
namespace {

void check(const std::string& both, int cut) {
  const Kernel* kernel = find_kernel("algorithm/edit_distance");
  REQUIRE(kernel != nullptr);
  std::vector<std::uint8_t> bytes = {static_cast<std::uint8_t>(cut)};
  bytes.insert(bytes.end(), both.begin(), both.end());
  const absl::Status status = check_agreement(*kernel, bytes);
  INFO(std::string(status.message()));
  REQUIRE(status.ok());
}

TEST_CASE("edit_distance: no bytes, empty strings, one byte") {
  const Kernel* kernel = find_kernel("algorithm/edit_distance");
  REQUIRE(kernel != nullptr);
  CHECK(check_agreement(*kernel, std::span<const std::uint8_t>()).ok());
  for (int cut : {0, 100, 255}) {
    check("", cut);
    check("a", cut);
    check("ab", cut);
    check(std::string(65, '\0'), cut);
  }
}

TEST_CASE("edit_distance: lengths around words and strips of words") {
  for (std::size_t n : {31,  32,  33,  63,  64,  65,  127, 128,  129,  191,  192,
                        193, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 1100}) {
    std::string text;
    std::uint64_t state = n;
    for (std::size_t i = 0; i < n; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      text.push_back(static_cast<char>(state >> 62));  // 0 to 3: padding with zeros would match
    }
    for (int cut : {0, 1, 60, 127, 128, 250, 255}) check(text, cut);
    check(std::string(n, 'a'), 127);
    check(std::string(n / 2, 'a') + std::string(n - n / 2, 'b'), 127);
  }
}

}  // namespace
}  // namespace headroom
