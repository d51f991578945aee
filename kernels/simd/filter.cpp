// simd/filter: the numbers of an array that lie in a range, in their order (a database's
// selection).
//
// In: n random uint32; keep x if x - low < width (as unsigned numbers wrap, one comparison for both
// ends). `low` is another one in each call, so that what is kept is never the same twice and no
// branch is learnt: a call keeps about a half (random), a hundredth (few) or 99 of 100 (most). Out:
// the numbers kept, exact. There is room for one vector more than n, which variants may scribble
// on.
//
// The naive branch is mispredicted for every other number of `random`, at ten cycles or more each.
// After Polychroniou, Raghavan and Ross, "Rethinking SIMD Vectorization for In-Memory Databases"
// (2015: selective stores), and Lemire, "Quickly pruning elements in SIMD vectors using the
// simdjson library" (2022: permutations from a table).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/filter.cpp"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX2
// For each set of the eight lanes: those in it, packed to the front. 2 KiB; Highway 1.0.3 has the
// same inside a function, from where GCC 12 copies it to the stack for each call.
struct FilterTable {
  uint8_t lane[256][8];
};
constexpr FilterTable kFilterTable = [] {
  FilterTable table{};
  for (unsigned set = 0; set < 256; ++set)
    for (uint8_t lane = 0, to = 0; lane < 8; ++lane)
      if (set >> lane & 1) table.lane[set][to++] = lane;
  return table;
}();
#endif

#if HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_SSE4
// The same for four lanes, by bytes; and how many they are, for not all of these processors count
// bits.
struct alignas(16) FilterTable {
  uint8_t byte[16][16];
  uint8_t count[16];
};
constexpr FilterTable kFilterTable = [] {
  FilterTable table{};
  for (unsigned set = 0; set < 16; ++set)
    for (unsigned lane = 0; lane < 4; ++lane) {
      if ((set >> lane & 1) == 0) continue;
      for (unsigned byte = 0; byte < 4; ++byte)
        table.byte[set][4 * table.count[set] + byte] = static_cast<uint8_t>(4 * lane + byte);
      ++table.count[set];
    }
  return table;
}();
#endif

// Stores the lanes of v in `set` side by side, in a whole vector; returns how many. In two steps,
// compress to a register and then store: compressing into memory takes Zen 4 142 cycles.
template <class D>
HWY_INLINE size_t Keep(D d, hn::Vec<D> v, hn::Mask<D> set, uint32_t* to) {
#if HWY_TARGET == HWY_AVX2
  uint8_t bits = 0;
  hn::StoreMaskBits(d, set, &bits);
  const hn::Rebind<uint8_t, D> d8;
  const auto lanes = hn::PromoteTo(d, hn::LoadU(d8, kFilterTable.lane[bits]));
  hn::StoreU(hn::TableLookupLanes(v, hn::IndicesFromVec(d, lanes)), d, to);
  return hwy::PopCount(bits);
#elif HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_SSE4
  uint8_t bits = 0;
  hn::StoreMaskBits(d, set, &bits);
  const hn::Repartition<uint8_t, D> d8;
  const auto bytes = hn::Load(d8, kFilterTable.byte[bits]);
  hn::StoreU(hn::BitCast(d, hn::TableLookupBytes(hn::BitCast(d8, v), bytes)), d, to);
  return kFilterTable.count[bits];
#else
  hn::StoreU(hn::Compress(v, set), d, to);
  return hn::CountTrue(d, set);
#endif
}

size_t FilterRange(const uint32_t* HWY_RESTRICT x, size_t n, uint32_t low, uint32_t width,
                   uint32_t* HWY_RESTRICT to) {
  const hn::ScalableTag<uint32_t> d;
  const size_t lanes = hn::Lanes(d);
  const auto low_v = hn::Set(d, low);
  const auto width_v = hn::Set(d, width);
  const auto in_range = [&](auto v) HWY_ATTR { return hn::Lt(hn::Sub(v, low_v), width_v); };
  uint32_t* const start = to;
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    const auto v0 = hn::LoadU(d, x + i), v1 = hn::LoadU(d, x + i + lanes),
               v2 = hn::LoadU(d, x + i + 2 * lanes), v3 = hn::LoadU(d, x + i + 3 * lanes);
    to += Keep(d, v0, in_range(v0), to);
    to += Keep(d, v1, in_range(v1), to);
    to += Keep(d, v2, in_range(v2), to);
    to += Keep(d, v3, in_range(v3), to);
  }
  for (; i + lanes <= n; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
    to += Keep(d, v, in_range(v), to);
  }
  for (; i < n; ++i) {
    *to = x[i];
    to += x[i] - low < width;
  }
  return static_cast<size_t>(to - start);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <span>

#include "core/kernel.h"

namespace headroom {
namespace {

HWY_EXPORT(FilterRange);

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
  static void size(const Input& in, Output& out) {
    out.kept = Buffer<std::uint32_t>(in.x.size() + Output::kRoom);
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    if (absl::Status status = exact(want.count, got.count); !status.ok()) return status;
    return exact(std::span(want.kept.data(), want.count), std::span(got.kept.data(), got.count));
  }
};

// (low and width are copied first: a number stored might be one of them, for all the compiler
// knows.)
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

// The same for a vector at a time: its lanes are packed by one instruction (AVX-512) or by a
// permutation from a table, stored whole, and the place moves on by their number.
void compress(const Filter::Call& in, Filter::Output& out) {
  out.count = HWY_DYNAMIC_DISPATCH(FilterRange)(in.x.data(), in.x.size(), in.low, in.width,
                                                out.kept.data());
}

constexpr Variant<Filter> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "a branch for each number"},
    {.name = "branchless",
     .run = run<branchless>,
     .what = "every number is stored, the place moves on behind those kept: nothing to predict"},
    {.name = "compress",
     .run = run<compress>,
     .what = "widest SIMD: lanes packed in a register, stored whole, the place moves on by count"},
    {.name = "std_copy_if",
     .run = run<std_copy_if>,
     .what = "std::copy_if of the standard library: the naive loop",
     .role = Role::kPeer},
};

const Registrar kRegistrar(
    {.name = "simd/filter",
     .axis = Axis::kSimd,
     .technique = "replace a branch on data by arithmetic on the place to write",
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
#endif  // HWY_ONCE
