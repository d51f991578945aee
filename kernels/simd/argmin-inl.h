// The SIMD code of simd/argmin: a minimum with its index, and a minimum alone. Included by
// argmin.cpp once for each target.
//
// No include guard: it must be read again for every target.
#include "support/prefetch-inl.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// The index of the first minimum of the n numbers at x, n > 0; here and below.
//
// Four vectors of minima, each with the number of the step that it came from. Within a lane only a
// smaller value replaces, so the first stays; lanes are compared at the end. Steps are counted in
// 32 bits, for up to 2^32 of them.
uint64_t ArgminIndexed(const float* HWY_RESTRICT x, size_t n) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const size_t lanes = hn::Lanes(d);
  const size_t steps = n / (4 * lanes);
  size_t best_at = 0;
  float best = x[0];
  if (steps != 0) {
    auto m0 = hn::LoadU(d, x), m1 = hn::LoadU(d, x + lanes), m2 = hn::LoadU(d, x + 2 * lanes),
         m3 = hn::LoadU(d, x + 3 * lanes);
    auto s0 = hn::Zero(di), s1 = s0, s2 = s0, s3 = s0, step = s0;
    const auto one = hn::Set(di, 1);
    for (size_t i = 4 * lanes; i + 4 * lanes <= n; i += 4 * lanes) {
      step = hn::Add(step, one);
      const auto v0 = hn::LoadU(d, x + i), v1 = hn::LoadU(d, x + i + lanes),
                 v2 = hn::LoadU(d, x + i + 2 * lanes), v3 = hn::LoadU(d, x + i + 3 * lanes);
      s0 = hn::IfThenElse(hn::RebindMask(di, hn::Lt(v0, m0)), step, s0);
      s1 = hn::IfThenElse(hn::RebindMask(di, hn::Lt(v1, m1)), step, s1);
      s2 = hn::IfThenElse(hn::RebindMask(di, hn::Lt(v2, m2)), step, s2);
      s3 = hn::IfThenElse(hn::RebindMask(di, hn::Lt(v3, m3)), step, s3);
      m0 = hn::Min(m0, v0);
      m1 = hn::Min(m1, v1);
      m2 = hn::Min(m2, v2);
      m3 = hn::Min(m3, v3);
    }
    HWY_ALIGN float values[4 * hn::MaxLanes(d)];
    HWY_ALIGN int32_t from[4 * hn::MaxLanes(d)];
    hn::StoreU(m0, d, values);
    hn::StoreU(m1, d, values + lanes);
    hn::StoreU(m2, d, values + 2 * lanes);
    hn::StoreU(m3, d, values + 3 * lanes);
    hn::StoreU(s0, di, from);
    hn::StoreU(s1, di, from + lanes);
    hn::StoreU(s2, di, from + 2 * lanes);
    hn::StoreU(s3, di, from + 3 * lanes);
    for (size_t k = 0; k < 4 * lanes; ++k) {
      const size_t at = static_cast<uint32_t>(from[k]) * size_t{4} * lanes + k;
      if (values[k] < best || (values[k] == best && at < best_at)) {
        best = values[k];
        best_at = at;
      }
    }
  }
  for (size_t i = steps * 4 * lanes; i < n; ++i) {
    if (x[i] < best) {
      best = x[i];
      best_at = i;
    }
  }
  return best_at;
}

// Blocks of kVectors vectors. A block's minimum stays spread over the lanes of a vector, which is
// only asked whether any lane is below the best so far: that is seldom so (ln(blocks) times for
// data in random order), and then the lanes are reduced and the block is remembered. In the end
// the block remembered is searched, from its start, for the value.
template <size_t kAhead>
HWY_INLINE uint64_t ArgminBlocks(const float* HWY_RESTRICT x, size_t n) {
  // 8 KiB with AVX-512: at half of it the loads of one block were too few for Zen 5's prefetchers,
  // and the array came from L2 at half speed.
  constexpr size_t kVectors = 128;
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const size_t block = kVectors * lanes;
  float best = x[0];
  size_t from = 0;  // where the block with the minimum starts
  auto best_v = hn::Set(d, best);
  size_t i = 0;
  for (; i + block <= n; i += block) {
    // In the order in which they lie, as hardware prefetchers like it; a tree of minima would not.
    auto m0 = best_v, m1 = m0, m2 = m0, m3 = m0, m4 = m0, m5 = m0, m6 = m0, m7 = m0;
    for (const float *p = x + i, *const end = p + block; p != end; p += 8 * lanes) {
      if constexpr (kAhead != 0) {
        prefetch_lines(p, kAhead, 8 * lanes * sizeof(float));
      }
      m0 = hn::Min(m0, hn::LoadU(d, p));
      m1 = hn::Min(m1, hn::LoadU(d, p + lanes));
      m2 = hn::Min(m2, hn::LoadU(d, p + 2 * lanes));
      m3 = hn::Min(m3, hn::LoadU(d, p + 3 * lanes));
      m4 = hn::Min(m4, hn::LoadU(d, p + 4 * lanes));
      m5 = hn::Min(m5, hn::LoadU(d, p + 5 * lanes));
      m6 = hn::Min(m6, hn::LoadU(d, p + 6 * lanes));
      m7 = hn::Min(m7, hn::LoadU(d, p + 7 * lanes));
    }
    const auto least = hn::Min(hn::Min(hn::Min(m0, m1), hn::Min(m2, m3)),
                               hn::Min(hn::Min(m4, m5), hn::Min(m6, m7)));
    if (HWY_UNLIKELY(!hn::AllFalse(d, hn::Lt(least, best_v)))) {
      best_v = hn::MinOfLanes(d, least);
      best = hn::GetLane(best_v);
      from = i;
    }
  }
  for (; i + lanes <= n; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
    if (HWY_UNLIKELY(!hn::AllFalse(d, hn::Lt(v, best_v)))) {
      best_v = hn::MinOfLanes(d, v);
      best = hn::GetLane(best_v);
      from = i;
    }
  }
  for (; i < n; ++i) {
    if (x[i] < best) {
      best = x[i];
      from = i;
    }
  }
  // The value is there: no need to look for the end.
  size_t at = from;
  for (; at + lanes <= n; at += lanes) {
    const intptr_t lane = hn::FindFirstTrue(d, hn::Eq(hn::LoadU(d, x + at), hn::Set(d, best)));
    if (lane >= 0) return at + static_cast<size_t>(lane);
  }
  while (x[at] != best) ++at;
  return at;
}

uint64_t ArgminPlain(const float* HWY_RESTRICT x, size_t n) { return ArgminBlocks<0>(x, n); }
uint64_t ArgminPrefetched(const float* HWY_RESTRICT x, size_t n) {
  return ArgminBlocks<4096>(x, n);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
