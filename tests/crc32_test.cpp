// simd/crc32 and simd/crc32c: the definition against published check values, and every variant
// against it at every length and from every start.
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#define HWY_WANT_AVX3_DL 1
#include "catch.h"
#include "core/agreement.h"
#include "hwy/targets.h"
#include "simd/crc.h"

namespace headroom {
namespace {

template <std::uint32_t kPoly>
std::uint32_t check_of(std::string_view text) {
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  return ~crc::bitwise<kPoly>(~0u, bytes.data(), bytes.size());
}

template <std::uint32_t kPoly>
std::uint32_t check_of(const std::vector<std::uint8_t>& bytes) {
  return ~crc::bitwise<kPoly>(~0u, bytes.data(), bytes.size());
}

TEST_CASE("crc32: the definitions give the published check values") {
  // The check value of a CRC is that of these nine characters.
  CHECK(check_of<crc::kIeee>("123456789") == 0xcbf43926);
  CHECK(check_of<crc::kCastagnoli>("123456789") == 0xe3069283);
  CHECK(check_of<crc::kIeee>("") == 0);
  CHECK(check_of<crc::kIeee>("The quick brown fox jumps over the lazy dog") == 0x414fa339);
  CHECK(check_of<crc::kCastagnoli>("The quick brown fox jumps over the lazy dog") == 0x22620404);
  // RFC 3720 (iSCSI), B.4, whose values are printed with the lowest byte first.
  std::vector<std::uint8_t> bytes(32, 0);
  CHECK(check_of<crc::kCastagnoli>(bytes) == 0x8a9136aa);
  bytes.assign(32, 0xff);
  CHECK(check_of<crc::kCastagnoli>(bytes) == 0x62a8ab43);
  for (std::uint8_t i = 0; i < 32; ++i) bytes[i] = i;
  CHECK(check_of<crc::kCastagnoli>(bytes) == 0x46dd794e);
  for (std::uint8_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::uint8_t>(31 - i);
  CHECK(check_of<crc::kCastagnoli>(bytes) == 0x113fdb5c);
}

TEST_CASE("crc32: constants that are published are those that the polynomial gives") {
  // Barrett's reduction of 64 bits has the upper 33 bits of this quotient: Gopal and others (2009).
  CHECK((crc::quotient<crc::kIeee>() & 0x1ffffffff) == 0x1f7011641);
  CHECK((crc::quotient<crc::kCastagnoli>() & 0x1ffffffff) == 0x0dea713f1);
  CHECK(crc::kTables<crc::kIeee>[0][1] == 0x77073096);
  CHECK(crc::kTables<crc::kCastagnoli>[0][1] == 0xf26b8303);
}

TEST_CASE("crc32: every length, and ones and zeros where registers could hide") {
  for (const char* name : {"simd/crc32", "simd/crc32c"}) {
    const Kernel* const kernel = find_kernel(name);
    REQUIRE(kernel != nullptr);
    for (std::int64_t left = hwy::SupportedTargets() & HWY_TARGETS; left != 0; left &= left - 1) {
      hwy::DisableTargets((left & -left) - 1);
      std::vector<std::uint8_t> bytes;
      for (std::size_t n = 0; n < 1100; ++n) {
        const absl::Status status = check_agreement(*kernel, bytes);
        if (!status.ok()) {
          INFO(std::string(status.message()));
          FAIL();
        }
        bytes.push_back(static_cast<std::uint8_t>(n * n + n / 7));
      }
      while (bytes.size() < 9000)
        bytes.push_back(static_cast<std::uint8_t>(bytes.size() * 37 >> 3));
      for (std::size_t n = 2900; n < 9000; n += n < 3100 ? 13 : 411)
        CHECK(check_agreement(*kernel, std::span(bytes).first(n)).ok());
      for (std::uint8_t fill : {0x00, 0xff})
        for (std::size_t n : {16, 64, 100, 512, 1024, 3007, 3008, 6300, 48128, 51200, 100001,
                              192512, 195519, 195520, 400001}) {
          const absl::Status status = check_agreement(*kernel, std::vector<std::uint8_t>(n, fill));
          CHECK(status.ok());
        }
    }
    hwy::DisableTargets(0);
  }
}

}  // namespace
}  // namespace headroom
