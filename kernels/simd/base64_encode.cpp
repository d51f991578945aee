// simd/base64_encode: bytes to Base64 text (RFC 4648, with padding).
//
// In: n random bytes. Out: the text, compared character by character. Nothing branches on data.
//
// Three bytes are four fields of six bits, and each selects a character of the alphabet. One by one
// that is a load, a store, and two or three operations to cut out the bits; a vector cuts out and
// translates as many fields as it holds, with the alphabet in a register. After Mula and Lemire,
// "Faster Base64 encoding and decoding using AVX2 instructions" (2018), and "Base64 encoding and
// decoding at almost the speed of a memory copy" (2019) for the AVX-512 form. The code is our own.
#include <array>
#include <cstdint>
#include <cstring>

#include "absl/strings/escaping.h"
#include "core/kernel.h"
#include "simd/base64.h"
#include "support/bytes.h"

namespace headroom {
namespace {

struct Base64Encode {
  using Input = Buffer<std::uint8_t>;
  using Output = WrittenBytes;

  static Input make(const Setting& setting, Rng& rng) { return random_bytes(setting.n, rng); }
  static Input from(std::span<const std::uint8_t> bytes) { return copy_of(bytes); }
  static void size(const Input& in, Output& out) {
    out.buffer = Buffer<std::uint8_t>(base64_encoded_size(in.size()));
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want.view(), got.view());
  }
};
using Input = Base64Encode::Input;
using Output = Base64Encode::Output;

// Three bytes at a time, a lookup for each of their four characters (base64.h).
void naive(const Input& in, Output& out) { base64_encode(in.data(), in.size(), out.buffer.data()); }

// Two characters a lookup: twelve bits index a table of 4096 pairs, 8 KiB of L1.
void pair_table(const Input& in, Output& out) {
  static constexpr std::array<std::array<std::uint8_t, 2>, 4096> kPairs = [] {
    std::array<std::array<std::uint8_t, 2>, 4096> pairs{};
    for (std::size_t i = 0; i < 4096; ++i)
      pairs[i] = {static_cast<std::uint8_t>(kBase64Alphabet[i >> 6]),
                  static_cast<std::uint8_t>(kBase64Alphabet[i & 63])};
    return pairs;
  }();
  const std::uint8_t* from = in.data();
  std::uint8_t* to = out.buffer.data();
  std::size_t n = in.size();
  for (; n >= 3; n -= 3, from += 3, to += 4) {
    const std::uint32_t group = static_cast<std::uint32_t>(from[0] << 16 | from[1] << 8 | from[2]);
    std::memcpy(to, kPairs[group >> 12].data(), 2);
    std::memcpy(to + 2, kPairs[group & 4095].data(), 2);
  }
  base64_encode(from, n, to);
}

void absl_base64(const Input& in, Output& out) {
  absl::Base64Escape({reinterpret_cast<const char*>(in.data()), in.size()}, &out.string);
  out.in_string = true;
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/base64_encode-inl.h"
#include "simd/base64_encode-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(Base64EncodePlain);
HWY_EXPORT(Base64EncodeStream);

// The six-bit fields of a whole vector are cut out and translated at once.
void highway(const Input& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(Base64EncodePlain)(in.data(), in.size(), out.buffer.data());
}

// The same with stores past the caches: a plain store first reads the line that it is about to
// overwrite. (And what is read is asked for ahead, as the hardware's prefetchers do too little
// beside such stores.)
void stream(const Input& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(Base64EncodeStream)(in.data(), in.size(), out.buffer.data());
}

constexpr Variant<Base64Encode> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "three bytes to four characters, a table look-up for each"},
    {.name = "pair_table",
     .run = run<pair_table>,
     .what = "two characters per look-up, in a table of 4096 pairs"},
    {.name = "highway",
     .run = run<highway>,
     .what = "a vector of characters at once, the alphabet in a register; three instructions with "
             "AVX-512 VBMI"},
    {.name = "stream",
     .run = run<stream>,
     .what = "highway with non-temporal stores: pays where the text goes to memory, not before"},
    {.name = "absl",
     .run = run<absl_base64>,
     .what = "absl::Base64Escape into a std::string that is large enough",
     .role = Role::kPeer},
};

const Registrar kRegistrar({.name = "simd/base64_encode",
                            .axis = Axis::kSimd,
                            .technique = "cut out bit fields and translate them in registers",
                            .sizes = {12 << 10, 192 << 10, 1536 << 10, 24 << 20, 96 << 20},
                            .headline = {12 << 10, 24 << 20},
                            .ceiling = {"machine/copy"},
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t text = base64_encoded_size(s.n);
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = static_cast<double>(s.n + text),
                                                .working_set = s.n + text,
                                                .memory = s.n + std::size(kVariants) * text};
                                },
                            .test_sizes = {0,   1,   2,   3,   4,   5,   6,   11,  12,   13,  15,
                                           16,  17,  27,  28,  29,  31,  32,  33,  47,   48,  49,
                                           63,  64,  65,  66,  79,  111, 112, 113, 127,  128, 129,
                                           207, 208, 209, 255, 256, 257, 403, 512, 1000, 4097}},
                           kVariants);

}  // namespace
}  // namespace headroom
