// A search for some bytes of the needle at a vector of places at once. Included by substring.cpp
// once for each target, after Probes and knuth_morris_pratt().
//
// No include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

using Bytes = hn::ScalableTag<uint8_t>;

struct Search {
  const uint8_t* text;
  size_t n;
  const uint8_t* needle;
  size_t m;
  Probes probes;
};

// Zero in the lanes of those places, of a vector's worth from `i` on, where the text has the bytes
// of the needle at each of the first kCount probes. (XOR and OR go through any port, and fuse into
// one instruction of AVX-512.)
template <size_t kCount>
HWY_INLINE hn::Vec<Bytes> Differences(const Search& s, size_t i) {
  const Bytes d;
  auto all = hn::Zero(d);
  for (size_t p = 0; p < kCount; ++p) {
    const size_t offset = s.probes.offsets[p];
    all = hn::Or(all, hn::Xor(hn::LoadU(d, s.text + i + offset), hn::Set(d, s.needle[offset])));
  }
  return all;
}

// Appends those of a vector's worth of places from `i` on where the needle occurs. Each byte of the
// needle is compared at all the places together, until none is left: at worst m steps for a whole
// vector of places, where one place after the other would take m steps each. Returns the steps.
// Places below `skip` have been reported.
HWY_NOINLINE size_t Examine(const Search& s, size_t i, size_t skip, Positions& out) {
  const Bytes d;
  const auto zero = hn::Zero(d);
  auto differences = Differences<4>(s, i);
  size_t step = 0;
  while (step < s.m) {
    if (hn::AllFalse(d, hn::Eq(differences, zero))) return step;
    const size_t end = HWY_MIN(step + 4, s.m);
    for (; step < end; ++step)
      differences =
          hn::Or(differences, hn::Xor(hn::LoadU(d, s.text + i + step), hn::Set(d, s.needle[step])));
  }
  uint64_t words[(hn::MaxLanes(d) + 63) / 64] = {};
  uint8_t bits[HWY_MAX(hn::MaxLanes(d) / 8, 8)] = {};
  hn::StoreMaskBits(d, hn::Eq(differences, zero), bits);
  for (size_t byte = 0; byte < (hn::Lanes(d) + 7) / 8; ++byte)
    words[byte / 8] |= static_cast<uint64_t>(bits[byte]) << byte % 8 * 8;
  for (size_t w = 0; w < (hn::Lanes(d) + 63) / 64; ++w)
    for (uint64_t rest = words[w]; rest != 0; rest &= rest - 1) {
      const size_t place = w * 64 + hwy::Num0BitsBelowLS1Bit_Nonzero64(rest);
      if (place >= skip) out.push_back(static_cast<uint32_t>(i + place));
    }
  return step;
}

constexpr size_t kFewHits = 2;  // of 16 groups

// Looks at groups of four vectors of places from `i` on, up to `end` or, where kMayStop, until more
// than a few had a place to examine; adds to `steps` what examining took, and returns where it
// stopped. The probes' bytes stay in registers.
template <size_t kCount, bool kMayStop>
HWY_INLINE size_t Scan(const Search& s, size_t i, size_t end, size_t& hits, size_t& steps,
                       Positions& out) {
  const Bytes d;
  const size_t lanes = hn::Lanes(d);
  const auto zero = hn::Zero(d);
  for (; i + 4 * lanes <= end && (!kMayStop || hits <= kFewHits); i += 4 * lanes) {
    const auto v0 = Differences<kCount>(s, i), v1 = Differences<kCount>(s, i + lanes),
               v2 = Differences<kCount>(s, i + 2 * lanes),
               v3 = Differences<kCount>(s, i + 3 * lanes);
    const auto any = hn::Min(hn::Min(v0, v1), hn::Min(v2, v3));
    if (HWY_LIKELY(hn::AllFalse(d, hn::Eq(any, zero)))) continue;
    ++hits;
    if (!hn::AllFalse(d, hn::Eq(v0, zero))) steps += Examine(s, i, 0, out);
    if (!hn::AllFalse(d, hn::Eq(v1, zero))) steps += Examine(s, i + lanes, 0, out);
    if (!hn::AllFalse(d, hn::Eq(v2, zero))) steps += Examine(s, i + 2 * lanes, 0, out);
    if (!hn::AllFalse(d, hn::Eq(v3, zero))) steps += Examine(s, i + 3 * lanes, 0, out);
  }
  return i;
}

}  // namespace

// 1 <= m <= n. `adaptive`: looks for more bytes at once while those looked for are found too often,
// and gives up for a linear method when that doesn't help.
void FindAll(const uint8_t* text, size_t n, const uint8_t* needle, size_t m, const Probes& probes,
             bool adaptive, Positions& out) {
  const Bytes d;
  const size_t lanes = hn::Lanes(d);
  const Search s{text, n, needle, m, probes};
  const size_t places = n - m + 1;
  size_t i = 0, steps = 0;
  if (places >= lanes) {
    const size_t block = 64 * lanes;  // 16 groups
    size_t count = 2;
    while (places - i >= 4 * lanes) {
      const size_t end = HWY_MIN(i + block, places);
      size_t hits = 0;
      i = !adaptive    ? Scan<2, false>(s, i, end, hits, steps, out)
          : count == 2 ? Scan<2, true>(s, i, end, hits, steps, out)
          : count == 4 ? Scan<4, true>(s, i, end, hits, steps, out)
          : count == 6 ? Scan<6, true>(s, i, end, hits, steps, out)
                       : Scan<8, false>(s, i, end, hits, steps, out);
      if (adaptive) {
        if (hits > kFewHits) count = HWY_MIN(count + 2, kProbes);
        if (steps > 4096 + i) return knuth_morris_pratt(text, n, needle, m, i, out);
      }
    }
    for (; places - i >= lanes; i += lanes)
      if (!hn::AllFalse(d, hn::Eq(Differences<1>(s, i), hn::Zero(d)))) Examine(s, i, 0, out);
    // The last places again, as a whole vector: what comes before i in it has been reported.
    if (i < places) Examine(s, places - lanes, lanes - (places - i), out);
  } else {
    for (; i < places; ++i) {
      size_t j = 0;
      while (j < m && text[i + j] == needle[j]) ++j;
      if (j == m) out.push_back(static_cast<uint32_t>(i));
    }
  }
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
