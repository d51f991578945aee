// simd/filter: the numbers of an array that lie in a range, in their order (a database's
// selection).
//
// In: n random uint32; x is kept if x - low < width (unsigned numbers wrap, so one comparison does
// for both ends). `low` differs from call to call, so that branch prediction can't learn what is
// kept: about a half (random), a hundredth (few) or 99 of 100 (most). Out: the numbers kept, exact.
// There is room for one vector more than n, which variants may overwrite.
//
// The naive branch is mispredicted for every other number of `random`, at ten cycles or more each.
// After Polychroniou, Raghavan and Ross, "Rethinking SIMD Vectorization for In-Memory Databases"
// (2015: selective stores), and Lemire, "Quickly pruning elements in SIMD vectors using the
// simdjson library" (2022: permutations from a table).
#include <algorithm>
#include <span>

#include "core/kernel.h"
#include "support/bytes.h"

namespace headroom {
namespace {

struct Filter {
  static constexpr auto kInputs = inputs("random", "few", "most");
  struct Call {
    std::span<const std::uint32_t> x;
    std::uint32_t low = 0, width = 0;
  };
  struct Input {
    Buffer<std::uint32_t> x;
    std::uint32_t low = 0, width = 0;
    Call at(std::size_t turn) const {
      // The golden ratio: ranges of calls in a row overlap as little as can be.
      return {{x.data(), x.size()}, low + static_cast<std::uint32_t>(turn) * 0x9e3779b9u, width};
    }
  };
  // The numbers kept come first; what follows is of no meaning.
  struct Output {
    static constexpr std::size_t kRoom = 64;  // a vector of SVE at its longest
    Buffer<std::uint32_t> kept;
    std::size_t count = 0;
    void poison() {
      headroom::poison(kept);
      count = ~std::size_t{0};
    }
    bool spoil(Spoil how) { return spoil_counted(how, kept.data(), count); }
  };
  static double share_kept(InputName input) {
    return input == kInputs["few"] ? 0.01 : input == kInputs["most"] ? 0.99 : 0.5;
  }

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<std::uint32_t>(setting.n), static_cast<std::uint32_t>(rng()),
             static_cast<std::uint32_t>(share_kept(setting.input) * 0x1p32)};
    FastRng fast(rng());
    for (std::uint32_t& x : in.x) x = static_cast<std::uint32_t>(fast() >> 32);
    return in;
  }
  // Where the range begins, how wide it is, and the numbers.
  static Input from(std::span<const std::uint8_t> bytes) {
    const Buffer<std::uint32_t> range = elements_of<std::uint32_t>(bytes, 2);
    if (range.size() < 2) return {};
    return {elements_of<std::uint32_t>(bytes.subspan(8)), range[0], range[1]};
  }
  static void size(const Input& in, Output& out) {
    out.kept = Buffer<std::uint32_t>(in.x.size() + Output::kRoom);
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    if (absl::Status status = exact(want.count, got.count); !status.ok()) return status;
    return exact(std::span(want.kept.data(), want.count), std::span(got.kept.data(), got.count));
  }
};

// A branch for each number. (low and width are copied first: for all that the compiler knows, a
// store might change them.)
void naive(const Filter::Call& call, Filter::Output& out) {
  const auto [x, low, width] = call;
  std::size_t count = 0;
  for (std::uint32_t value : x)
    if (value - low < width) out.kept[count++] = value;
  out.count = count;
}

// Every number is stored, and the place moves on only behind those that are kept: nothing to
// predict, at the price of a store for each number.
void branchless(const Filter::Call& call, Filter::Output& out) {
  const auto [x, low, width] = call;
  std::uint32_t* const kept = out.kept.data();
  std::size_t count = 0;
  for (std::uint32_t value : x) {
    kept[count] = value;
    count += value - low < width;
  }
  out.count = count;
}

void std_copy_if(const Filter::Call& in, Filter::Output& out) {
  const auto end = std::copy_if(
      in.x.begin(), in.x.end(), out.kept.begin(),
      [low = in.low, width = in.width](std::uint32_t value) { return value - low < width; });
  out.count = static_cast<std::size_t>(end - out.kept.begin());
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/filter-inl.h"
#include "simd/filter-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(FilterRange);

// Like branchless, a vector at a time: its lanes are packed by one instruction (AVX-512) or by a
// permutation from a table, stored whole, and the place moves on by the number kept.
void compress(const Filter::Call& in, Filter::Output& out) {
  out.count = HWY_DYNAMIC_DISPATCH(FilterRange)(in.x.data(), in.x.size(), in.low, in.width,
                                                out.kept.data());
}

constexpr Variant<Filter> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "a branch for each number"},
    {.name = "branchless",
     .run = run<branchless>,
     .what = "every number is stored, the position advances past those kept: nothing to predict"},
    {.name = "compress",
     .run = run<compress>,
     .what =
         "widest SIMD: lanes packed in a register, stored whole, the position advances by count"},
    {.name = "std_copy_if",
     .run = run<std_copy_if>,
     .what = "std::copy_if of the standard library: the naive loop",
     .role = Role::kPeer},
};

const Registrar kRegistrar(
    {.name = "simd/filter",
     .axis = Axis::kSimd,
     .technique = "replace a branch on data by arithmetic on the position to write to",
     .sizes = {4096, 64 << 10, 384 << 10, 8 << 20, 32 << 20},
     .headline = {4096, 384 << 10},
     .ceiling = {"machine/copy"},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           return Demand{
               .items = n,
               .bytes = 4 * n * (1 + Filter::share_kept(s.input)),
               .working_set = 8 * s.n,
               .memory = 4 * (s.n + std::size(kVariants) * (s.n + Filter::Output::kRoom))};
         }},
    kVariants);

}  // namespace
}  // namespace headroom
