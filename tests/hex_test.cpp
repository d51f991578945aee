// simd/hex_encode, simd/hex_decode, simd/to_lower: the baselines against their definitions, and
// every variant against them for every byte at every place.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#define HWY_WANT_AVX3_DL 1
#include "catch.h"
#include "core/agreement.h"
#include "hwy/targets.h"
#include "simd/hex.h"
#include "subset.h"

namespace headroom {
namespace {

void agree(const char* name, std::string_view text) {
  const Kernel* const kernel = built_kernel(name);
  if (kernel == nullptr) return;
  const absl::Status status =
      check_agreement(*kernel, std::vector<std::uint8_t>(text.begin(), text.end()));
  if (status.ok()) return;
  INFO(std::string(status.message()));
  FAIL();
}

template <class Body>
void on_every_target(Body body) {
  for (std::int64_t left = hwy::SupportedTargets() & HWY_TARGETS; left != 0; left &= left - 1) {
    hwy::DisableTargets((left & -left) - 1);
    body();
  }
  hwy::DisableTargets(0);
}

std::size_t bad_in(std::string_view text) {
  const std::vector<std::uint8_t> from(text.begin(), text.end());
  std::vector<std::uint8_t> to(from.size() / 2);
  return hex_decode(from.data(), from.size(), to.data()).bad;
}

TEST_CASE("hex: the baselines give the vectors of RFC 4648, section 10") {
  const std::pair<std::string, std::string> vectors[] = {
      {"", ""}, {"f", "66"}, {"fo", "666f"}, {"foobar", "666f6f626172"}, {"\xff\x09", "ff09"}};
  for (const auto& [bytes, text] : vectors) {
    const std::vector<std::uint8_t> from(bytes.begin(), bytes.end());
    std::vector<std::uint8_t> to(2 * from.size());
    hex_encode(from.data(), from.size(), to.data());
    CHECK(std::string(to.begin(), to.end()) == text);
    std::vector<std::uint8_t> back(from.size());
    const HexDecoded result = hex_decode(to.data(), to.size(), back.data());
    CHECK(result.bytes == from.size());
    CHECK(result.bad == HexDecoded::kNone);
    CHECK(back == from);
  }
  CHECK(bad_in("Ff0A") == HexDecoded::kNone);
}

TEST_CASE("hex: the baseline says where a text is wrong") {
  const std::pair<const char*, std::size_t> wrong[] = {{"g0", 0},   {"0g", 1}, {"0", 1},
                                                       {"00f", 3},  {"x", 0},  {"00 0", 2},
                                                       {"001:", 3}, {"gg", 0}, {"1234x", 4}};
  for (const auto& [text, bad] : wrong) {
    INFO(text);
    CHECK(bad_in(text) == bad);
    agree("simd/hex_decode", text);
  }
}

TEST_CASE("hex: every byte at every place around the edges of vectors") {
  on_every_target([] {
    for (int byte = 0; byte < 256; ++byte) {
      for (std::size_t n : {7, 8, 64, 131, 300, 520}) {
        std::string text;
        for (std::size_t i = 0; i < n; ++i) text += "0123456789abcdefABCDEF"[(i * 7 + n) % 22];
        text[static_cast<std::size_t>(byte * 31) % n] = static_cast<char>(byte);
        agree("simd/hex_decode", text);
        agree("simd/to_lower", text);
      }
    }
    std::string text(600, 'e');
    for (std::size_t at = 0; at < text.size(); ++at) {
      std::string changed = text;
      changed[at] = '/';
      agree("simd/hex_decode", changed);
    }
    std::string all;
    for (unsigned i = 0; i < 1024; ++i) all += static_cast<char>(i + i / 256);
    agree("simd/hex_encode", all);
    agree("simd/to_lower", all);
  });
}

TEST_CASE("hex: a character that is no digit anywhere in a long text, at any alignment") {
  const std::string text(15000, '7');
  on_every_target([&] {
    for (std::size_t offset : {0, 1, 16}) {
      const ScopedMisalignment misaligned(offset);
      for (std::size_t at = 0; at < text.size(); at += 97) {
        std::string changed = text;
        changed[at] = 'g';
        agree("simd/hex_decode", changed);
      }
    }
  });
}

}  // namespace
}  // namespace headroom
