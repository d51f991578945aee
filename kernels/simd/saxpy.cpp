// simd/saxpy: y = a * x + y for arrays of floats, in place, as BLAS has it.
//
// The problem is in support/saxpy.h, since parallel/saxpy has the same. Out: y; exact. Calls
// alternate between a and -a, so that y goes back and forth between two arrays.
//
// Nothing waits for anything here: two loads and a store for each number, and as soon as it is
// vectorized (compilers do it) the caches are the limit. In L1 that is the store after every two
// loads: STREAM's triad, which is the same loop without a call around it, takes 1.25 cycles a
// vector on a Zen 5, where loads alone would take one. Unrolling further and gathering the stores
// lose.
//
// Links: openblas openmp
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/saxpy.cpp"
#include "support/blas1-inl.h"

#if HWY_ONCE
#include "core/kernel.h"
#include "support/saxpy.h"
#if HEADROOM_HAVE_OPENBLAS
#include <cblas.h>
#endif

namespace headroom {
namespace {

using Work = SaxpyProblem::Work;

// One loop, which compilers vectorize.
void naive(Work& work, Buffer<float>&) {
  const float a = work.next();
  const Buffer<float>& x = work.input->x;
  Buffer<float>& y = work.shared->y;
  for (std::size_t i = 0; i < x.size(); ++i) y[i] += a * x[i];
}

#if HEADROOM_HAVE_OPENMP
// The promise that x and y don't overlap, which the naive loop's machine code has to find out
// first; then the loops are the same, instruction by instruction. In GCC 12's code this one's lies
// across two lines of the instruction cache, which costs time where y is in L1; built with
// -falign-loops=64 both are alike.
void omp_simd(Work& work, Buffer<float>&) {
  const float a = work.next();
  const std::size_t n = work.input->x.size();
  const float* const x = work.input->x.data();
  float* const y = work.shared->y.data();
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) y[i] += a * x[i];
}
constexpr auto kOmpSimd = run<omp_simd>;
#else
constexpr auto kOmpSimd = kNotBuilt;
#endif

#if HEADROOM_HAVE_OPENBLAS
void openblas(Work& work, Buffer<float>&) {
  const float a = work.next();
  openblas_set_num_threads(1);
  cblas_saxpy(static_cast<blasint>(work.input->x.size()), a, work.input->x.data(), 1,
              work.shared->y.data(), 1);
}
constexpr auto kOpenBlasSaxpy = run<openblas>;
#else
constexpr auto kOpenBlasSaxpy = kNotBuilt;
#endif

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

void Saxpy(float a, const float* HWY_RESTRICT x, float* HWY_RESTRICT y, size_t n) {
  AddMultiple(a, x, y, n);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
namespace {

HWY_EXPORT(Saxpy);

// The host's vectors instead of the base ISA's, and fused multiply-adds: a quarter of the
// instructions with AVX-512. It pays where L1 or L2 feed.
void highway(Work& work, Buffer<float>&) {
  const float a = work.next();
  HWY_DYNAMIC_DISPATCH(Saxpy)
  (a, work.input->x.data(), work.shared->y.data(), work.input->x.size());
}

constexpr Need kNeedsOpenMp[] = {kOpenMp};
constexpr Need kNeedsOpenBlas[] = {kOpenBlas};

constexpr Variant<SaxpyProblem> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one loop; GCC and clang vectorize it for the base ISA, after a check for overlap"},
    {.name = "omp_simd",
     .run = kOmpSimd,
     .what = "omp simd: the same loop without the check: no gain, and a loss in L1 where the "
             "compiler lays it across two lines of code, as GCC 12 does",
     .needs = kNeedsOpenMp},
    {.name = "highway",
     .run = run<highway>,
     .what =
         "widest SIMD of the host and fused multiply-adds: fewer instructions; a gain in caches"},
    {.name = "openblas",
     .run = kOpenBlasSaxpy,
     .what = "cblas_saxpy, one thread",
     .role = Role::kPeer,
     .needs = kNeedsOpenBlas},
};

const Registrar kRegistrar({.name = "simd/saxpy",
                            .axis = Axis::kSimd,
                            .technique = "wider vectors pay as long as the cache can supply them",
                            .sizes = {2048, 64 << 10, 384 << 10, 8 << 20, 32 << 20},
                            .headline = {2048, 8 << 20},
                            .ceiling = {"machine/read"},
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{
                                      .items = n,
                                      .bytes = 8 * n,  // read; what is written back comes on top
                                      .flops = 2 * n,
                                      .working_set = 8 * s.n,
                                      .memory = 4 * s.n * (3 + std::size(kVariants))};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
