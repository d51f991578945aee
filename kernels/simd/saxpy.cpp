// simd/saxpy: y = a * x + y for arrays of floats, in place, as BLAS has it.
//
// Out: y. Calls alternate between a and -a, so that y goes back and forth between two arrays and
// neither grows nor has to be restored between calls: numbers are small integers, every product and
// sum is exact, and so right answers are equal to the last bit, fused or not. All variants work on
// one y, which is restored untimed before each epoch.
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
#include "support/simd.h"

#if HWY_ONCE
#include <algorithm>
#include <memory>
#include <utility>

#include "core/kernel.h"
#if HEADROOM_HAVE_OPENBLAS
#include <cblas.h>
#endif

namespace headroom {
namespace {

struct SaxpyProblem {
  // What the variants share and change, one after the other.
  struct Shared {
    Buffer<float> y;
    float a = 0;  // of the next call
    bool changed = true;
  };
  struct Input {
    Buffer<float> x, y;
    float a = 3;
    std::shared_ptr<Shared> shared;
  };
  using Output = Buffer<float>;

  struct Work {
    explicit Work(const Input& in) : input(&in), shared(in.shared.get()) {}
    // Once an epoch: until a call has run, there is nothing to restore.
    void refill(const Input& in) {
      if (!shared->changed) return;
      std::copy(in.y.begin(), in.y.end(), shared->y.begin());
      *shared = {std::move(shared->y), in.a, false};
    }
    // The factor of this call.
    float next() {
      shared->changed = true;
      return std::exchange(shared->a, -shared->a);
    }
    // After an even number of calls y is what it was; one more, then, so that what is compared has
    // been changed.
    void answer(Buffer<float>& out) const {
      const bool odd = shared->a != input->a;
      for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = shared->y[i] + (odd ? 0 : input->a * input->x[i]);
    }
    const Input* input;
    Shared* shared;
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<float>(setting.n), Buffer<float>(setting.n)};
    FastRng fast(rng());
    const auto number = [](std::uint64_t bits) {
      return static_cast<float>((bits & 127) + 1) * ((bits & 128) != 0 ? 1.0f : -1.0f);
    };
    for (std::size_t i = 0; i < setting.n; ++i) {
      const std::uint64_t bits = fast();
      in.x[i] = number(bits);
      in.y[i] = number(bits >> 8);
    }
    in.shared = std::make_shared<Shared>(Shared{Buffer<float>(setting.n)});
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.x.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

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
// first.
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

// y += a * x. Four vectors a step; nothing waits for anything.
void Saxpy(float a, const float* HWY_RESTRICT x, float* HWY_RESTRICT y, size_t n) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const auto av = hn::Set(d, a);
  const auto update = [&](size_t at) HWY_ATTR {
    hn::StoreU(hn::MulAdd(av, hn::LoadU(d, x + at), hn::LoadU(d, y + at)), d, y + at);
  };
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    update(i);
    update(i + lanes);
    update(i + 2 * lanes);
    update(i + 3 * lanes);
  }
  for (; i + lanes <= n; i += lanes) update(i);
  for (; i < n; ++i) y[i] += a * x[i];
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
     .what = "omp simd: the same vectors without the check; nothing gained",
     .needs = kNeedsOpenMp},
    {.name = "highway",
     .run = run<highway>,
     .what =
         "widest SIMD of the host and fused multiply-adds: fewer instructions where caches feed"},
    {.name = "openblas",
     .run = kOpenBlasSaxpy,
     .what = "cblas_saxpy, one thread",
     .role = Role::kPeer,
     .needs = kNeedsOpenBlas},
};

const Registrar kRegistrar({.name = "simd/saxpy",
                            .axis = Axis::kSimd,
                            .technique = "wider vectors pay as long as the cache can feed them",
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
