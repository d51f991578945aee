// simd/utf8_validate: the baseline against the standard, and every variant against the baseline for
// every kind of ill-formed text at every place around the edges of vectors.
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#define HWY_WANT_AVX3_DL 1
#include "catch.h"
#include "core/agreement.h"
#include "hwy/targets.h"
#include "simd/utf8.h"

namespace headroom {
namespace {

using Bytes = std::vector<std::uint8_t>;

// The one way to write a code point.
Bytes encoded(std::uint32_t code) {
  const auto tail = [&](int shift) {
    return static_cast<std::uint8_t>(0x80 | (code >> shift & 63));
  };
  if (code < 0x80) return {static_cast<std::uint8_t>(code)};
  if (code < 0x800) return {static_cast<std::uint8_t>(0xc0 | code >> 6), tail(0)};
  if (code < 0x10000) return {static_cast<std::uint8_t>(0xe0 | code >> 12), tail(6), tail(0)};
  return {static_cast<std::uint8_t>(0xf0 | code >> 18), tail(12), tail(6), tail(0)};
}

// A character for each side of each boundary of table 3-7.
std::vector<Bytes> good_characters() {
  std::vector<Bytes> all;
  for (std::uint32_t code : {0x00u,    0x7fu,    0x80u,    0xbfu,    0xc0u,     0x7ffu,   0x800u,
                             0xfffu,   0x1000u,  0xcfffu,  0xd000u,  0xd7ffu,   0xe000u,  0xffffu,
                             0x10000u, 0x3ffffu, 0x40000u, 0xfffffu, 0x100000u, 0x10ffffu})
    all.push_back(encoded(code));
  return all;
}

std::vector<Bytes> bad_sequences() {
  return {
      {0x80},
      {0xbf},
      {0x80, 0x80},
      {0xbf, 0x80, 0x80},  // stray continuations
      {0xc3, 0xa9, 0x80},
      {0xe2, 0x82, 0xac, 0xbf},        // one too many
      {0xf0, 0x9f, 0x98, 0x80, 0x80},  //
      {0xc0, 0x80},
      {0xc1, 0xbf},
      {0xe0, 0x80, 0x80},  // overlong
      {0xe0, 0x9f, 0xbf},
      {0xf0, 0x80, 0x80, 0x80},  //
      {0xf0, 0x8f, 0xbf, 0xbf},  //
      {0xed, 0xa0, 0x80},
      {0xed, 0xbf, 0xbf},                    // surrogates
      {0xed, 0xa0, 0x80, 0xed, 0xb0, 0x80},  //
      {0xf4, 0x90, 0x80, 0x80},
      {0xf5, 0x80, 0x80, 0x80},  // above U+10FFFF
      {0xf5, 0x90, 0x80, 0x80},
      {0xf7, 0xbf, 0xbf, 0xbf},  //
      {0xf8, 0x88, 0x80, 0x80, 0x80},
      {0xfc, 0x84, 0x80, 0x80, 0x80, 0x80},
      {0xfe},
      {0xff},
      {0xff, 0xff},  // no bytes of UTF-8
      {0xc3},
      {0xe2},
      {0xe2, 0x82},
      {0xf0},
      {0xf0, 0x9f},  // truncated
      {0xf0, 0x9f, 0x98},
      {0xf4, 0x8f},
      {0xed, 0x9f},  //
      {0xc3, 0xc3, 0xa9},
      {0xe2, 0x82, 0xc3, 0xa9},  // cut off by the next one
      {0xf0, 0x9f, 0x98, 0xe2, 0x82, 0xac},
      {0xf0, 0x9f, 0x41, 0x80},
  };
}

void agree(const Bytes& text) {
  static const Kernel* const kernel = find_kernel("simd/utf8_validate");
  REQUIRE(kernel != nullptr);
  const absl::Status status = check_agreement(*kernel, text);
  if (status.ok()) return;
  INFO(std::string(status.message()));
  FAIL();
}

// Calls `body` with each SIMD target of this host as the best one.
template <class Body>
void on_every_target(Body body) {
  for (std::int64_t left = hwy::SupportedTargets() & HWY_TARGETS; left != 0; left &= left - 1) {
    hwy::DisableTargets((left & -left) - 1);
    body();
  }
  hwy::DisableTargets(0);
}

// What the standard says, by enumeration: the next character of a text is one of all code points.
bool well_formed(std::span<const std::uint8_t> text) {
  while (!text.empty()) {
    const std::uint8_t lead = text[0];
    const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (text.size() < size) return false;
    std::uint32_t code = size == 1 ? lead : lead & (0x7fu >> size);
    for (std::size_t i = 1; i < size; ++i) code = code << 6 | (text[i] & 63);
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
    const Bytes again = encoded(code);  // another length or other bits: not what was written
    if (again.size() != size || !std::equal(again.begin(), again.end(), text.begin())) return false;
    text = text.subspan(size);
  }
  return true;
}

TEST_CASE("utf8_validate: the baseline is the standard") {
  std::size_t good = 0;
  const auto check = [&](const Bytes& text) {
    const bool want = well_formed(text);
    good += want;
    if (well_formed_utf8(text) != want) {
      INFO(+text[0] << " " << +text[1]);
      FAIL();
    }
  };
  // All texts of one, two and three bytes; of four, with few values for the last two.
  for (unsigned a = 0; a < 256; ++a) {
    check({static_cast<std::uint8_t>(a), 'x'});
    for (unsigned b = 0; b < 256; ++b) {
      for (unsigned c = 0; c < 256; c += a < 0xe0 ? 15 : 1)
        check({static_cast<std::uint8_t>(a), static_cast<std::uint8_t>(b),
               static_cast<std::uint8_t>(c)});
      for (std::uint8_t c : {0x00, 0x7f, 0x80, 0x8f, 0xbf, 0xc0, 0xff})
        for (std::uint8_t d : {0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff})
          check({static_cast<std::uint8_t>(a), static_cast<std::uint8_t>(b), c, d});
    }
  }
  CHECK(good > 100000);
  for (const Bytes& bytes : good_characters()) CHECK(well_formed_utf8(bytes));
  for (const Bytes& bytes : bad_sequences()) CHECK_FALSE(well_formed_utf8(bytes));
}

// Texts of ASCII are passed over 64 vectors of 16 to 64 bytes at a time: the bad piece is the only
// one that has to be examined, or one of few.
TEST_CASE("utf8_validate: a lonely ill-formed piece around the edges of what is passed over") {
  std::vector<Bytes> all = bad_sequences();
  all.push_back(encoded(0xe9));
  all.push_back(encoded(0x4e00));
  Rng rng(7);
  on_every_target([&] {
    for (const Bytes& piece : all)
      for (const std::size_t edge : {1024, 2048, 4096, 8192 + 64, 9000})
        for (int k = 0; k < 6; ++k) {
          Bytes text(9100, 'a');
          const std::size_t at = std::min(edge - 5 + bounded(rng, 8), text.size() - piece.size());
          std::copy(piece.begin(), piece.end(), text.begin() + static_cast<std::ptrdiff_t>(at));
          if (k % 2 == 1) {  // more that has to be examined, but is right
            const Bytes euro = encoded(0x20ac);
            for (std::size_t i = 100 * (1 + bounded(rng, 3)); i + 20 < at; i += 37)
              std::copy(euro.begin(), euro.end(), text.begin() + static_cast<std::ptrdiff_t>(i));
          }
          if (k == 5) text.resize(at + piece.size());
          agree(text);
        }
  });
}

TEST_CASE("utf8_validate: every ill-formed class, at every place around the edges of vectors") {
  std::vector<Bytes> all = good_characters();
  for (const Bytes& bad : bad_sequences()) all.push_back(bad);
  on_every_target([&] {
    for (const Bytes& piece : all)
      for (const Bytes& filler : {Bytes{'a'}, Bytes{0xe2, 0x82, 0xac}})
        for (std::size_t before = 0; before < 340; before += before < 140 ? 1 : 17)
          for (std::size_t behind : {std::size_t{0}, std::size_t{1}, 400 - before}) {
            Bytes text(before % filler.size(), 'a');
            while (text.size() < before) text.insert(text.end(), filler.begin(), filler.end());
            text.insert(text.end(), piece.begin(), piece.end());
            text.insert(text.end(), behind, 'b');
            agree(text);
          }
  });
}

TEST_CASE("utf8_validate: large texts, around the seams of their parts") {
  constexpr std::size_t kPart = 256
                                << 10;  // the vector behind the first, and three times a part on
  on_every_target([&] {
    Bytes text(4 * kPart + 64, 'a');
    for (std::size_t lanes : {16, 32, 64})
      for (std::size_t back = 0; back < 4; ++back) {
        const std::size_t at = lanes + (1 + back % 3) * kPart - back;
        const Bytes piece{0xf0, 0x9f, 0x98, 0x80};
        std::copy(piece.begin(), piece.end(), text.begin() + static_cast<std::ptrdiff_t>(at));
        agree(text);
        text[at + 3] = 'a';
        agree(text);
        std::fill_n(text.begin() + static_cast<std::ptrdiff_t>(at), 4, 'a');
      }
  });
}

TEST_CASE("utf8_validate: every pair of bytes between characters") {
  on_every_target([&] {
    for (unsigned a = 0x70; a < 256; ++a) {
      for (unsigned b = 0x70; b < 256; ++b) {
        Bytes text(66, 'a');
        text[62] = static_cast<std::uint8_t>(a);
        text[63] = static_cast<std::uint8_t>(b);
        agree(text);
        text[61] = 0xf2;
        agree(text);
        text[60] = 0xe1;
        text[61] = 0x80;
        agree(text);
      }
    }
  });
}

}  // namespace
}  // namespace headroom
