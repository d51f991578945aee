// layout/pages: random reads of a table that lies in pages of 4 KiB, or of 2 MiB.
//
// n bytes of 64-bit numbers; 8192 reads a call at random places, 2^20 of them in rotation. Out:
// every number read, in order. The reads are independent, so that misses overlap, and so do the
// walks of the page table that find out where a page lies: a core has only a few walkers, and in a
// virtual machine each walk goes through two tables.
//
// The translations of pages of 4 KiB that a processor remembers cover a few MiB; those of 2 MiB
// cover gigabytes. Inputs: anywhere, where each read also waits for memory, behind which a walk may
// hide; line_a_page, one line in each page (as the headers of a database's pages are), where the
// data fit a cache and the translations do not.
#include <algorithm>

#include "core/kernel.h"
#include "support/pages.h"

namespace headroom {
namespace {

constexpr std::size_t kReads = 8192;
constexpr std::size_t kPool = std::size_t{1} << 20;

std::size_t words(std::size_t n) { return std::max<std::size_t>(1, n / 8); }

struct PagesProblem {
  static constexpr auto kInputs = inputs("anywhere", "line_a_page");
  using Call = std::span<const std::uint32_t>;  // places
  struct Input {
    std::size_t words = 0;
    std::uint64_t seed = 0;
    Buffer<std::uint32_t> places;
    std::uint64_t word(std::size_t i) const { return (seed + i) * 0x9e3779b97f4a7c15; }
    Call at(std::size_t turn) const {
      return {places.data() + turn % (places.size() / kReads) * kReads, kReads};
    }
  };
  struct Output {
    Buffer<std::uint64_t> numbers;
    double huge_share = -1;
    void poison() { headroom::poison(numbers); }
    bool spoil(Spoil how) { return headroom::spoil(numbers, how); }
    Quantities quantities() const {
      if (huge_share < 0) return {};
      return {{"huge_page_share", {huge_share, "ratio"}}};
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t count = words(setting.n);
    Input in{count, rng(), Buffer<std::uint32_t>(setting.n < 65536 ? 2 * kReads : kPool)};
    FastRng fast(rng());
    constexpr std::size_t kPageWords = kSmallPage / 8, kLineWords = kLine / 8;
    const bool everywhere = setting.input != kInputs["line_a_page"] || count < kPageWords;
    for (std::uint32_t& place : in.places) {
      std::uint64_t word = bounded(fast, count);
      // The page stays, and decides the line, another one in the next page: lines at one place in
      // all pages would compete for the same sets of the caches.
      if (const std::uint64_t page = word / kPageWords;
          !everywhere && (page + 1) * kPageWords <= count)
        word = page * kPageWords + page % 64 * kLineWords + word % kLineWords;
      place = static_cast<std::uint32_t>(word);
    }
    return in;
  }
  static void size(const Input&, Output& out) { out.numbers = Buffer<std::uint64_t>(kReads); }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want.numbers, got.numbers);
  }
};

template <PageSize kPages>
struct Table {
  explicit Table(const PagesProblem::Input& in) : memory(in.words * 8, kPages) {
    auto* const at = reinterpret_cast<std::uint64_t*>(memory.data());
    for (std::size_t i = 0; i < in.words; ++i) at[i] = in.word(i);
    huge_share = memory.huge_share();
  }
  Mapping memory;
  double huge_share = -1;
};

template <PageSize kPages>
void read_at_random(const Table<kPages>& table, const PagesProblem::Call& places,
                    PagesProblem::Output& out) {
  const auto* const from = reinterpret_cast<const std::uint64_t*>(table.memory.data());
  for (std::size_t i = 0; i < kReads; ++i) out.numbers[i] = from[places[i]];
  out.huge_share = table.huge_share;
}

constexpr Variant<PagesProblem> kVariants[] = {
    {.name = "naive",
     .run = run<read_at_random<PageSize::kSmall>>,
     .what = "4 KiB pages: beyond a few MiB nearly each read also needs a walk of the page table"},
    {.name = "huge",
     .run = run<read_at_random<PageSize::kHuge>>,
     .what = "madvise(MADV_HUGEPAGE): translations are at hand; behind independent misses, walkers "
             "hide most of the gain (see line_a_page)"},
};

const Registrar kRegistrar(
    {.name = "layout/pages",
     .axis = Axis::kMemoryLatency,
     .technique = "huge pages: fewer translations than the TLB holds",
     .sizes = {512 << 10, 3 << 20, 64 << 20, 256 << 20},
     .headline = {3 << 20, 64 << 20},
     .ceiling = {"machine/miss_throughput", "huge_pages"},
     .demand =
         [](const Setting& s) {
           const std::size_t bytes = words(s.n) * 8;
           return Demand{.items = static_cast<double>(kReads),
                         // The probe misses everywhere, so it bounds only what does so too.
                         .accesses = s.input == PagesProblem::kInputs["anywhere"]
                                         ? static_cast<double>(kReads)
                                         : 0,
                         .working_set = bytes,
                         .memory = 2 * (bytes + 2 * kHugePage) + 4 * kPool};
         },
     .test_sizes = {0, 8, 16, 4096, 4104, 20'000, 70'000}},
    kVariants);

}  // namespace
}  // namespace headroom
