// parallel/histogram: how often each byte value occurs in a text, with one thread and with several.
//
// Out: 256 counts, exact. Inputs: `random` bytes; `skewed`, where half of the bytes have one value
// and the others follow a Zipf distribution, so that threads that share a table meet at one
// counter.
//
// The first try to share the work shares the table too, and must then make each increment atomic:
// more than ten times the cost of a plain one on a single thread, and more again as soon as cores
// take the lines of the table from each other. A table for each thread costs 256 additions a thread
// in the end.
//
// Links: openmp tbb
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "core/kernel.h"
#include "support/openmp.h"
#include "support/tbb_arena.h"
#if HEADROOM_HAVE_TBB
#include <tbb/blocked_range.h>
#include <tbb/parallel_reduce.h>
#include <tbb/partitioner.h>
#endif

namespace headroom {
namespace {

struct ParallelHistogram {
  static constexpr auto kInputs = inputs("random", "skewed");
  using Input = Buffer<std::uint8_t>;
  using Output = Buffer<std::uint32_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input text(setting.n);
    FastRng fast(rng());
    const Zipf zipf(256, 1.2);
    for (std::uint8_t& byte : text) {
      const std::uint64_t bits = fast();
      byte = static_cast<std::uint8_t>(setting.input == kInputs["random"] ? bits >> 56
                                       : (bits >> 63) != 0                ? 32
                                                                          : zipf(fast));
    }
    return text;
  }
  static void size(const Input&, Output& out) { out = Output(256); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Counts = std::array<std::uint32_t, 256>;

void naive(const ParallelHistogram::Input& text, Buffer<std::uint32_t>& out) {
  std::fill(out.begin(), out.end(), 0u);
  for (std::uint8_t byte : text) ++out[byte];
}

// Adds what n bytes hold to `counts`. Eight bytes a load, and neighbours count in different tables,
// so that two of the same value need not wait for each other (simd/histogram).
void count_by_four(const std::uint8_t* text, std::size_t n, Counts& counts) {
  std::uint32_t tables[4][256] = {};
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, text + i, 8);
    for (std::size_t k = 0; k < 8; ++k) ++tables[k % 4][(word >> (8 * k)) & 255];
  }
  for (; i < n; ++i) ++tables[0][text[i]];
  for (std::size_t value = 0; value < 256; ++value)
    counts[value] += tables[0][value] + tables[1][value] + tables[2][value] + tables[3][value];
}

// One core used well.
void four_tables(const ParallelHistogram::Input& text, Buffer<std::uint32_t>& out) {
  Counts counts = {};
  count_by_four(text.data(), text.size(), counts);
  std::copy(counts.begin(), counts.end(), out.begin());
}

#if HEADROOM_HAVE_OPENMP
// One table for all, and each increment a locked instruction on a line that another core has.
void atomic(const Setting& setting, const ParallelHistogram::Input& in,
            Buffer<std::uint32_t>& out) {
  const std::uint8_t* const text = in.data();
  std::uint32_t* const counts = out.data();
  const auto n = static_cast<std::ptrdiff_t>(in.size());
  std::fill(out.begin(), out.end(), 0u);
#pragma omp parallel for num_threads(setting.threads) schedule(static)
  for (std::ptrdiff_t i = 0; i < n; ++i) {
#pragma omp atomic
    ++counts[text[i]];
  }
}

// The clause gives each thread a table of its own, on its stack, and adds them up.
void clause(const Setting& setting, const ParallelHistogram::Input& in,
            Buffer<std::uint32_t>& out) {
  const std::uint8_t* const text = in.data();
  const auto n = static_cast<std::ptrdiff_t>(in.size());
  std::uint32_t counts[256] = {};
#pragma omp parallel for num_threads(setting.threads) schedule(static) reduction(+ : counts[:256])
  for (std::ptrdiff_t i = 0; i < n; ++i) ++counts[text[i]];
  std::copy_n(counts, 256, out.begin());
}

// Four tables for each thread: what is best on one core, on all of them. Tables of different
// threads lie on different stacks, so no line is shared until they are added up.
void private_four(const Setting& setting, const ParallelHistogram::Input& in,
                  Buffer<std::uint32_t>& out) {
  std::fill(out.begin(), out.end(), 0u);
#pragma omp parallel num_threads(setting.threads)
  {
    const Share part = own_part(in.size());
    Counts counts = {};
    count_by_four(in.data() + part.begin, part.size(), counts);
#pragma omp critical(add_up_histogram)
    for (std::size_t value = 0; value < 256; ++value) out[value] += counts[value];
  }
}
constexpr auto kAtomic = run<atomic>;
constexpr auto kClause = run<clause>;
constexpr auto kPrivateFour = run<private_four>;
#else
constexpr auto kAtomic = kNotBuilt, kClause = kNotBuilt, kPrivateFour = kNotBuilt;
#endif

#if HEADROOM_HAVE_TBB
void tbb_reduce(TbbArena& arena, const ParallelHistogram::Input& in, Buffer<std::uint32_t>& out) {
  using Range = tbb::blocked_range<std::size_t>;
  const Counts total = arena.run([&] {
    return tbb::parallel_reduce(
        Range(0, in.size(), arena.grain(in.size())), Counts{},
        [&](const Range& part, Counts counts) {
          count_by_four(in.data() + part.begin(), part.size(), counts);
          return counts;
        },
        [](Counts a, const Counts& b) {
          for (std::size_t value = 0; value < a.size(); ++value) a[value] += b[value];
          return a;
        },
        tbb::simple_partitioner());
  });
  std::copy(total.begin(), total.end(), out.begin());
}
constexpr auto kTbbReduce = run<tbb_reduce>;
#else
constexpr auto kTbbReduce = kNotBuilt;
#endif

constexpr Need kNeedsTbb[] = {kTbb};

constexpr Variant<ParallelHistogram> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one thread, one table: a load, an add and a store a byte",
     .single_thread = true},
    {.name = "four_tables",
     .run = run<four_tables>,
     .what = "one thread, four tables by turns: the best of one core",
     .single_thread = true},
    {.name = "atomic",
     .run = kAtomic,
     .what = "parallel for, one table, atomic increments: slower than one thread, at any number",
     .max_n = 1 << 18,
     .needs = kNeedsOpenMp},
    {.name = "clause",
     .run = kClause,
     .what = "reduction clause over the table: a table a thread, added up at the end",
     .needs = kNeedsOpenMp},
    {.name = "private_four",
     .run = kPrivateFour,
     .what = "four tables a thread: the best of one core on all of them",
     .needs = kNeedsOpenMp},
    {.name = "tbb",
     .run = kTbbReduce,
     .what = "tbb::parallel_reduce of tables, four tables in each part",
     .role = Role::kPeer,
     .needs = kNeedsTbb},
};

const Registrar kRegistrar(
    {.name = "parallel/histogram",
     .axis = Axis::kCores,
     .technique = "private results, added up at the end, instead of a shared one",
     .sizes = {16 << 10, 256 << 10, 16 << 20, 64 << 20},
     .headline = {256 << 10, 16 << 20},
     .sweeps_threads = true,
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           return Demand{.items = n, .bytes = n, .working_set = s.n, .memory = s.n};
         }},
    kVariants);

}  // namespace
}  // namespace headroom
