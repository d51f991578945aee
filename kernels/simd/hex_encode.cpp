// simd/hex_encode: bytes to hexadecimal digits, in lower case.
//
// In: n random bytes. Out: 2 n digits, compared one by one. Nothing branches on data.
//
// The honest loop looks up two digits and stores two bytes for each byte; a shuffle looks up as
// many as a vector holds, for the sixteen digits are just what a shuffle of 16 bytes has as its
// table (Mula, "SSE: conversion integers to hexadecimal", 2008). The code is our own.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/hex_encode.cpp"
#include <cstddef>
#include <cstdint>

#include "hwy/cache_control.h"
#include "simd/hex.h"
#include "support/prefetch-inl.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
template <bool>
void Encode(const uint8_t* from, size_t n, uint8_t* to) {
  hex_encode(from, n, to);
}
#else

using Digits = hn::ScalableTag<uint8_t>;
using Pairs = hn::Repartition<uint16_t, Digits>;
using Bytes = hn::Rebind<uint8_t, Pairs>;

// Half a vector of bytes to a vector of digits.
HWY_INLINE hn::Vec<Digits> EncodeVector(Digits d, const uint8_t* from) {
  const Pairs d16;
  // Each byte in 16 bits of its own: its upper nibble has to go to the first, its lower nibble to
  // the second byte of them.
  const auto byte = hn::PromoteTo(d16, hn::LoadU(Bytes(), from));
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
  // VBMI cuts eight bits out of a word at any place, and its lookup takes notice of six bits: four
  // copies of the digits make it one of four bits, and nothing needs a mask. (Highway has no
  // multishift, and 1.0.3 no lookup across blocks for bytes.)
  const auto index = _mm512_multishift_epi64_epi8(_mm512_set1_epi64(0x3034202410140004), byte.raw);
  return hn::Vec<Digits>{_mm512_permutexvar_epi8(
      index, hn::LoadDup128(d, reinterpret_cast<const uint8_t*>(kHexDigits)).raw)};
#else
  const auto nibbles =
      hn::And(hn::Or(hn::ShiftRight<4>(byte), hn::ShiftLeft<8>(byte)), hn::Set(d16, 0x0f0f));
  return hn::TableLookupBytes(hn::LoadDup128(d, reinterpret_cast<const uint8_t*>(kHexDigits)),
                              hn::BitCast(d, nibbles));
#endif
}

template <bool kStream>
HWY_INLINE void Put(Digits d, hn::Vec<Digits> digits, uint8_t* to) {
  if constexpr (kStream) {
    hn::Stream(digits, d, to);
  } else {
    hn::StoreU(digits, d, to);
  }
}

template <bool kStream>
void Encode(const uint8_t* HWY_RESTRICT from, size_t n, uint8_t* HWY_RESTRICT to) {
  const Digits d;
  const size_t lanes = hn::Lanes(d), half = lanes / 2;
  size_t i = 0;
  if constexpr (kStream) {  // these stores go to whole vectors of memory: up to the first of them
    const size_t past = reinterpret_cast<uintptr_t>(to) % lanes;
    if (past % 2 != 0) return Encode<false>(from, n, to);
    i = HWY_MIN(n, past == 0 ? 0 : (lanes - past) / 2);
    hex_encode(from, i, to);
  }
  for (; n - i >= 2 * lanes; i += 2 * lanes) {
    if constexpr (kStream) prefetch_lines(from + i, kStreamAhead, 2 * lanes);
    Put<kStream>(d, EncodeVector(d, from + i), to + 2 * i);
    Put<kStream>(d, EncodeVector(d, from + i + half), to + 2 * i + lanes);
    Put<kStream>(d, EncodeVector(d, from + i + 2 * half), to + 2 * i + 2 * lanes);
    Put<kStream>(d, EncodeVector(d, from + i + 3 * half), to + 2 * i + 3 * lanes);
  }
  for (; n - i >= half; i += half) Put<kStream>(d, EncodeVector(d, from + i), to + 2 * i);
  if constexpr (kStream) hwy::FlushStream();
  hex_encode(from + i, n - i, to + 2 * i);
}
#endif

}  // namespace

void HexEncodePlain(const uint8_t* from, size_t n, uint8_t* to) { Encode<false>(from, n, to); }
void HexEncodeStream(const uint8_t* from, size_t n, uint8_t* to) { Encode<true>(from, n, to); }

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "absl/strings/escaping.h"
#include "core/kernel.h"

namespace headroom {
namespace {

HWY_EXPORT(HexEncodePlain);
HWY_EXPORT(HexEncodeStream);

struct HexEncode {
  using Input = Buffer<std::uint8_t>;
  struct Output {
    Buffer<std::uint8_t> text;
    std::string string;  // of the peer, which returns one
    std::span<const std::uint8_t> view() const {
      if (string.empty()) return {text.data(), text.size()};
      return {reinterpret_cast<const std::uint8_t*>(string.data()), string.size()};
    }
    void poison() {
      headroom::poison(text);
      headroom::poison(string);
    }
    bool spoil(Spoil how) {
      return string.empty() ? headroom::spoil(text, how) : headroom::spoil(string, how);
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in(setting.n);
    FastRng fast(rng());
    for (std::size_t i = 0; i < in.size(); i += 8) {
      const std::uint64_t bits = fast();
      std::memcpy(in.data() + i, &bits, std::min<std::size_t>(8, in.size() - i));
    }
    return in;
  }
  static Input from(std::span<const std::uint8_t> bytes) {
    Input in(bytes.size());
    std::copy(bytes.begin(), bytes.end(), in.begin());
    return in;
  }
  static void size(const Input& in, Output& out) { out.text = Buffer<std::uint8_t>(2 * in.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want.view(), got.view());
  }
};
using Input = HexEncode::Input;
using Output = HexEncode::Output;

void naive(const Input& in, Output& out) { hex_encode(in.data(), in.size(), out.text.data()); }

// Both digits of a byte in one lookup and one store.
void pair_table(const Input& in, Output& out) {
  static constexpr std::array<std::array<std::uint8_t, 2>, 256> kPairs = [] {
    std::array<std::array<std::uint8_t, 2>, 256> pairs{};
    for (std::size_t i = 0; i < 256; ++i)
      pairs[i] = {static_cast<std::uint8_t>(kHexDigits[i >> 4]),
                  static_cast<std::uint8_t>(kHexDigits[i & 15])};
    return pairs;
  }();
  std::uint8_t* to = out.text.data();
  for (const std::uint8_t byte : in) {
    std::memcpy(to, kPairs[byte].data(), 2);
    to += 2;
  }
}

// A shuffle looks up all digits of a vector.
void highway(const Input& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(HexEncodePlain)(in.data(), in.size(), out.text.data());
}

// A plain store first reads the line that it is about to overwrite: five bytes move for each byte
// of input, where three would do.
void stream(const Input& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(HexEncodeStream)(in.data(), in.size(), out.text.data());
}

void absl_hex(const Input& in, Output& out) {
  out.string = absl::BytesToHexString({reinterpret_cast<const char*>(in.data()), in.size()});
}

constexpr Variant<HexEncode> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "two lookups and two stores a byte"},
    {.name = "pair_table",
     .run = run<pair_table>,
     .what = "both digits of a byte in one lookup and one store"},
    {.name = "highway",
     .run = run<highway>,
     .what = "a shuffle looks up a vector of digits; with AVX-512 VBMI three instructions for 64"},
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
#endif  // HWY_ONCE
