// simd/hex_encode: bytes to hexadecimal digits, in lower case.
//
// In: n random bytes. Out: 2 n digits, compared one by one. Nothing branches on data.
//
// The naive loop looks up two digits and stores two bytes for each byte. A shuffle looks up as many
// digits as a vector holds, as a table of sixteen entries is just what it takes (Mula, "SSE:
// conversion integers to hexadecimal", 2008). The code is our own.
#include <array>
#include <cstdint>
#include <cstring>

#include "absl/strings/escaping.h"
#include "core/kernel.h"
#include "simd/hex.h"
#include "support/bytes.h"

namespace headroom {
namespace {

struct HexEncode {
  using Input = Buffer<std::uint8_t>;
  using Output = WrittenBytes;

  static Input make(const Setting& setting, Rng& rng) { return random_bytes(setting.n, rng); }
  static Input from(std::span<const std::uint8_t> bytes) { return copy_of(bytes); }
  static void size(const Input& in, Output& out) {
    out.buffer = Buffer<std::uint8_t>(2 * in.size());
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want.view(), got.view());
  }
};
using Input = HexEncode::Input;
using Output = HexEncode::Output;

// A lookup and a store for each digit (hex.h).
void naive(const Input& in, Output& out) { hex_encode(in.data(), in.size(), out.buffer.data()); }

// Both digits of a byte in one lookup and one store.
void pair_table(const Input& in, Output& out) {
  static constexpr std::array<std::array<std::uint8_t, 2>, 256> kPairs = [] {
    std::array<std::array<std::uint8_t, 2>, 256> pairs{};
    for (std::size_t i = 0; i < 256; ++i)
      pairs[i] = {static_cast<std::uint8_t>(kHexDigits[i >> 4]),
                  static_cast<std::uint8_t>(kHexDigits[i & 15])};
    return pairs;
  }();
  std::uint8_t* to = out.buffer.data();
  for (const std::uint8_t byte : in) {
    std::memcpy(to, kPairs[byte].data(), 2);
    to += 2;
  }
}

void absl_hex(const Input& in, Output& out) {
  out.string = absl::BytesToHexString({reinterpret_cast<const char*>(in.data()), in.size()});
  out.in_string = true;
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/hex_encode-inl.h"
#include "simd/hex_encode-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(HexEncodePlain);
HWY_EXPORT(HexEncodeStream);

// A shuffle looks up all digits of a vector.
void highway(const Input& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(HexEncodePlain)(in.data(), in.size(), out.buffer.data());
}

// The same with stores past the caches: a plain store first reads the line that it is about to
// overwrite, so five bytes move for each byte of input, where three would do. (And what is read is
// asked for ahead, as the hardware's prefetchers do too little beside such stores.)
void stream(const Input& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(HexEncodeStream)(in.data(), in.size(), out.buffer.data());
}

constexpr Variant<HexEncode> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "two look-ups and two stores per byte"},
    {.name = "pair_table",
     .run = run<pair_table>,
     .what = "both digits of a byte in one look-up and one store"},
    {.name = "highway",
     .run = run<highway>,
     .what = "a shuffle looks up a vector of digits; with AVX-512 VBMI three instructions for 64 "
             "digits"},
    {.name = "stream",
     .run = run<stream>,
     .what = "highway with non-temporal stores: pays where the text goes to memory, not before"},
    {.name = "absl",
     .run = run<absl_hex>,
     .what = "absl::BytesToHexString, which allocates its result",
     .role = Role::kPeer},
};

const Registrar kRegistrar({.name = "simd/hex_encode",
                            .axis = Axis::kSimd,
                            .technique = "a shuffle as a table of sixteen entries",
                            .sizes = {10 << 10, 160 << 10, 1280 << 10, 20 << 20, 80 << 20},
                            .headline = {10 << 10, 20 << 20},
                            .ceiling = {"machine/copy"},
                            .demand =
                                [](const Setting& s) {
                                  return Demand{
                                      .items = static_cast<double>(s.n),
                                      .bytes = 3 * static_cast<double>(s.n),
                                      .working_set = 3 * s.n,
                                      .memory = s.n + (std::size(kVariants) + 1) * 2 * s.n};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
