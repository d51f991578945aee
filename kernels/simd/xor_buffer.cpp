// simd/xor_buffer: a payload combined with a key of four bytes, over and over: out[i] = in[i] ^
// key[i mod 4]. Every byte that a browser sends through a WebSocket is masked so (RFC 6455, 5.3).
//
// Out: the whole payload, exact. The four bytes of the key differ.
//
// Byte by byte the key is looked up each time. A register that holds the key over and over takes as
// many bytes a step as it holds, and a vector does not even need another key for the next step.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/xor_buffer.cpp"
#include "hwy/cache_control.h"
#include "support/prefetch-inl.h"
#include "support/simd.h"

#if HWY_ONCE
#include <cstring>

#include "core/kernel.h"

namespace headroom {
namespace {

struct XorBuffer {
  struct Input {
    Buffer<std::uint8_t> payload;
    std::uint8_t key[4] = {};
  };
  using Output = Buffer<std::uint8_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<std::uint8_t>(setting.n)};
    FastRng fast(rng());
    const auto first = static_cast<std::uint8_t>(fast());
    for (std::uint8_t k = 0; k < 4; ++k) in.key[k] = static_cast<std::uint8_t>(first + 75 * k);
    for (std::size_t i = 0; i < setting.n;) {
      std::uint64_t bits = fast();
      for (int k = 0; k < 8 && i < setting.n; ++k, bits >>= 8)
        in.payload[i++] = static_cast<std::uint8_t>(bits);
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.payload.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// As the RFC writes it down.
void naive(const XorBuffer::Input& in, Buffer<std::uint8_t>& out) {
  for (std::size_t i = 0; i < in.payload.size(); ++i) out[i] = in.payload[i] ^ in.key[i % 4];
}

// Two keys fill a general register: eight bytes a step. (Compilers can't do that to naive: for all
// they know, a byte stored may change the key.)
void swar(const XorBuffer::Input& in, Buffer<std::uint8_t>& output) {
  const std::uint8_t* const from = in.payload.data();
  std::uint8_t* const out = output.data();
  const std::size_t n = in.payload.size();
  std::uint32_t half;
  std::memcpy(&half, in.key, 4);
  const std::uint64_t keys = half * ((std::uint64_t{1} << 32) + 1);
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, from + i, 8);
    word ^= keys;
    std::memcpy(out + i, &word, 8);
  }
  for (; i < n; ++i) out[i] = from[i] ^ in.key[i % 4];
}

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// Vectors hold whole keys, so one vector of keys does for all. Past the caches if kStream; where
// the bytes before the first aligned store are no multiple of four, the key is turned.
template <bool kStream>
HWY_INLINE void Mask(const uint8_t* HWY_RESTRICT in, size_t n, const uint8_t* HWY_RESTRICT key,
                     uint8_t* HWY_RESTRICT out) {
  const hn::ScalableTag<uint8_t> d;
  [[maybe_unused]] const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  if constexpr (kStream) {
    const size_t head = items_to_alignment(out, n, lanes);
    for (; i < head; ++i) out[i] = in[i] ^ key[i % 4];
  }
#if HWY_TARGET != HWY_SCALAR  // which has vectors of one byte
  const hn::Repartition<uint32_t, decltype(d)> d32;
  const uint8_t turned[4] = {key[i % 4], key[(i + 1) % 4], key[(i + 2) % 4], key[(i + 3) % 4]};
  uint32_t word;
  hwy::CopyBytes<4>(turned, &word);
  const auto key_v = hn::BitCast(d, hn::Set(d32, word));
  const auto one = [&](size_t at) HWY_ATTR {
    StoreOrStream<kStream>(d, hn::Xor(hn::LoadU(d, in + at), key_v), out + at);
  };
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    if constexpr (kStream) prefetch_lines(in + i, kStreamAhead, 4 * lanes);
    one(i);
    one(i + lanes);
    one(i + 2 * lanes);
    one(i + 3 * lanes);
  }
  for (; i + lanes <= n; i += lanes) one(i);
#endif
  for (; i < n; ++i) out[i] = in[i] ^ key[i % 4];
  if constexpr (kStream) hwy::FlushStream();
}

void MaskStored(const uint8_t* HWY_RESTRICT in, size_t n, const uint8_t* HWY_RESTRICT key,
                uint8_t* HWY_RESTRICT out) {
  Mask<false>(in, n, key, out);
}
void MaskStreamed(const uint8_t* HWY_RESTRICT in, size_t n, const uint8_t* HWY_RESTRICT key,
                  uint8_t* HWY_RESTRICT out) {
  Mask<true>(in, n, key, out);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
namespace {

HWY_EXPORT(MaskStored);
HWY_EXPORT(MaskStreamed);

// A vector of keys against the widest vectors of the host: as fast as L1 can store.
void highway(const XorBuffer::Input& in, Buffer<std::uint8_t>& out) {
  HWY_DYNAMIC_DISPATCH(MaskStored)(in.payload.data(), in.payload.size(), in.key, out.data());
}

// Stores past the caches: no line of the output is read before it is written, which saves a third
// of the traffic. (And what is read is asked for ahead, as the hardware's prefetchers do too little
// beside such stores.)
void non_temporal(const XorBuffer::Input& in, Buffer<std::uint8_t>& out) {
  HWY_DYNAMIC_DISPATCH(MaskStreamed)(in.payload.data(), in.payload.size(), in.key, out.data());
}

constexpr Variant<XorBuffer> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "byte by byte, the key's byte looked up each time"},
    {.name = "swar",
     .run = run<swar>,
     .what = "eight bytes per step; where nothing overlaps, the compiler makes vectors of them"},
    {.name = "highway",
     .run = run<highway>,
     .what = "widest SIMD of the host: as fast as L1 can store"},
    {.name = "non_temporal",
     .run = run<non_temporal>,
     .what = "highway with non-temporal stores, which read no line before they fill it; a loss in "
             "caches"},
};

const Registrar kRegistrar({.name = "simd/xor_buffer",
                            .axis = Axis::kSimd,
                            .technique = "a repeating pattern fits a register, so it costs nothing",
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
