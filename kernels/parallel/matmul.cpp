// parallel/matmul: C = A * B for square matrices of floats, with one thread and with several.
//
// n is the side; all three are stored row by row. Out: C, whole. The numbers are integers, none of
// them zero (|x| is 1 to 64, either sign), so up to n = 4096 every partial sum, in any order, fused
// or not, is an integer of at most 2^24 and thus exact.
//
// How one core multiplies fast is layout/matmul's subject. Here it is done by all: a good naive
// loop on every core is still slower than one core used well; and where each packs B for itself,
// packing does not get faster with more cores.
//
// Links: openmp tbb
#include <algorithm>
#include <vector>

#include "core/kernel.h"
#include "support/matmul.h"
#include "support/openblas_threads.h"
#include "support/openmp.h"
#include "support/tbb_arena.h"
#if HEADROOM_HAVE_TBB
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>
#endif

namespace headroom {
namespace {

struct ParallelMatmul {
  struct Input {
    std::size_t n = 0;
    Buffer<float> a, b;  // a[i * n + k]: row i, column k
  };
  using Output = Buffer<float>;

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t cells = setting.n * setting.n;
    Input in{setting.n, Buffer<float>(cells), Buffer<float>(cells)};
    FastRng fast(rng());
    const auto number = [](std::uint64_t bits) {
      return static_cast<float>((bits & 63) + 1) * ((bits & 64) != 0 ? 1.0f : -1.0f);
    };
    for (std::size_t i = 0; i < cells; ++i) {
      const std::uint64_t bits = fast();
      in.a[i] = number(bits >> 8);
      in.b[i] = number(bits >> 40);
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.n * in.n); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return within(want, got, 0);  // exact
  }
};

// Row i of C: row after row of B, times a number of A, is added to it, so that the inner loop walks
// along memory and the compiler vectorizes it.
void row_of_c(const ParallelMatmul::Input& in, std::size_t i, Buffer<float>& c) {
  const std::size_t n = in.n;
  float* const to = c.data() + i * n;
  std::fill_n(to, n, 0.0f);
  for (std::size_t k = 0; k < n; ++k) {
    const float x = in.a[i * n + k];
    const float* const row = in.b.data() + k * n;
    for (std::size_t j = 0; j < n; ++j) to[j] += x * row[j];
  }
}

void naive(const ParallelMatmul::Input& in, Buffer<float>& c) {
  for (std::size_t i = 0; i < in.n; ++i) row_of_c(in, i, c);
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "parallel/matmul-inl.h"
#include "parallel/matmul-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(MatmulRows);
HWY_EXPORT(MatmulTogether);

// Memory for what one thread packs, as a library keeps it between calls.
struct Packed {
  Packed(std::size_t rows, std::size_t n)
      : a(packed_a_items<float>(rows, n)), b(packed_b_items<float>(n)) {}
  Buffer<float> a, b;
};

// The rows of C that one of several threads makes, in units of a tile.
inline Share rows_of(std::size_t n, int part, int parts) { return share(n, 8, part, parts); }

// `rows` of C on the calling thread, as layout/matmul does it: packed, or as it lies in L2.
void multiply_rows(const ParallelMatmul::Input& in, Share rows, Packed& memory, Buffer<float>& c) {
  if (rows.size() == 0) return;
  const Job<float> job{in.a.data() + rows.begin * in.n,
                       in.b.data(),
                       c.data() + rows.begin * in.n,
                       rows.size(),
                       in.n,
                       memory.a.data(),
                       memory.b.data(),
                       strip_columns<float>()};
  HWY_DYNAMIC_DISPATCH(MatmulRows)(job, most_in_l2<float>());
}

struct OnePacked : Packed {
  explicit OnePacked(const ParallelMatmul::Input& in) : Packed(in.n, in.n) {}
};
// One core used well: tiles of C in registers, parts of A and B packed for L1 and L2.
void simd(OnePacked& memory, const ParallelMatmul::Input& in, Buffer<float>& c) {
  multiply_rows(in, {0, in.n}, memory, c);
}

#if HEADROOM_HAVE_OPENMP
// Rows of C are independent: the naive loop on every core.
void openmp(const Setting& setting, const ParallelMatmul::Input& in, Buffer<float>& c) {
  const auto n = static_cast<std::ptrdiff_t>(in.n);
#pragma omp parallel for num_threads(setting.threads) schedule(static)
  for (std::ptrdiff_t i = 0; i < n; ++i) row_of_c(in, static_cast<std::size_t>(i), c);
}

// Memory for each thread of a region.
struct EachPacked {
  EachPacked(const ParallelMatmul::Input& in, const Setting& setting) : threads(setting.threads) {
    for (int part = 0; part < threads; ++part)
      of.emplace_back(rows_of(in.n, part, threads).size(), in.n);
  }
  int threads;
  std::vector<Packed> of;
};
// Each thread makes its rows as one thread makes all; and so packs all of B, too.
void each_for_itself(EachPacked& memory, const ParallelMatmul::Input& in, Buffer<float>& c) {
  const auto parts = static_cast<std::ptrdiff_t>(memory.threads);
#pragma omp parallel for num_threads(memory.threads) schedule(static, 1)
  for (std::ptrdiff_t part = 0; part < parts; ++part)
    multiply_rows(in, rows_of(in.n, static_cast<int>(part), memory.threads),
                  memory.of[static_cast<std::size_t>(part)], c);
}

void meet_at_barrier() {
#pragma omp barrier
}

// A's parts for each thread, and B's for all of them.
struct SharedPacked {
  SharedPacked(const ParallelMatmul::Input& in, const Setting& setting)
      : threads(setting.threads),
        room((packed_b_items<float>(in.n) + 15) / 16 * 16),
        b(2 * room),
        each(in, setting) {
    for (int part = 0; part < threads; ++part)
      a.emplace_back(packed_a_items<float>(rows_of(in.n, part, threads).size(), in.n));
  }
  int threads;
  std::size_t room;
  std::vector<Buffer<float>> a;
  Buffer<float> b;
  EachPacked each;  // for matrices that are not worth packing
};
// All pack a strip of B together and meet; then each multiplies its rows by it. Where L2 holds the
// matrices nothing is packed, and nobody needs to wait.
void packed_together(SharedPacked& memory, const ParallelMatmul::Input& in, Buffer<float>& c) {
  if (in.n <= most_in_l2<float>()) return each_for_itself(memory.each, in, c);
#pragma omp parallel num_threads(memory.threads)
  {
    const int member = omp_get_thread_num(), members = omp_get_num_threads();
    const Share rows = rows_of(in.n, member, members);
    const Job<float> job{in.a.data() + rows.begin * in.n,
                         in.b.data(),
                         c.data() + rows.begin * in.n,
                         rows.size(),
                         in.n,
                         memory.a[static_cast<std::size_t>(member)].data(),
                         memory.b.data(),
                         strip_columns<float>()};
    HWY_DYNAMIC_DISPATCH(MatmulTogether)(job, {member, members, memory.room, meet_at_barrier});
  }
}

void openblas(const Setting& setting, const ParallelMatmul::Input& in, Buffer<float>& c) {
  constexpr int kRowMajor = 101, kNoTranspose = 111;  // of cblas.h
  const int n = static_cast<int>(in.n);
  if (n == 0) return;
  openblas_threads().set_threads(setting.threads);
  openblas_threads().sgemm(kRowMajor, kNoTranspose, kNoTranspose, n, n, n, 1, in.a.data(), n,
                           in.b.data(), n, 0, c.data(), n);
}
constexpr auto kOpenMpRows = run<openmp>;
constexpr auto kEach = run<each_for_itself>;
constexpr auto kTogether = run<packed_together>;
constexpr auto kOpenBlas = run<openblas>;
#else
constexpr auto kOpenMpRows = kNotBuilt, kEach = kNotBuilt, kTogether = kNotBuilt,
               kOpenBlas = kNotBuilt;
#endif

#if HEADROOM_HAVE_TBB
struct TbbPacked : TbbArena {
  TbbPacked(const ParallelMatmul::Input& in, const Setting& setting) : TbbArena(in, setting) {
    for (int part = 0; part < threads(); ++part)
      of.emplace_back(rows_of(in.n, part, threads()).size(), in.n);
  }
  std::vector<Packed> of;
};
void tbb_for(TbbPacked& memory, const ParallelMatmul::Input& in, Buffer<float>& c) {
  const int parts = memory.threads();
  memory.run([&] {
    tbb::parallel_for(
        tbb::blocked_range<int>(0, parts, 1),
        [&](const tbb::blocked_range<int>& some) {
          for (int part = some.begin(); part < some.end(); ++part)
            multiply_rows(in, rows_of(in.n, part, parts), memory.of[static_cast<std::size_t>(part)],
                          c);
        },
        tbb::simple_partitioner());
  });
}
constexpr auto kTbbFor = run<tbb_for>;
#else
constexpr auto kTbbFor = kNotBuilt;
#endif

constexpr Need kNeedsTbb[] = {kTbb};
constexpr Need kNeedsOpenBlas[] = {kOpenMp, kOpenBlasThreads};

constexpr Variant<ParallelMatmul> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one thread, loops in the order i, k, j: all along rows, the compiler vectorizes",
     .single_thread = true},
    {.name = "simd",
     .run = run<simd>,
     .what = "one thread, tiles in registers, A and B packed: the best of one core",
     .single_thread = true},
    {.name = "openmp",
     .run = kOpenMpRows,
     .what = "parallel for over the rows: the naive loop on every core",
     .needs = kNeedsOpenMp},
    {.name = "each_for_itself",
     .run = kEach,
     .what = "rows a thread, as the best of one core does them; each packs all of B",
     .needs = kNeedsOpenMp},
    {.name = "packed_together",
     .run = kTogether,
     .what = "rows a thread; B is packed by all together, a strip at a time, then used by all",
     .needs = kNeedsOpenMp},
    {.name = "openblas",
     .run = kOpenBlas,
     .what = "cblas_sgemm on OpenMP's threads",
     .role = Role::kPeer,
     .needs = kNeedsOpenBlas},
    {.name = "tbb",
     .run = kTbbFor,
     .what = "tbb::parallel_for around each_for_itself",
     .role = Role::kPeer,
     .needs = kNeedsTbb},
};

const Registrar kRegistrar({.name = "parallel/matmul",
                            .axis = Axis::kCores,
                            .technique = "split the result, share what is packed",
                            .sizes = {64, 256, 512, 1024},
                            .headline = {256, 512},
                            .sweeps_threads = true,
                            .ceiling = {"machine/fma", "f32"},
                            .promise = Promise::kNone,  // on other inputs the order of sums shows
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  const auto threads = static_cast<std::size_t>(s.threads);
                                  return Demand{
                                      .items = n * n * n,
                                      .bytes = 12 * n * n,
                                      .flops = 2 * n * n * n,
                                      .working_set = 12 * s.n * s.n,
                                      .memory = 4 * ((2 + std::size(kVariants)) * s.n * s.n +
                                                     (3 * threads + 3) * 1024 * (s.n + 1024))};
                                },
                            .test_sizes = {0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 24, 31, 33, 47, 65,
                                           100, 129,
                                           std::max<std::size_t>(259, most_in_l2<float>() + 3)}},
                           kVariants);

}  // namespace
}  // namespace headroom
