// layout/matmul and layout/matmul_f64: C = A * B for square matrices of floats, and of doubles.
//
// n is the side; all three are stored row by row. Out: C, whole. The numbers are integers, none of
// them zero (|x| is 1 to 64, either sign), so up to n = 4096 every partial sum, in any order, fused
// or not, is an integer of at most 2^24 and thus exact: right answers are equal to the last bit.
// (For arbitrary numbers any order is within n * epsilon * |A| * |B|: Higham, "Accuracy and
// Stability of Numerical Algorithms", 3.5.)
//
// The naive loop waits for an addition and for a cache line at each product: down a column of B no
// two numbers share a line, and rows a power of two apart compete for the same sets of the cache.
// Packing is the method of Goto and van de Geijn, "Anatomy of High-Performance Matrix
// Multiplication" (2008), with the loops of Van Zee and van de Geijn, "BLIS: A Framework for
// Rapidly Instantiating BLAS Functionality" (2015).
//
// Links: openblas
#include <algorithm>

#include "core/kernel.h"
#include "support/matmul.h"
#if HEADROOM_HAVE_OPENBLAS
#include <cblas.h>
#endif

namespace headroom {
namespace {

template <class T>
struct Matmul {
  struct Input {
    std::size_t n = 0;
    Buffer<T> a, b;  // a[i * n + k]: row i, column k
  };
  using Output = Buffer<T>;

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t cells = setting.n * setting.n;
    Input in{setting.n, Buffer<T>(cells), Buffer<T>(cells)};
    FastRng fast(rng());
    for (Buffer<T>* matrix : {&in.a, &in.b}) {
      for (std::size_t i = 0; i < cells;) {
        std::uint64_t bits = fast();
        for (int k = 0; k < 8 && i < cells; ++k, bits >>= 8)
          (*matrix)[i++] = static_cast<T>((bits & 63) + 1) * ((bits & 64) != 0 ? T{1} : T{-1});
      }
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.n * in.n); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return within(want, got, 0);  // exact
  }
};

// A row of A by a column of B, as the formula says: one chain of additions, and a line of its own
// for each number of B.
template <class T>
void naive(const typename Matmul<T>::Input& in, Buffer<T>& c) {
  const std::size_t n = in.n;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      T sum = 0;
      for (std::size_t k = 0; k < n; ++k) sum += in.a[i * n + k] * in.b[k * n + j];
      c[i * n + j] = sum;
    }
}

// The two inner loops change places: B and C are walked along their rows, neighbours are
// independent, and the compiler vectorizes.
template <class T>
void ikj(const typename Matmul<T>::Input& in, Buffer<T>& c) {
  const std::size_t n = in.n;
  std::fill(c.begin(), c.end(), T{0});
  for (std::size_t i = 0; i < n; ++i) {
    T* const to = c.data() + i * n;
    for (std::size_t k = 0; k < n; ++k) {
      const T x = in.a[i * n + k];
      const T* const row = in.b.data() + k * n;
      for (std::size_t j = 0; j < n; ++j) to[j] += x * row[j];
    }
  }
}

// Four rows of B are added to a row of C at a time, so that C is loaded and stored a quarter as
// often.
template <class T>
void four_rows(const typename Matmul<T>::Input& in, Buffer<T>& c) {
  const std::size_t n = in.n;
  std::fill(c.begin(), c.end(), T{0});
  for (std::size_t i = 0; i < n; ++i) {
    const T* const a = in.a.data() + i * n;
    T* const to = c.data() + i * n;
    std::size_t k = 0;
    for (; k + 4 <= n; k += 4) {
      const T *const b0 = in.b.data() + k * n, *const b1 = b0 + n, *const b2 = b1 + n,
                     *const b3 = b2 + n;
      const T a0 = a[k], a1 = a[k + 1], a2 = a[k + 2], a3 = a[k + 3];
      for (std::size_t j = 0; j < n; ++j)
        to[j] += (a0 * b0[j] + a1 * b1[j]) + (a2 * b2[j] + a3 * b3[j]);
    }
    for (; k < n; ++k)
      for (std::size_t j = 0; j < n; ++j) to[j] += a[k] * in.b[k * n + j];
  }
}

// The same, tile after tile of B: 16 KiB, which stay in L1 while all rows of A go past them.
template <class T>
void tiled(const typename Matmul<T>::Input& in, Buffer<T>& c) {
  constexpr std::size_t kColumns = 512 / sizeof(T), kTall = 32;
  const std::size_t n = in.n;
  std::fill(c.begin(), c.end(), T{0});
  for (std::size_t j = 0; j < n; j += kColumns) {
    const std::size_t width = std::min(kColumns, n - j);
    for (std::size_t k = 0; k < n; k += kTall) {
      const std::size_t end = std::min(n, k + kTall);
      for (std::size_t i = 0; i < n; ++i) {
        const T* const a = in.a.data() + i * n;
        const T* const b = in.b.data() + j;
        T* const to = c.data() + i * n + j;
        std::size_t kk = k;
        for (; kk + 4 <= end; kk += 4) {
          const T *const b0 = b + kk * n, *const b1 = b0 + n, *const b2 = b1 + n,
                         *const b3 = b2 + n;
          const T a0 = a[kk], a1 = a[kk + 1], a2 = a[kk + 2], a3 = a[kk + 3];
          for (std::size_t jj = 0; jj < width; ++jj)
            to[jj] += (a0 * b0[jj] + a1 * b1[jj]) + (a2 * b2[jj] + a3 * b3[jj]);
        }
        for (; kk < end; ++kk)
          for (std::size_t jj = 0; jj < width; ++jj) to[jj] += a[kk] * b[kk * n + jj];
      }
    }
  }
}

#if HEADROOM_HAVE_OPENBLAS
template <class T>
void openblas(const typename Matmul<T>::Input& in, Buffer<T>& c) {
  openblas_set_num_threads(1);
  const auto n = static_cast<blasint>(in.n);
  if (n == 0) return;
  if constexpr (sizeof(T) == 4)
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, in.a.data(), n, in.b.data(),
                n, 0, c.data(), n);
  else
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, in.a.data(), n, in.b.data(),
                n, 0, c.data(), n);
}
template <class T>
constexpr auto kOpenBlasRun = run<openblas<T>>;
#else
template <class T>
constexpr auto kOpenBlasRun = kNotBuilt;
#endif

// Memory for the packed parts, as a library keeps it between calls.
template <class T>
struct Packed {
  explicit Packed(const typename Matmul<T>::Input& in)
      : a(packed_a_items<T>(in.n, in.n)), b(packed_b_items<T>(in.n)) {}
  Buffer<T> a, b;
};

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "layout/matmul-inl.h"
#include "layout/matmul-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(MultiplyF32);
HWY_EXPORT(MultiplyF64);

// By tiles of C in registers; A and B as they lie up to n = `unpacked`, packed beyond.
template <class T>
void by_register_tiles(Packed<T>& memory, const typename Matmul<T>::Input& in, Buffer<T>& c,
                       std::size_t unpacked) {
  if (in.n == 0) return;
  const Job<T> job{in.a.data(), in.b.data(),     c.data(),        in.n,
                   in.n,        memory.a.data(), memory.b.data(), strip_columns<T>()};
  if constexpr (sizeof(T) == 4)
    HWY_DYNAMIC_DISPATCH(MultiplyF32)(job, unpacked);
  else
    HWY_DYNAMIC_DISPATCH(MultiplyF64)(job, unpacked);
}

// A tile of C stays in registers for all of k: in the inner loop there is about one load for two
// multiply-adds, and no store.
template <class T>
void register_tiles(Packed<T>& memory, const typename Matmul<T>::Input& in, Buffer<T>& c) {
  by_register_tiles(memory, in, c, kNoLimit);
}

// And A and B are copied into the very order in which the microkernel reads them: no conflicts in
// the cache, no TLB misses, every load sequential. (Not where all three matrices fit L2: there
// packing costs more than it saves.)
template <class T>
void packed(Packed<T>& memory, const typename Matmul<T>::Input& in, Buffer<T>& c) {
  by_register_tiles(memory, in, c, most_in_l2<T>());
}

constexpr Need kNeedsOpenBlas[] = {kOpenBlas};

// The last size at which the naive loop runs: 0.15 s a call at 512 for floats, for doubles twice
// that, which is too long for what it would show.
template <class T>
constexpr std::size_t kNaiveMost = sizeof(T) == 4 ? 512 : 256;

template <class T>
constexpr Variant<Matmul<T>> kVariants[] = {
    {.name = "naive",
     .run = run<naive<T>>,
     .what = "ijk, row by column: a cache line for each number of B, one chain of additions",
     .max_n = kNaiveMost<T>},
    {.name = "ikj",
     .run = run<ikj<T>>,
     .what = "inner loops swapped: B and C along their rows, the compiler vectorizes",
     .max_n = 512},
    {.name = "four_rows",
     .run = run<four_rows<T>>,
     .what = "four rows of B at a time: C is loaded and stored a quarter as often",
     .max_n = 512},
    {.name = "tiled",
     .run = run<tiled<T>>,
     .what = "four_rows, tile after tile of B, which stays in L1 while all of A goes past it"},
    {.name = "register_tiles",
     .run = run<register_tiles<T>>,
     .what = "tiles of C in registers for all of k, widest SIMD; A and B as they lie"},
    {.name = "packed_simd",
     .run = run<packed<T>>,
     .what = "register_tiles, with A and B packed in the order of use where L2 does not hold them"},
    {.name = "openblas",
     .run = kOpenBlasRun<T>,
     .what = "cblas_sgemm or cblas_dgemm, one thread",
     .role = Role::kPeer,
     .needs = kNeedsOpenBlas},
};

template <class T>
Metadata metadata(std::string name, std::string ceiling_input) {
  return {.name = std::move(name),
          .axis = Axis::kSimd,
          .technique = "reuse what is loaded: in registers, in L1, in L2",
          .sizes = {64, 256, 512, 1024},
          .headline = {256, 512},
          .ceiling = {"machine/fma", std::move(ceiling_input)},
          .promise = Promise::kNone,  // on other inputs the order of sums shows
          .demand =
              [](const Setting& s) {
                const double n = static_cast<double>(s.n);
                return Demand{.items = n * n * n,
                              .bytes = 3 * sizeof(T) * n * n,
                              .flops = 2 * n * n * n,
                              .working_set = 3 * sizeof(T) * s.n * s.n,
                              .memory = sizeof(T) * ((2 + std::size(kVariants<T>)) * s.n * s.n +
                                                     1024 * (s.n + 1024))};
              },
          .test_sizes = {0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 24, 31, 33, 47, 65, 100, 129,
                         std::max<std::size_t>(259, most_in_l2<T>() + 3)}};
}

const Registrar kRegistrar32(metadata<float>("layout/matmul", "f32"), kVariants<float>);
const Registrar kRegistrar64(metadata<double>("layout/matmul_f64", "f64"), kVariants<double>);

}  // namespace
}  // namespace headroom
