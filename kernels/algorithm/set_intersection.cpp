// algorithm/set_intersection: the numbers that two sets have in common.
//
// In: two arrays of distinct 32-bit numbers, each ascending; the larger one has n. Out: the numbers
// in both, ascending. Exact. Calls rotate through 2^18 numbers or more.
//
// Inputs: ratio_1 has two sets of about n numbers with half of each in the other one, every sixth
// number in one of them; ratio_1000 the same but for one set a thousandth of the other's size;
// sparse is ratio_1 with every 256th number in one of them.
//
// Going through both sets together takes one step a number, and which set is next is guessed
// wrongly every other time. Where one set is small, most of the other need not be looked at.
//
// Links: roaring
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/set_intersection.cpp"
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/opaque.h"
#include "support/simd.h"

#ifndef HEADROOM_ALGORITHM_SET_INTERSECTION_ONCE_
#define HEADROOM_ALGORITHM_SET_INTERSECTION_ONCE_
namespace headroom {
namespace {

// Appends the numbers of [a, a_end) that are in [b, b_end) without a branch on data: both numbers
// are compared, and either or both places move on.
inline std::uint32_t* branchless_merge(const std::uint32_t* a, const std::uint32_t* a_end,
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

}  // namespace
}  // namespace headroom
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
using Tag = hn::CappedTag<uint32_t, 8>;
constexpr size_t kLanes = hn::MaxLanes(Tag());
using V = hn::Vec<Tag>;

// Rotates the lanes by one.
HWY_INLINE V Rotate(V v) {
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
  const Tag d;
  alignas(32) static constexpr int32_t kNext[8] = {1, 2, 3, 4, 5, 6, 7, 0};
  return hn::TableLookupLanes(v, hn::SetTableIndices(d, kNext));
#else
  return hn::Shuffle0321(v);
#endif
}

// Which lanes of `a` are in any lane of `b`: b is turned once around, all comparisons independent.
HWY_INLINE hn::Mask<Tag> InBlock(V a, V b) {
  auto any = hn::Eq(a, b);
  for (size_t i = 1; i < kLanes; ++i) {
    b = Rotate(b);
    any = hn::Or(any, hn::Eq(a, b));
  }
  return any;
}
#endif

}  // namespace

// Blocks of both sets, every number of one compared with every number of the other; then the block
// whose last number is smaller moves on: a guess less than one a block, and none on a number. `out`
// has room for a vector more.
size_t IntersectBlocks(const uint32_t* a, size_t a_size, const uint32_t* b, size_t b_size,
                       uint32_t* HWY_RESTRICT out) {
  uint32_t* to = out;
  size_t i = 0, j = 0;
#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
  const Tag d;
  if (a_size >= kLanes && b_size >= kLanes) {
    const size_t a_last = a_size - kLanes, b_last = b_size - kLanes;
    // The places move without a branch.
    while (i <= a_last && j <= b_last) {
      const V x = hn::LoadU(d, a + i);
      const auto in = InBlock(x, hn::LoadU(d, b + j));
      const uint32_t x_max = a[i + kLanes - 1], y_max = b[j + kLanes - 1];
      hn::StoreU(hn::Compress(x, in), d, to);
      to += hn::CountTrue(d, in);
      i += x_max <= y_max ? kLanes : 0;
      j += y_max <= x_max ? kLanes : 0;
    }
  }
#endif
  to = branchless_merge(a + i, a + a_size, b + j, b + b_size, to);
  return static_cast<size_t>(to - out);
}

// For each number of the small set `a`: the block of `b` that could have it is found by doubling
// steps from the last one (Bentley and Yao, 1976) and halving them, then looked at as a whole. All
// numbers of a group go through their steps together, so that their misses overlap.
size_t IntersectSmall(const uint32_t* a, size_t a_size, const uint32_t* b, size_t b_size,
                      uint32_t* HWY_RESTRICT out) {
  constexpr size_t kGroup = 16;
  size_t count = 0;
  size_t i = 0, from = 0;
  for (; i + kGroup <= a_size && from < b_size; i += kGroup) {
    // Where the group's numbers lie in b: none before `from`, none from `from + length` on.
    size_t length = 64;
    while (from + length < b_size && b[from + length] < a[i + kGroup - 1]) length *= 2;
    length = HWY_MIN(length + 1, b_size - from);
    const uint32_t* base[kGroup];
    for (size_t g = 0; g < kGroup; ++g) base[g] = b + from;
    size_t left = length;
    while (left > 1) {
      const size_t half = left / 2;
      for (size_t g = 0; g < kGroup; ++g)
        base[g] += (0 - static_cast<size_t>(base[g][half - 1] < a[i + g])) & half;
      left -= half;
    }
    for (size_t g = 0; g < kGroup; ++g) {
      out[count] = a[i + g];
      count += *base[g] == a[i + g];
    }
    from = static_cast<size_t>(base[kGroup - 1] - b);
  }
  for (; i < a_size; ++i) {
    from = static_cast<size_t>(std::lower_bound(b + from, b + b_size, a[i]) - b);
    if (from == b_size) break;
    out[count] = a[i];
    count += b[from] == a[i];
  }
  return count;
}

// The places of all ones of the words of x & y, in order.
size_t IntersectBits(const uint64_t* HWY_RESTRICT x, const uint64_t* HWY_RESTRICT y, size_t words,
                     uint32_t first, uint32_t* HWY_RESTRICT out) {
  size_t count = 0;
  const hn::ScalableTag<uint32_t> d;
  const auto iota = hn::Iota(d, first);
  (void)iota;
  for (size_t w = 0; w < words; ++w) {
    const uint64_t bits = x[w] & y[w];
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
    // One store of all bits: two of a byte each, and a load of both, would wait for one another.
    uint8_t mask_bits[16] = {};
    std::memcpy(mask_bits, &bits, 8);
    for (size_t k = 0; k < 4; ++k) {
      const auto mask = hn::LoadMaskBits(d, mask_bits + 2 * k);
      const auto places = hn::Add(iota, hn::Set(d, static_cast<uint32_t>(64 * w + 16 * k)));
      hn::StoreU(hn::Compress(places, mask), d, out + count);
      count += hn::CountTrue(d, mask);
    }
#else
    for (uint64_t rest = bits; rest != 0; rest &= rest - 1)
      out[count++] = static_cast<uint32_t>(first + 64 * w) +
                     static_cast<uint32_t>(hwy::Num0BitsBelowLS1Bit_Nonzero64(rest));
#endif
  }
  return count;
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <span>
#include <vector>

#include "core/kernel.h"
#if HEADROOM_HAVE_ROARING
#include <roaring/roaring.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace headroom {
namespace {

HWY_EXPORT(IntersectBlocks);
HWY_EXPORT(IntersectSmall);
HWY_EXPORT(IntersectBits);

constexpr std::size_t kPool = std::size_t{1} << 18;
constexpr std::size_t kRoom = 16;  // what stores of whole vectors may write beyond the answer

struct SetIntersection {
  static constexpr auto kInputs = inputs("ratio_1", "ratio_1000", "sparse").for_tests("regular");
  static std::size_t ratio(InputName input) { return input == kInputs["ratio_1000"] ? 1000 : 1; }
  using Set = std::span<const std::uint32_t>;
  struct Call {
    Set small, large;
    std::size_t slice;
  };
  struct Input {
    Buffer<std::uint32_t> numbers;
    std::vector<std::size_t> starts;  // of slice k: small from 2k on, large from 2k + 1 on
    std::size_t slices = 1;
    Set set(std::size_t i) const { return {numbers.data() + starts[i], starts[i + 1] - starts[i]}; }
    Call at(std::size_t turn) const {
      const std::size_t k = turn % slices;
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
    while (in.slices * n < kPool && in.slices < 64) in.slices *= 2;
    FastRng fast(rng());
    std::vector<std::uint32_t> all, small, large;
    in.starts = {0};
    for (std::size_t k = 0; k < in.slices; ++k) {
      small.clear(), large.clear();
      if (setting.input ==
          kInputs["regular"]) {  // for the tests only: all numbers, and every k-th of them
        for (std::uint32_t i = 0; i < n; ++i) large.push_back(i);
        for (std::uint32_t i = 0; i < n; i += static_cast<std::uint32_t>(k + 1)) small.push_back(i);
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
    for (std::size_t k = 0; k < in.slices; ++k)
      most = std::max(most, std::min(in.set(2 * k).size(), in.set(2 * k + 1).size()));
    out.common = Buffer<std::uint32_t>(most + kRoom);
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want.answer(), got.answer());
  }

 private:
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

// A step needs the places that the last one found, so several stretches of both sets are gone
// through side by side: one's wait is another's work.
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

// Nothing to guess: comparisons move the places. That alone is no gain, since each step then waits
// for the last one where a guess would not have; two stretches side by side are (more would not
// fit the registers).
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
    for (std::size_t i = 0; i < 2 * in.slices; ++i) {
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

// The larger set as bits, the smaller one as it is: a load and a shift for each of its numbers,
// independent of one another, however many the larger one has.
struct LargeBits {
  explicit LargeBits(const Input& in) {
    for (std::size_t k = 0; k < in.slices; ++k) {
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

#if HEADROOM_HAVE_ROARING
struct RoaringSets {
  explicit RoaringSets(const Input& in) {
    for (std::size_t i = 0; i < 2 * in.slices; ++i) {
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
     .what = "std::set_intersection: one pass through both, a wrong guess for every other number"},
    {.name = "merge",
     .run = run<merge>,
     .what = "the same pass without a branch on data, two stretches side by side"},
    {.name = "galloping",
     .run = run<galloping>,
     .what = "doubling steps through the larger set: pays where the other one is much smaller"},
    {.name = "galloping_batched",
     .run = run<galloping_batched>,
     .what = "16 searches in step, without a branch on data: their misses overlap"},
    {.name = "simd_blocks",
     .run = run<simd_blocks>,
     .what = "blocks of both sets, all numbers compared with all; places move without a branch"},
    {.name = "vp2intersect",
     .run = kVp2intersect,
     .what = "16 numbers against 16 in one AVX-512 instruction, four stretches side by side",
     .needs = kNeedsVp2intersect},
    {.name = "bitmap",
     .run = run<bitmap>,
     .what =
         "sets kept as bits: an AND of words, then the ones' places; loses where sets are sparse"},
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
     .technique = "many comparisons a step, none of them a guess; skip what can't match",
     .sizes = {4096, 65536, 1 << 20, 8 << 20},
     .headline = {65536, 1 << 20},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           const bool even = SetIntersection::ratio(s.input) == 1;
           return Demand{
               .items = even ? 2 * n : n,
               .working_set = (even ? 8 : 4) * std::max(s.n, kPool),
               .memory = 48 * std::max(s.n, kPool) + 36 * s.n +
                         (s.input == SetIntersection::kInputs["sparse"] ? 104 * std::max(s.n, kPool)
                                                                        : 0)};
         }},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
