// simd/argmin: where is the least of an array of floats?
//
// Out: the index of the first minimum, exact. All numbers are positive, so that BLAS's isamin,
// which compares magnitudes, solves the same problem; there is no NaN. The array called `few` has
// many equal minima: the first one wins. Each call sees another window of the array, so that the
// branches taken at each new minimum are not learnt: 256 windows or more.
//
// The naive loop compares one number a step, and carries the best value and its index along; GCC
// makes a minimum and a conditional move of it, a chain of two or three cycles a number. A minimum
// alone needs no index, and so can be taken by whole vectors at the speed of loads; the index is
// looked up afterwards, in the one block that holds the minimum.
//
// Links: openblas
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/argmin.cpp"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

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
        // Harmless past the end, but no pointer may point there: computed as an integer.
        const uintptr_t ahead = reinterpret_cast<uintptr_t>(p) + kAhead;
        for (size_t line = 0; line < 8 * lanes * sizeof(float); line += 64)
          __builtin_prefetch(reinterpret_cast<const char*>(ahead + line));
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

#if HWY_ONCE
#include <algorithm>
#include <span>

#include "core/kernel.h"
#if HEADROOM_HAVE_OPENBLAS
#include <cblas.h>
#endif

namespace headroom {
namespace {

HWY_EXPORT(ArgminIndexed);
HWY_EXPORT(ArgminPlain);
HWY_EXPORT(ArgminPrefetched);

struct Argmin {
  static constexpr auto kInputs = inputs("random", "few");
  using Call = std::span<const float>;
  struct Input {
    static constexpr std::size_t kWindows = 256, kStep = 16;  // a cache line
    Buffer<float> x;
    std::size_t n = 0;
    // Neighbouring windows share most of their numbers, so calls in a row take distant ones.
    Call at(std::size_t turn) const {
      return Call(x.data(), x.size()).subspan(turn * 97 % kWindows * kStep, n);
    }
  };
  using Output = std::uint64_t;
  static constexpr std::size_t kExtra = (Input::kWindows - 1) * Input::kStep;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<float>(setting.n + kExtra), setting.n};
    FastRng fast(rng());
    const bool few = setting.input == kInputs["few"];
    for (float& x : in.x) {
      const std::uint64_t bits = fast();
      // 2^-30 of all are drawn again for each halving: the least have as many digits as the others.
      x = few ? static_cast<float>(1 + (bits & 1023))
              : static_cast<float>((bits >> 1) + 1) * 0x1p-63f;
    }
    return in;
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// For no numbers at all, every variant says 0.
void naive(const Argmin::Call& x, std::uint64_t& out) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < x.size(); ++i)
    if (x[i] < x[best]) best = i;
  out = best;
}

void std_min_element(const Argmin::Call& x, std::uint64_t& out) {
  out = static_cast<std::uint64_t>(std::min_element(x.begin(), x.end()) - x.begin());
}

// Two loops in plain C++: the minimum of a block, as 32 chains side by side, which the compiler
// makes vectors of the base ISA; then, in one block only, the search for its index.
void blocks(const Argmin::Call& in, std::uint64_t& out) {
  constexpr std::size_t kChains = 32, kBlock = 1024;
  const float* const x = in.data();
  const std::size_t n = in.size();
  float best = n == 0 ? 0 : x[0];
  std::size_t from = 0, i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    float m[kChains];
    for (std::size_t k = 0; k < kChains; ++k) m[k] = x[i + k];
    for (std::size_t j = kChains; j < kBlock; j += kChains)
      for (std::size_t k = 0; k < kChains; ++k) m[k] = x[i + j + k] < m[k] ? x[i + j + k] : m[k];
    for (std::size_t half = kChains / 2; half != 0; half /= 2)
      for (std::size_t k = 0; k < half; ++k) m[k] = m[k + half] < m[k] ? m[k + half] : m[k];
    if (m[0] < best) {
      best = m[0];
      from = i;
    }
  }
  for (; i < n; ++i) {
    if (x[i] < best) {
      best = x[i];
      from = i;
    }
  }
  while (from < n && x[from] != best) ++from;
  out = from;
}

// Value and index side by side in vectors: three operations a vector, where a minimum alone is one.
void indexed(const Argmin::Call& x, std::uint64_t& out) {
  out = x.empty() ? 0 : HWY_DYNAMIC_DISPATCH(ArgminIndexed)(x.data(), x.size());
}

// Minima of blocks by the widest vectors of the host: one operation a load, so the loads are the
// limit.
void highway(const Argmin::Call& x, std::uint64_t& out) {
  out = x.empty() ? 0 : HWY_DYNAMIC_DISPATCH(ArgminPlain)(x.data(), x.size());
}

// Each line asked for 4 KiB ahead: across the page's end, where hardware prefetchers start over.
void prefetch(const Argmin::Call& x, std::uint64_t& out) {
  out = x.empty() ? 0 : HWY_DYNAMIC_DISPATCH(ArgminPrefetched)(x.data(), x.size());
}

#if HEADROOM_HAVE_OPENBLAS
void openblas(const Argmin::Call& x, std::uint64_t& out) {
  openblas_set_num_threads(1);
  out = x.empty() ? 0 : cblas_isamin(static_cast<blasint>(x.size()), x.data(), 1);
}
constexpr auto kOpenBlasIsamin = run<openblas>;
#else
constexpr auto kOpenBlasIsamin = kNotBuilt;
#endif

constexpr Need kNeedsOpenBlas[] = {kOpenBlas};

constexpr Variant<Argmin> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what =
         "one comparison a step with the best so far, which it waits for; no branch (GCC: cmov)"},
    {.name = "blocks",
     .run = run<blocks>,
     .what = "minima of blocks without an index, by the compiler's vectors; one block is searched"},
    {.name = "indexed",
     .run = run<indexed>,
     .what = "widest SIMD, value and index side by side: three operations a vector"},
    {.name = "highway",
     .run = run<highway>,
     .what = "minima of blocks in the widest SIMD, one operation a vector; one block is searched"},
    {.name = "prefetch",
     .run = run<prefetch>,
     .what = "highway with lines asked for 4 KiB ahead: a gain from L3, a loss in L1"},
    {.name = "std_min_element",
     .run = run<std_min_element>,
     .what = "std::min_element of the standard library: the naive loop",
     .role = Role::kPeer},
    {.name = "openblas",
     .run = kOpenBlasIsamin,
     .what = "cblas_isamin, an extension of BLAS, one thread",
     .role = Role::kPeer,
     .needs = kNeedsOpenBlas},
};

const Registrar kRegistrar({.name = "simd/argmin",
                            .axis = Axis::kSimd,
                            .technique = "a reduction without the index, then a search for it",
                            .sizes = {4096, 128 << 10, 768 << 10, 16 << 20, 64 << 20},
                            .headline = {128 << 10, 16 << 20},
                            .ceiling = {"machine/read"},
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  const std::size_t bytes = 4 * (s.n + Argmin::kExtra);
                                  return Demand{.items = n,
                                                .bytes = 4 * n,
                                                .working_set = bytes,
                                                .memory = bytes};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
