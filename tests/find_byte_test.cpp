// simd/find_byte: every place of a match in texts of every length around the vectors', none, and
// several.
#include <algorithm>
#include <vector>

#include "catch.h"
#include "core/agreement.h"
#include "core/cpu.h"

namespace headroom {
namespace {

void check(const std::vector<std::uint8_t>& bytes) {
  const Kernel* kernel = find_kernel("simd/find_byte");
  REQUIRE(kernel != nullptr);
  const absl::Status status = check_agreement(*kernel, bytes);
  INFO(std::string(status.message()));
  REQUIRE(status.ok());
}

TEST_CASE("find_byte: a match at every place, and nothing found where there is none") {
  for (std::size_t n :
       {1, 15, 16, 17, 63, 64, 65, 127, 129, 255, 256, 257, 300, 513, 600, 1100, 1301}) {
    std::vector<std::uint8_t> bytes(n + 1, 'a');
    bytes[0] = '\0';
    check(bytes);
    for (std::size_t at = 1; at <= n; at += n < 300 ? 1 : 7) {
      bytes[at] = '\0';
      check(bytes);
      bytes[at] = 0x80;
    }
  }
}

TEST_CASE("find_byte: matches where prefetching begins, and in a text larger than caches") {
  std::vector<std::uint8_t> bytes(16 * l2_bytes() + 1000, 'a');
  bytes[0] = '\0';
  for (std::size_t k = 0; k < 40; ++k) {
    bytes[l1_bytes() - 700 + 37 * k] = '\0';
    bytes[bytes.size() / 2 + 333 * k] = '\0';
    bytes[bytes.size() - 1 - 41 * k] = '\0';
  }
  check(bytes);
  bytes.assign(bytes.size(), 'a');
  bytes[0] = bytes[bytes.size() - 70] = '\0';
  check(bytes);
}

TEST_CASE("find_byte: nothing but matches, and pairs of them") {
  for (std::size_t n : {1, 64, 100, 300}) {
    check(std::vector<std::uint8_t>(n, 0xff));
    std::vector<std::uint8_t> bytes(n + 1, 'b');
    for (std::size_t i = 0; i < n; i += 3) bytes[i] = 'a';
    check(bytes);
  }
}

}  // namespace
}  // namespace headroom
