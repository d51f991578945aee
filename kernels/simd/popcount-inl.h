// The SIMD code of simd/popcount: bits counted in vectors, and carry-save adders. Included by
// popcount.cpp once for each target.
//
// No include guard: it must be read again for every target.
#include "support/prefetch-inl.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR
uint64_t CountWords(const uint64_t* words, size_t n) {
  uint64_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += hwy::PopCount(words[i]);
  return sum;
}
uint64_t CountPlain(const uint64_t* words, size_t n) { return CountWords(words, n); }
uint64_t CountPrefetched(const uint64_t* words, size_t n) { return CountWords(words, n); }
uint64_t CountHarleySeal(const uint64_t* words, size_t n) { return CountWords(words, n); }
#else

// A target whose PopulationCount of 64-bit lanes is one instruction.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
constexpr bool kOneInstruction = true;
#else
constexpr bool kOneInstruction = false;
#endif

// The bits set in each byte.
template <class D8, class V8 = hn::Vec<D8>>
HWY_INLINE V8 BitsOfBytes(D8 d8, V8 v) {
#if defined(HWY_SSE2) && HWY_ARCH_X86 && HWY_TARGET == HWY_SSE2
  // No byte shuffle, so no look-up: pairs, fours and eights are added up side by side.
  const hn::Repartition<uint64_t, D8> d64;
  const auto shifted = [&](auto bytes, auto by) HWY_ATTR {
    return hn::BitCast(d8, hn::ShiftRight<by()>(hn::BitCast(d64, bytes)));
  };
  const auto k33 = hn::Set(d8, uint8_t{0x33});
  v = hn::Sub(v, hn::And(shifted(v, std::integral_constant<int, 1>()), hn::Set(d8, uint8_t{0x55})));
  v = hn::Add(hn::And(shifted(v, std::integral_constant<int, 2>()), k33), hn::And(v, k33));
  return hn::And(hn::Add(v, shifted(v, std::integral_constant<int, 4>())),
                 hn::Set(d8, uint8_t{15}));
#else
  (void)d8;
  return hn::PopulationCount(v);
#endif
}

// The bits set in each 64-bit lane.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V BitsOfWords([[maybe_unused]] D d, V v) {
  if constexpr (kOneInstruction) return hn::PopulationCount(v);
  const hn::Repartition<uint8_t, D> d8;
  return hn::SumsOf8(BitsOfBytes(d8, hn::BitCast(d8, v)));
}

// The bits set in the n words; lines are asked for kAhead bytes before they are read (0: not).
// Several vectors a step. Where there is an instruction that counts in 64-bit lanes, an add is all
// that remains, and what is left over is one masked load. All of a step's loads come first, apart
// from the counts: as operands of the counts (which compilers make of them) they start late. Four
// sums are enough for an add's latency; more only take longer to set to zero and to join.
// Elsewhere the counts of bytes, 8 at most, are added up as bytes, and widened before a byte could
// overflow: after 31 vectors.
template <size_t kAhead>
HWY_INLINE uint64_t Count(const uint64_t* HWY_RESTRICT words, size_t n) {
  const hn::ScalableTag<uint64_t> d;
  const hn::Repartition<uint8_t, decltype(d)> d8;
  const size_t lanes = hn::Lanes(d);
  auto t0 = hn::Zero(d), t1 = t0, t2 = t0, t3 = t0;
  size_t i = 0;
  if constexpr (kOneInstruction) {
    const auto load = [&](size_t at) HWY_ATTR {
      auto v = hn::LoadU(d, words + at);
#if HWY_ARCH_X86 && defined(__GNUC__)
      asm("" : "+v"(v.raw));  // not an operand of what counts it
#endif
      return v;
    };
    for (; i + 8 * lanes <= n; i += 8 * lanes) {
      if constexpr (kAhead != 0) prefetch_lines(words + i, kAhead, 8 * lanes * sizeof(uint64_t));
      const auto v0 = load(i), v1 = load(i + lanes), v2 = load(i + 2 * lanes),
                 v3 = load(i + 3 * lanes), v4 = load(i + 4 * lanes), v5 = load(i + 5 * lanes),
                 v6 = load(i + 6 * lanes), v7 = load(i + 7 * lanes);
      t0 = hn::Add(t0, hn::PopulationCount(v0));
      t1 = hn::Add(t1, hn::PopulationCount(v1));
      t2 = hn::Add(t2, hn::PopulationCount(v2));
      t3 = hn::Add(t3, hn::PopulationCount(v3));
      t0 = hn::Add(t0, hn::PopulationCount(v4));
      t1 = hn::Add(t1, hn::PopulationCount(v5));
      t2 = hn::Add(t2, hn::PopulationCount(v6));
      t3 = hn::Add(t3, hn::PopulationCount(v7));
    }
    for (; i + lanes <= n; i += lanes) t0 = hn::Add(t0, hn::PopulationCount(load(i)));
    if (i < n)
      t1 = hn::Add(t1, hn::PopulationCount(hn::MaskedLoad(hn::FirstN(d, n - i), d, words + i)));
    i = n;
  } else {
    const auto bytes = [&](size_t at)
                           HWY_ATTR { return hn::BitCast(d8, hn::LoadU(d, words + at)); };
    while (n - i >= 4 * lanes) {
      const size_t steps = HWY_MIN((n - i) / (4 * lanes), size_t{31});
      auto c0 = hn::Zero(d8), c1 = c0, c2 = c0, c3 = c0;
      for (size_t step = 0; step < steps; ++step, i += 4 * lanes) {
        if constexpr (kAhead != 0) prefetch_lines(words + i, kAhead, 4 * lanes * sizeof(uint64_t));
        c0 = hn::Add(c0, BitsOfBytes(d8, bytes(i)));
        c1 = hn::Add(c1, BitsOfBytes(d8, bytes(i + lanes)));
        c2 = hn::Add(c2, BitsOfBytes(d8, bytes(i + 2 * lanes)));
        c3 = hn::Add(c3, BitsOfBytes(d8, bytes(i + 3 * lanes)));
      }
      t0 = hn::Add(t0, hn::SumsOf8(c0));
      t1 = hn::Add(t1, hn::SumsOf8(c1));
      t2 = hn::Add(t2, hn::SumsOf8(c2));
      t3 = hn::Add(t3, hn::SumsOf8(c3));
    }
  }
  for (; i + lanes <= n; i += lanes) t0 = hn::Add(t0, BitsOfWords(d, hn::LoadU(d, words + i)));
  uint64_t sum = SumLanes(d, hn::Add(hn::Add(t0, t1), hn::Add(t2, t3)));
  for (; i < n; ++i) sum += hwy::PopCount(words[i]);
  return sum;
}

uint64_t CountPlain(const uint64_t* HWY_RESTRICT words, size_t n) { return Count<0>(words, n); }
uint64_t CountPrefetched(const uint64_t* HWY_RESTRICT words, size_t n) {
  return Count<4096>(words, n);
}

// Adds three bits in each place: a + b + c = 2 * (what is returned) + sum.
template <class V>
HWY_INLINE V CarrySave(V a, V b, V c, V& sum) {
  const V differ = hn::Xor(a, b);
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  const V carry = hn::IfVecThenElse(differ, c, a);  // one instruction, bit by bit
#else
  // Bit by bit, which the blends of SSE4 and AVX2 are not.
  const V carry = hn::Or(hn::And(a, b), hn::And(differ, c));
#endif
  sum = hn::Xor(differ, c);
  return carry;
}

// Adds up 16 vectors at a time: `ones` to `eights` hold, for each place of a bit, a number of four
// bits; what is carried out of it counts sixteen.
uint64_t CountHarleySeal(const uint64_t* HWY_RESTRICT words, size_t n) {
  const hn::ScalableTag<uint64_t> d;
  const size_t lanes = hn::Lanes(d);
  const auto load = [&](size_t at) HWY_ATTR { return hn::LoadU(d, words + at); };
  auto ones = hn::Zero(d), twos = ones, fours = ones, eights = ones, total = ones;
  size_t i = 0;
  for (; i + 16 * lanes <= n; i += 16 * lanes) {
    const auto t0 = CarrySave(ones, load(i), load(i + lanes), ones);
    const auto t1 = CarrySave(ones, load(i + 2 * lanes), load(i + 3 * lanes), ones);
    const auto f0 = CarrySave(twos, t0, t1, twos);
    const auto t2 = CarrySave(ones, load(i + 4 * lanes), load(i + 5 * lanes), ones);
    const auto t3 = CarrySave(ones, load(i + 6 * lanes), load(i + 7 * lanes), ones);
    const auto f1 = CarrySave(twos, t2, t3, twos);
    const auto e0 = CarrySave(fours, f0, f1, fours);
    const auto t4 = CarrySave(ones, load(i + 8 * lanes), load(i + 9 * lanes), ones);
    const auto t5 = CarrySave(ones, load(i + 10 * lanes), load(i + 11 * lanes), ones);
    const auto f2 = CarrySave(twos, t4, t5, twos);
    const auto t6 = CarrySave(ones, load(i + 12 * lanes), load(i + 13 * lanes), ones);
    const auto t7 = CarrySave(ones, load(i + 14 * lanes), load(i + 15 * lanes), ones);
    const auto f3 = CarrySave(twos, t6, t7, twos);
    const auto e1 = CarrySave(fours, f2, f3, fours);
    const auto sixteens = CarrySave(eights, e0, e1, eights);
    total = hn::Add(total, BitsOfWords(d, sixteens));
  }
  total = hn::ShiftLeft<4>(total);
  total = hn::Add(total, hn::ShiftLeft<3>(BitsOfWords(d, eights)));
  total = hn::Add(total, hn::ShiftLeft<2>(BitsOfWords(d, fours)));
  total = hn::Add(total, hn::ShiftLeft<1>(BitsOfWords(d, twos)));
  total = hn::Add(total, BitsOfWords(d, ones));
  for (; i + lanes <= n; i += lanes) total = hn::Add(total, BitsOfWords(d, load(i)));
  uint64_t sum = SumLanes(d, total);
  for (; i < n; ++i) sum += hwy::PopCount(words[i]);
  return sum;
}

#endif  // HWY_SCALAR

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
