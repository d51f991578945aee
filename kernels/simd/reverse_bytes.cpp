// simd/reverse_bytes: an array of bytes from the last to the first, into another array.
//
// Out: the whole array, exact. Neighbouring bytes differ, so that one that is out of place shows.
//
// Byte by byte each costs a load and a store. Registers are reversed by one instruction, vectors by
// two, whatever they hold.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/reverse_bytes.cpp"
#include "hwy/cache_control.h"
#include "support/prefetch-inl.h"
#include "support/simd.h"

#if HWY_ONCE
#include <algorithm>
#include <cstring>

#include "core/kernel.h"

namespace headroom {
namespace {

struct ReverseBytes {
  using Input = Buffer<std::uint8_t>;
  using Output = Buffer<std::uint8_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in(setting.n);
    FastRng fast(rng());
    std::uint8_t last = 0;
    for (std::size_t i = 0; i < setting.n;) {
      std::uint64_t bits = fast();
      for (int k = 0; k < 8 && i < setting.n; ++k, bits >>= 8) {
        const auto byte = static_cast<std::uint8_t>(bits);
        last = byte == last ? static_cast<std::uint8_t>(byte + 1) : byte;
        in[i++] = last;
      }
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// Byte by byte.
void naive(const ReverseBytes::Input& in, Buffer<std::uint8_t>& out) {
  const std::size_t n = in.size();
  for (std::size_t i = 0; i < n; ++i) out[i] = in[n - 1 - i];
}

void std_reverse_copy(const ReverseBytes::Input& in, Buffer<std::uint8_t>& out) {
  std::reverse_copy(in.begin(), in.end(), out.begin());
}

// Eight bytes a step: every processor reverses a register in one instruction (BSWAP, REV), and
// compilers know its idiom.
void byteswap(const ReverseBytes::Input& in, Buffer<std::uint8_t>& output) {
  const std::uint8_t* const from = in.data();
  std::uint8_t* const out = output.data();
  const std::size_t n = in.size();
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, from + n - i - 8, 8);
    word = __builtin_bswap64(word);
    std::memcpy(out + i, &word, 8);
  }
  for (; i < n; ++i) out[i] = from[n - 1 - i];
}

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR
void Reverse(const uint8_t* in, size_t n, uint8_t* out) {
  for (size_t i = 0; i < n; ++i) out[i] = in[n - 1 - i];
}
void ReverseStored(const uint8_t* in, size_t n, uint8_t* out) { Reverse(in, n, out); }
void ReverseStreamed(const uint8_t* in, size_t n, uint8_t* out) { Reverse(in, n, out); }
#else

// Bytes within blocks of 128 bits by one shuffle, then the blocks by another: one of all bytes at
// once is slower, or missing, on most processors.
template <class D>
HWY_INLINE hn::Vec<D> ReverseVector(D d, hn::Vec<D> v) {
  HWY_ALIGN static constexpr uint8_t kDown[16] = {15, 14, 13, 12, 11, 10, 9, 8,
                                                  7,  6,  5,  4,  3,  2,  1, 0};
  return hn::ReverseBlocks(d, hn::TableLookupBytes(v, hn::LoadDup128(d, kDown)));
}

// Writes from the first byte to the last, and so reads from the last to the first: hardware
// prefetchers follow both ways.
template <bool kStream>
HWY_INLINE void Reverse(const uint8_t* HWY_RESTRICT in, size_t n, uint8_t* HWY_RESTRICT out) {
  const hn::ScalableTag<uint8_t> d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  if constexpr (kStream) {
    const size_t head = items_to_alignment(out, n, lanes);
    for (; i < head; ++i) out[i] = in[n - 1 - i];
  }
  const auto one = [&](size_t at) HWY_ATTR {
    StoreOrStream<kStream>(d, ReverseVector(d, hn::LoadU(d, in + n - at - lanes)), out + at);
  };
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    if constexpr (kStream) prefetch_lines(in + n - i - 4 * lanes, -kStreamAhead, 4 * lanes);
    one(i);
    one(i + lanes);
    one(i + 2 * lanes);
    one(i + 3 * lanes);
  }
  for (; i + lanes <= n; i += lanes) one(i);
  for (; i < n; ++i) out[i] = in[n - 1 - i];
  if constexpr (kStream) hwy::FlushStream();
}

void ReverseStored(const uint8_t* HWY_RESTRICT in, size_t n, uint8_t* HWY_RESTRICT out) {
  Reverse<false>(in, n, out);
}
void ReverseStreamed(const uint8_t* HWY_RESTRICT in, size_t n, uint8_t* HWY_RESTRICT out) {
  Reverse<true>(in, n, out);
}
#endif  // HWY_SCALAR

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
namespace {

HWY_EXPORT(ReverseStored);
HWY_EXPORT(ReverseStreamed);

// Two shuffles for the widest vector of the host: as fast as L1 can store.
void highway(const ReverseBytes::Input& in, Buffer<std::uint8_t>& out) {
  HWY_DYNAMIC_DISPATCH(ReverseStored)(in.data(), in.size(), out.data());
}

// Stores past the caches: no line of the output is read before it is written, which saves a third
// of the traffic. (And what is read is asked for ahead, as the hardware's prefetchers do too little
// beside such stores.)
void non_temporal(const ReverseBytes::Input& in, Buffer<std::uint8_t>& out) {
  HWY_DYNAMIC_DISPATCH(ReverseStreamed)(in.data(), in.size(), out.data());
}

constexpr Variant<ReverseBytes> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "byte by byte"},
    {.name = "byteswap",
     .run = run<byteswap>,
     .what = "eight bytes per step, reversed in a register by one instruction"},
    {.name = "highway",
     .run = run<highway>,
     .what = "widest SIMD: one shuffle within blocks of 16 bytes, one of the blocks"},
    {.name = "non_temporal",
     .run = run<non_temporal>,
     .what = "highway with non-temporal stores, which read no line before they fill it; a loss in "
             "caches"},
    {.name = "std_reverse_copy",
     .run = run<std_reverse_copy>,
     .what = "std::reverse_copy of the standard library: the naive loop, unrolled",
     .role = Role::kPeer},
};

const Registrar kRegistrar({.name = "simd/reverse_bytes",
                            .axis = Axis::kSimd,
                            .technique = "shuffles move whole vectors of bytes",
                            .sizes = {8 << 10, 256 << 10, 1536 << 10, 32 << 20, 128 << 20},
                            .headline = {8 << 10, 32 << 20},
                            .ceiling = {"machine/copy"},
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .bytes = 2 * n,
                                                .working_set = 2 * s.n,
                                                .memory = s.n * (1 + std::size(kVariants))};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
