// simd/argmin: where is the least of an array of floats?
//
// Out: the index of the first minimum, exact. All numbers are positive, so that BLAS's isamin,
// which compares magnitudes, solves the same problem; there is no NaN. The array called `few` has
// many equal minima: the first one wins. Each call sees another of 256 windows of the array, so
// that branch prediction can't learn where new minima are.
//
// The naive loop compares one number a step, and carries the best value and its index along; GCC
// makes a minimum and a conditional move of it, a chain of two or three cycles a number. A minimum
// alone needs no index, and so can be taken by whole vectors at the speed of loads; the index is
// looked up afterwards, in the one block that holds the minimum.
//
// Links: openblas
#include <algorithm>
#include <span>

#include "core/kernel.h"
#if HEADROOM_HAVE_OPENBLAS
#include <cblas.h>
#endif

namespace headroom {
namespace {

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
      // Multiples of 2^-63 rounded to float: small ones have as many digits as large ones.
      x = few ? static_cast<float>(1 + (bits & 1023))
              : static_cast<float>((bits >> 1) + 1) * 0x1p-63f;
    }
    return in;
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// One comparison a step, with the best so far. For no numbers at all, every variant says 0.
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

#if HEADROOM_HAVE_OPENBLAS
void openblas(const Argmin::Call& x, std::uint64_t& out) {
  openblas_set_num_threads(1);
  out = x.empty() ? 0 : cblas_isamin(static_cast<blasint>(x.size()), x.data(), 1);
}
constexpr auto kOpenBlasIsamin = run<openblas>;
#else
constexpr auto kOpenBlasIsamin = kNotBuilt;
#endif

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/argmin-inl.h"
#include "simd/argmin-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(ArgminIndexed);
HWY_EXPORT(ArgminPlain);
HWY_EXPORT(ArgminPrefetched);

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

constexpr Need kNeedsOpenBlas[] = {kOpenBlas};

constexpr Variant<Argmin> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what =
         "one comparison per step with the best so far, which it waits for; no branch (GCC: cmov)"},
    {.name = "blocks",
     .run = run<blocks>,
     .what = "minima of blocks without an index, by the compiler's vectors; one block is searched"},
    {.name = "indexed",
     .run = run<indexed>,
     .what = "widest SIMD, value and index side by side: three operations per vector"},
    {.name = "highway",
     .run = run<highway>,
     .what =
         "minima of blocks in the widest SIMD, one operation per vector; one block is searched"},
    {.name = "prefetch",
     .run = run<prefetch>,
     .what =
         "highway with lines prefetched 4 KiB ahead: a gain from L2 on some cores, a loss in L1"},
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
