// algorithm/set_intersection: the numbers that two sets have in common.
//
// In: two arrays of distinct 32-bit numbers, each ascending; the larger one has n. Out: the numbers
// in both, ascending. Exact. Calls rotate through 2^18 numbers or more.
//
// Inputs: postings has numbers in runs of 1 to 64 with gaps of up to 1000 between them, as rows
// of a table have that was sorted by another column, and as the sets have that Lemire and others
// measure CRoaring with ("Consistently faster and smaller compressed bitmaps with Roaring", 2016);
// one set is a quarter of the other, and shares half its runs with it, shifted. Where numbers are
// independent of one another: ratio_1 has two sets of about n numbers with half of each in the
// other one, every sixth number in one of them; ratio_1000 the same but for one set a thousandth of
// the other's size; sparse is ratio_1 with every 256th number in one of them.
//
// To be learned: going through both sets together takes one step per number, and which set is next
// is mispredicted every other time. Cures: no branch (merge), many numbers per branch
// (simd_blocks), not looking at most of the larger set (galloping), another representation
// (bitmap).
//
// Links: roaring
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/kernel.h"
#include "core/opaque.h"
#include "support/slices.h"
#if HEADROOM_HAVE_ROARING
#include <roaring/roaring.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace headroom {
namespace {

constexpr std::size_t kPool = std::size_t{1} << 18;
constexpr std::size_t kRoom = 16;  // what stores of whole vectors may write beyond the answer

struct SetIntersection {
  static constexpr auto kInputs =
      inputs("postings", "ratio_1", "ratio_1000", "sparse").for_tests("regular");
  static std::size_t ratio(InputName input) { return input == kInputs["ratio_1000"] ? 1000 : 1; }
  using Set = std::span<const std::uint32_t>;
  struct Call {
    Set small, large;
    std::size_t slice;
  };
  struct Input {
    Buffer<std::uint32_t> numbers;
    std::vector<std::size_t> starts;  // of slice k: small from 2k on, large from 2k + 1 on
    Slices slices;                    // of n numbers or fewer: only their count matters
    Set set(std::size_t i) const { return {numbers.data() + starts[i], starts[i + 1] - starts[i]}; }
    Call at(std::size_t turn) const {
      const std::size_t k = slices.slice(turn);
      return {set(2 * k), set(2 * k + 1), k};
    }
  };
  struct Output {
    Buffer<std::uint32_t> common;
    std::size_t count = 0;
    void poison() { headroom::poison(common), count = ~std::size_t{0}; }
    bool spoil(Spoil how) { return spoil_counted(how, common.data(), count); }
    Set answer() const { return {common.data(), std::min(count, common.size())}; }
  };

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t n = setting.n;
    Input in;
    in.slices = Slices::covering(kPool, n, 64);
    FastRng fast(rng());
    std::vector<std::uint32_t> all, small, large;
    in.starts = {0};
    for (std::size_t k = 0; k < in.slices.count(); ++k) {
      small.clear(), large.clear();
      if (setting.input == kInputs["regular"]) {  // all numbers, and every (k + 1)th of them
        for (std::uint32_t i = 0; i < n; ++i) large.push_back(i);
        for (std::uint32_t i = 0; i < n; i += static_cast<std::uint32_t>(k + 1)) small.push_back(i);
        append(in, all, small), append(in, all, large);
        continue;
      }
      if (setting.input == kInputs["postings"]) {
        make_postings(n, fast, small, large);
        append(in, all, small), append(in, all, large);
        continue;
      }
      const std::uint64_t gap = setting.input == kInputs["sparse"] ? 512 : 8;
      std::uint64_t x = 0;
      while (large.size() < n) {
        const std::uint64_t random = fast();
        x += 1 + (((random & 0xffffffff) * gap) >> 32);
        const std::uint64_t kind = (random >> 32) % (ratio(setting.input) == 1 ? 3 : 2000);
        if (kind <= 1) small.push_back(static_cast<std::uint32_t>(x));
        if (kind != 1) large.push_back(static_cast<std::uint32_t>(x));
      }
      append(in, all, small), append(in, all, large);
    }
    in.numbers = Buffer<std::uint32_t>(all.size());
    std::copy(all.begin(), all.end(), in.numbers.begin());
    return in;
  }
  static void size(const Input& in, Output& out) {
    std::size_t most = 0;
    for (std::size_t k = 0; k < in.slices.count(); ++k)
      most = std::max(most, std::min(in.set(2 * k).size(), in.set(2 * k + 1).size()));
    out.common = Buffer<std::uint32_t>(most + kRoom);
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want.answer(), got.answer());
  }

 private:
  // The larger set has each run, the smaller one every eighth of them from somewhere within it on,
  // and as many runs of its own.
  static void make_postings(std::size_t n, FastRng& rng, std::vector<std::uint32_t>& small,
                            std::vector<std::uint32_t>& large) {
    std::uint32_t x = 0, small_next = 0;
    while (large.size() < n) {
      const std::uint64_t bits = rng();
      const std::uint32_t length = 1 + (static_cast<std::uint32_t>(bits >> 40) & 63);
      const std::uint64_t kind = bits & 7;
      if (kind != 1)
        for (std::uint32_t i = 0; i < length && large.size() < n; ++i) large.push_back(x + i);
      if (kind <= 1) {
        small_next = std::max(small_next, x + (kind == 0 ? length / 2 : 0));
        for (std::uint32_t i = 0; i < length; ++i) small.push_back(small_next++);
      }
      x += length + 1 +
           static_cast<std::uint32_t>(((bits >> 16) & 0xffff) >> (6 + (bits >> 32) % 7));
    }
  }
  static void append(Input& in, std::vector<std::uint32_t>& all,
                     const std::vector<std::uint32_t>& set) {
    all.insert(all.end(), set.begin(), set.end());
    in.starts.push_back(all.size());
  }
};
using Call = SetIntersection::Call;
using Input = SetIntersection::Input;
using Output = SetIntersection::Output;

void naive(const Call& in, Output& out) {
  std::uint32_t* to = out.common.data();
  for (const std::uint32_t x : in.small)
    if (std::find(in.large.begin(), in.large.end(), x) != in.large.end()) *to++ = x;
  out.count = static_cast<std::size_t>(to - out.common.data());
}

void std_set_intersection(const Call& in, Output& out) {
  out.count = static_cast<std::size_t>(std::set_intersection(in.small.begin(), in.small.end(),
                                                             in.large.begin(), in.large.end(),
                                                             out.common.data()) -
                                       out.common.data());
}

// Appends the numbers of [a, a_end) that are in [b, b_end) without a branch on data: both numbers
// are compared, and either or both places move on. Returns the end.
std::uint32_t* branchless_merge(const std::uint32_t* a, const std::uint32_t* a_end,
                                const std::uint32_t* b, const std::uint32_t* b_end,
                                std::uint32_t* out) {
  while (a != a_end && b != b_end) {
    const std::uint32_t x = *a, y = *b;
    *out = x;
    out += opaque(std::size_t{x == y});  // or the compiler makes branches of them
    a += opaque(std::size_t{x <= y});
    b += opaque(std::size_t{y <= x});
  }
  return out;
}

// Nothing to predict, but no gain: each step waits for the places that the last one found, where a
// predicted branch would not have.
void branchless(const Call& in, Output& out) {
  out.count = static_cast<std::size_t>(
      branchless_merge(in.small.data(), in.small.data() + in.small.size(), in.large.data(),
                       in.large.data() + in.large.size(), out.common.data()) -
      out.common.data());
}

// Several stretches of both sets, to be gone through side by side.
constexpr std::size_t kStreams = 4;
struct Stream {
  const std::uint32_t *a, *a_end, *b, *b_end;
  std::uint32_t* begin;
  std::uint32_t* out;
};

// Cuts both sets into stretches of the same numbers. Each writes to a place of its own: it has no
// more answers than numbers of `small`.
void split(const Call& in, Output& out, Stream (&streams)[kStreams]) {
  const std::uint32_t* a = in.small.data();
  const std::uint32_t* b = in.large.data();
  const std::uint32_t* const a_end = a + in.small.size();
  const std::uint32_t* const b_end = b + in.large.size();
  for (std::size_t s = 0; s < kStreams; ++s) {
    streams[s].a = a, streams[s].b = b;
    streams[s].begin = streams[s].out = out.common.data() + (a - in.small.data());
    a = in.small.data() + in.small.size() * (s + 1) / kStreams;
    b = a == a_end ? b_end : std::lower_bound(b, b_end, *a);
    streams[s].a_end = a, streams[s].b_end = b;
  }
}

// Finishes each stretch, and moves the answers together.
void join(Stream (&streams)[kStreams], Output& out) {
  std::uint32_t* to = out.common.data();
  for (Stream& s : streams)
    to = std::copy(s.begin, branchless_merge(s.a, s.a_end, s.b, s.b_end, s.out), to);
  out.count = static_cast<std::size_t>(to - out.common.data());
}

// branchless twice, side by side in one loop, so that each fills the other's waits (more would
// not fit the registers).
void merge(const Call& in, Output& out) {
  Stream streams[kStreams];
  split(in, out, streams);
  for (std::size_t k = 0; k < kStreams; k += 2) {
    Stream s = streams[k], t = streams[k + 1];
    const auto rest = [](const Stream& x) { return std::min(x.a_end - x.a, x.b_end - x.b); };
    std::ptrdiff_t steps;  // in which neither can end
    while ((steps = std::min(rest(s), rest(t))) > 0) {
      for (; steps > 0; --steps) {
        const std::uint32_t x = *s.a, y = *s.b, z = *t.a, w = *t.b;
        *s.out = x, *t.out = z;
        s.out += opaque(std::size_t{x == y}), t.out += opaque(std::size_t{z == w});
        s.a += opaque(std::size_t{x <= y}), t.a += opaque(std::size_t{z <= w});
        s.b += opaque(std::size_t{y <= x}), t.b += opaque(std::size_t{w <= z});
      }
    }
    streams[k] = s, streams[k + 1] = t;
  }
  join(streams, out);
}

// Doubles its steps from the last place until it is past the number, then halves them: a logarithm
// of the distance for each number of the small set (Bentley and Yao, "An almost optimal algorithm
// for unbounded searching", 1976). Loses where the sets are alike: several steps for each number.
void galloping(const Call& in, Output& out) {
  const std::uint32_t* from = in.large.data();
  const std::uint32_t* const end = from + in.large.size();
  std::size_t count = 0;
  for (const std::uint32_t x : in.small) {
    std::size_t step = 1;
    while (step < static_cast<std::size_t>(end - from) && from[step] < x) step *= 2;
    from = std::lower_bound(from + step / 2, from + std::min<std::size_t>(step + 1, end - from), x);
    if (from == end) break;
    out.common[count] = x;
    count += *from == x;
  }
  out.count = count;
}

// The larger set as bits, the smaller one as it is: a load and a shift for each of its numbers,
// independent of one another, however many the larger one has.
struct LargeBits {
  explicit LargeBits(const Input& in) {
    for (std::size_t k = 0; k < in.slices.count(); ++k) {
      const SetIntersection::Set small = in.set(2 * k), large = in.set(2 * k + 1);
      const std::uint32_t last =
          std::max(small.empty() ? 0 : small.back(), large.empty() ? 0 : large.back());
      words.emplace_back(last / 64 + 1);
      for (const std::uint32_t x : large) words.back()[x / 64] |= std::uint64_t{1} << x % 64;
    }
  }
  std::vector<Buffer<std::uint64_t>> words;
};

void bit_probe(const LargeBits& large, const Call& in, Output& out) {
  const std::uint64_t* const bits = large.words[in.slice].data();
  std::uint32_t* const common = out.common.data();
  std::size_t count = 0;
  for (const std::uint32_t x : in.small) {
    common[count] = x;
    count += bits[x / 64] >> x % 64 & 1;
  }
  out.count = count;
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/set_intersection-inl.h"
#include "algorithm/set_intersection-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(IntersectBlocks);
HWY_EXPORT(IntersectSmall);
HWY_EXPORT(IntersectBits);

void galloping_batched(const Call& in, Output& out) {
  out.count = HWY_DYNAMIC_DISPATCH(IntersectSmall)(
      in.small.data(), in.small.size(), in.large.data(), in.large.size(), out.common.data());
}

void simd_blocks(const Call& in, Output& out) {
  out.count = HWY_DYNAMIC_DISPATCH(IntersectBlocks)(
      in.small.data(), in.small.size(), in.large.data(), in.large.size(), out.common.data());
}

#if defined(__x86_64__) && defined(__GNUC__)
// One instruction compares sixteen numbers with sixteen others (x86 only: no other instruction set
// has it; `simd_blocks` is its portable sibling).
__attribute__((target("avx512f,avx512vl,avx512vp2intersect,bmi2,popcnt"))) void vp2intersect(
    const Call& in, Output& out) {
  Stream streams[kStreams];
  split(in, out, streams);
  const auto whole = [](const Stream& s) { return s.a_end - s.a >= 16 && s.b_end - s.b >= 16; };
  const auto step = [](Stream & s)
      __attribute__((always_inline, target("avx512f,avx512vl,avx512vp2intersect,bmi2,popcnt"))) {
    const __m512i x = _mm512_loadu_si512(s.a), y = _mm512_loadu_si512(s.b);
    __mmask16 in_b, in_a;
    _mm512_2intersect_epi32(x, y, &in_b, &in_a);
    const std::uint32_t x_max = s.a[15], y_max = s.b[15];
    _mm512_mask_storeu_epi32(s.out, 0xffff >> (16 - __builtin_popcount(in_b)),
                             _mm512_maskz_compress_epi32(in_b, x));
    s.out += __builtin_popcount(in_b);
    s.a += x_max <= y_max ? 16 : 0;
    s.b += y_max <= x_max ? 16 : 0;
  };
  while (whole(streams[0]) && whole(streams[1]) && whole(streams[2]) && whole(streams[3])) {
    step(streams[0]), step(streams[1]), step(streams[2]), step(streams[3]);
  }
  for (Stream& s : streams)
    while (whole(s)) step(s);
  join(streams, out);
}
constexpr auto kVp2intersect = run<vp2intersect>;

// GCC 12's __builtin_cpu_supports does not know the feature by name: CPUID 7.0, EDX bit 8; and the
// system must save the registers.
bool has_vp2intersect() {
  unsigned eax = 7, ebx = 0, ecx = 0, edx = 0;
  __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  return __builtin_cpu_supports("avx512vl") && (edx >> 8 & 1) != 0;
}
#else
constexpr auto kVp2intersect = kNotBuilt;
bool has_vp2intersect() { return false; }
#endif

// Both sets as bits, made beforehand: the intersection is an AND, whatever the sets' order, and its
// ones are turned into numbers. Costs a bit for each number that could be in a set.
struct Bitmaps {
  explicit Bitmaps(const Input& in) {
    for (std::size_t i = 0; i < 2 * in.slices.count(); ++i) {
      const SetIntersection::Set set = in.set(i);
      words.emplace_back(set.empty() ? 0 : set.back() / 64 + 1);
      for (const std::uint32_t x : set) words.back()[x / 64] |= std::uint64_t{1} << x % 64;
    }
  }
  std::vector<Buffer<std::uint64_t>> words;
};

void bitmap(const Bitmaps& sets, const Call& in, Output& out) {
  const Buffer<std::uint64_t>& a = sets.words[2 * in.slice];
  const Buffer<std::uint64_t>& b = sets.words[2 * in.slice + 1];
  out.count = HWY_DYNAMIC_DISPATCH(IntersectBits)(a.data(), b.data(), std::min(a.size(), b.size()),
                                                  0, out.common.data());
}

#if HEADROOM_HAVE_ROARING
struct RoaringSets {
  explicit RoaringSets(const Input& in) {
    for (std::size_t i = 0; i < 2 * in.slices.count(); ++i) {
      sets.push_back(roaring_bitmap_of_ptr(in.set(i).size(), in.set(i).data()));
      roaring_bitmap_run_optimize(sets.back());
    }
  }
  RoaringSets(const RoaringSets&) = delete;
  RoaringSets& operator=(const RoaringSets&) = delete;
  ~RoaringSets() {
    for (roaring_bitmap_t* set : sets) roaring_bitmap_free(set);
  }
  std::vector<roaring_bitmap_t*> sets;
};

void roaring(const RoaringSets& sets, const Call& in, Output& out) {
  roaring_bitmap_t* const common =
      roaring_bitmap_and(sets.sets[2 * in.slice], sets.sets[2 * in.slice + 1]);
  out.count = roaring_bitmap_get_cardinality(common);
  roaring_bitmap_to_uint32_array(common, out.common.data());
  roaring_bitmap_free(common);
}
constexpr auto kRoaringRun = run<roaring>;
#else
constexpr auto kRoaringRun = kNotBuilt;
#endif

constexpr Need kNeedsRoaring[] = {kRoaring};
constexpr Need kNeedsVp2intersect[] = {
    {"vp2intersect", has_vp2intersect, "an x86 processor with AVX-512 VP2INTERSECT (Zen 5)"}};

constexpr Variant<SetIntersection> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "looks for each number of one set from the start of the other",
     .max_n = 4096},
    {.name = "std_set_intersection",
     .run = run<std_set_intersection>,
     .what = "std::set_intersection: one pass through both, every other branch mispredicted"},
    {.name = "branchless",
     .run = run<branchless>,
     .what = "the same pass without a branch on data: each step waits for the one before it"},
    {.name = "merge",
     .run = run<merge>,
     .what = "branchless in two stretches side by side: each fills the other's waits"},
    {.name = "galloping",
     .run = run<galloping>,
     .what = "doubling steps through the larger set: pays where the other one is much smaller"},
    {.name = "galloping_batched",
     .run = run<galloping_batched>,
     .what = "16 searches in lockstep, without a branch on data; a vector compares what is left"},
    {.name = "simd_blocks",
     .run = run<simd_blocks>,
     .what = "blocks of both sets, each number of one compared with all of the other, in vectors"},
    {.name = "vp2intersect",
     .run = kVp2intersect,
     .what = "16 numbers against 16 in one AVX-512 instruction, whose latency four stretches hide",
     .needs = kNeedsVp2intersect},
    {.name = "bitmap",
     .run = run<bitmap>,
     .what = "sets kept as bits: an AND of words, then the positions of ones where there are any"},
    {.name = "bit_probe",
     .run = run<bit_probe>,
     .what = "the larger set kept as bits: one load for each number of the smaller"},
    {.name = "roaring",
     .run = kRoaringRun,
     .what = "CRoaring: sets kept as arrays, bits or runs for each 2^16; AND, then to an array",
     .role = Role::kPeer,
     .needs = kNeedsRoaring},
};

const Registrar kRegistrar(
    {.name = "algorithm/set_intersection",
     .axis = Axis::kScalar,
     .technique = "many comparisons per branch, or no branch; skip what can't match",
     .sizes = {4096, 65536, 1 << 20, 8 << 20},
     .headline = {65536, 1 << 20},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           const bool postings = s.input == SetIntersection::kInputs["postings"];
           const bool even = SetIntersection::ratio(s.input) == 1;
           return Demand{
               .items = postings ? 1.25 * n
                        : even   ? 2 * n
                                 : n,
               .working_set = (even ? 8 : 4) * std::max(s.n, kPool),
               .memory = 48 * std::max(s.n, kPool) + 40 * s.n +
                         (s.input == SetIntersection::kInputs["sparse"] ? 104 * std::max(s.n, kPool)
                                                                        : 0)};
         }},
    kVariants);

}  // namespace
}  // namespace headroom
