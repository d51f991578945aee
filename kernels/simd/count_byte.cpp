// simd/count_byte: how often a byte occurs in a text.
//
// Out: the count. The text is made of four bytes only, the wanted one and three that a careless
// trick takes for it (one more, one less by a borrow, the top bit flipped), so that every stretch
// that a variant skips or counts wrongly shows. Nothing branches on the data.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/count_byte.cpp"
#include "support/prefetch-inl.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// AVX-512 compares into mask registers, one vector a cycle. There 1 - (byte ^ wanted), stopping at
// zero, is one where they match: three operations of the kind that all ports do, which is what L1
// waits for. Elsewhere a match is a lane of ones, that is -1, and subtracting it counts.
template <class V>
HWY_INLINE V Count(V counter, V bytes, V wanted) {
  const hn::DFromV<V> d;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  return hn::Add(counter, hn::SaturatedSub(hn::Set(d, 1), hn::Xor(bytes, wanted)));
#else
  return hn::Sub(counter, hn::VecFromMask(d, hn::Eq(bytes, wanted)));
#endif
}

constexpr size_t kStep = 8;  // vectors

// How many of the kStreams * part bytes at `text` are that of `key`. They are read from kStreams
// places at once, `part` bytes each, a multiple of kStep / kStreams vectors; every line is asked
// for kAhead bytes before it is read (0: not). Counts in byte lanes. A lane holds 255 at most, so
// the lanes are added up (eight to a 64-bit sum) before they overflow.
template <size_t kStreams, size_t kAhead, class V>
HWY_INLINE auto CountStreams(const uint8_t* HWY_RESTRICT text, size_t part, V key) {
  const hn::DFromV<V> d;
  const hn::Repartition<uint64_t, decltype(d)> d64;
  const size_t lanes = hn::Lanes(d);
  constexpr size_t kEach = kStep / kStreams;  // vectors of each stream in a step
  auto total = hn::Zero(d64);
  for (size_t i = 0; i < part;) {
    const size_t end = i + HWY_MIN((part - i) / (kEach * lanes), size_t{127}) * kEach * lanes;
    auto c0 = hn::Zero(d), c1 = c0, c2 = c0, c3 = c0;
    for (; i < end; i += kEach * lanes) {
      if constexpr (kAhead != 0) {
        for (size_t stream = 0; stream < kStreams; ++stream)
          prefetch_lines(text + stream * part + i, kAhead, kEach * lanes);
      }
      const auto vector = [&](size_t k) HWY_ATTR {
        return hn::LoadU(d, text + k % kStreams * part + i + k / kStreams * lanes);
      };
      c0 = Count(c0, vector(0), key);
      c1 = Count(c1, vector(1), key);
      c2 = Count(c2, vector(2), key);
      c3 = Count(c3, vector(3), key);
      c0 = Count(c0, vector(4), key);
      c1 = Count(c1, vector(5), key);
      c2 = Count(c2, vector(6), key);
      c3 = Count(c3, vector(7), key);
    }
    total = hn::Add(total, hn::Add(hn::Add(hn::SumsOf8(c0), hn::SumsOf8(c1)),
                                   hn::Add(hn::SumsOf8(c2), hn::SumsOf8(c3))));
  }
  return total;
}

// Lines are asked for across page boundaries, where hardware prefetch starts over. From memory two
// places at once do better: more of the prefetchers, and of the memory's banks, are busy.
uint64_t CountByte(const uint8_t* HWY_RESTRICT text, size_t n, uint8_t wanted) {
  constexpr size_t kCached = size_t{8} << 20;
  const hn::ScalableTag<uint8_t> d;
  const hn::Repartition<uint64_t, decltype(d)> d64;
  const size_t lanes = hn::Lanes(d);
  const auto key = hn::Set(d, wanted);
  size_t i = n / (kStep * lanes) * (kStep * lanes);
  auto total = hn::Zero(d64);
  if (i < kCached)
    total = CountStreams<1, 8192>(text, i, key);
  else
    total = CountStreams<2, 0>(text, i / 2, key);
  auto rest = hn::Zero(d);  // at most seven vectors
  for (; n - i >= lanes; i += lanes) rest = Count(rest, hn::LoadU(d, text + i), key);
  total = hn::Add(total, hn::SumsOf8(rest));
  uint64_t count = hn::GetLane(hn::SumOfLanes(d64, total));
  for (; i < n; ++i) count += text[i] == wanted;
  return count;
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <cstring>

#include "core/kernel.h"

namespace headroom {
namespace {

HWY_EXPORT(CountByte);

struct CountByteProblem {
  struct Input {
    Buffer<std::uint8_t> text;
    std::uint8_t wanted = '\n';
  };
  using Output = std::uint64_t;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<std::uint8_t>(setting.n)};
    const std::uint8_t w = in.wanted;
    const std::uint8_t alphabet[4] = {w, static_cast<std::uint8_t>(w + 1),
                                      static_cast<std::uint8_t>(w ^ 1),
                                      static_cast<std::uint8_t>(w ^ 0x80)};
    FastRng fast(rng());
    for (std::size_t i = 0; i < in.text.size();) {
      std::uint64_t bits = fast();
      for (int k = 0; k < 32 && i < in.text.size(); ++k, bits >>= 2)
        in.text[i++] = alphabet[bits & 3];
    }
    return in;
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

void naive(const CountByteProblem::Input& in, std::uint64_t& out) {
  std::uint64_t count = 0;
  for (std::uint8_t byte : in.text) count += byte == in.wanted;
  out = count;
}

// Eight bytes in a general register: x is zero where a byte matches; adding 0x7f to its low seven
// bits carries into the top bit unless they are zero, with no carry from byte to byte (Warren,
// "Hacker's Delight", 6-1). Counted in byte lanes, added up before they overflow.
void swar(const CountByteProblem::Input& in, std::uint64_t& out) {
  constexpr std::uint64_t kOnes = ~std::uint64_t{0} / 255;  // 0x0101...
  constexpr std::uint64_t kLow7 = kOnes * 127;
  constexpr std::uint64_t kEven = ~std::uint64_t{0} / 0xffff * 0xff;  // 0x00ff00ff...
  const std::uint64_t key = kOnes * in.wanted;
  const std::uint8_t* const text = in.text.data();
  const std::size_t n = in.text.size();
  std::uint64_t count = 0;
  std::size_t i = 0;
  while (n - i >= 8) {
    const std::size_t end = i + std::min((n - i) / 8, std::size_t{255}) * 8;
    std::uint64_t lanes = 0;
    for (; i < end; i += 8) {
      std::uint64_t word;
      std::memcpy(&word, text + i, 8);
      const std::uint64_t x = word ^ key;
      lanes += (~(((x & kLow7) + kLow7) | x) >> 7) & kOnes;
    }
    const std::uint64_t pairs = (lanes & kEven) + ((lanes >> 8) & kEven);
    count += (pairs * (~std::uint64_t{0} / 0xffff)) >> 48;
  }
  for (; i < n; ++i) count += text[i] == in.wanted;
  out = count;
}

// The trick in C++ alone: count in the narrowest type that can't overflow, 255 bytes at a time, and
// the compiler's vectors hold sixteen counters where they held two.
void narrow_counter(const CountByteProblem::Input& in, std::uint64_t& out) {
  const std::uint8_t* const text = in.text.data();
  const std::size_t n = in.text.size();
  const std::uint8_t wanted = in.wanted;
  constexpr std::size_t kLanes = 64, kBlock = kLanes * 255;
  std::uint64_t count = 0;
  std::size_t i = 0;
  while (n - i >= kLanes) {
    const std::size_t end = i + std::min(n - i, kBlock) / kLanes * kLanes;
    std::uint8_t lanes[kLanes] = {};
    for (; i < end; i += kLanes)
      for (std::size_t k = 0; k < kLanes; ++k) lanes[k] += text[i + k] == wanted;
    for (std::uint8_t lane : lanes) count += lane;
  }
  for (; i < n; ++i) count += text[i] == wanted;
  out = count;
}

// Two or three operations for as many bytes as the host's vectors hold; from memory, read from two
// places at once.
void highway(const CountByteProblem::Input& in, std::uint64_t& out) {
  out = HWY_DYNAMIC_DISPATCH(CountByte)(in.text.data(), in.text.size(), in.wanted);
}

void std_count(const CountByteProblem::Input& in, std::uint64_t& out) {
  out = static_cast<std::uint64_t>(std::count(in.text.begin(), in.text.end(), in.wanted));
}

constexpr Variant<CountByteProblem> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "byte loop; GCC and clang vectorize it for the base ISA, but widen every match to 64 "
             "bits"},
    {.name = "swar", .run = run<swar>, .what = "eight bytes a step in a general register"},
    {.name = "narrow_counter",
     .run = run<narrow_counter>,
     .what = "byte-wide counters, 64 side by side: the compiler's vectors need no widening"},
    {.name = "highway",
     .run = run<highway>,
     .what = "byte-wide counters in the widest vectors of the host, added up before they overflow"},
    {.name = "std_count",
     .run = run<std_count>,
     .what = "std::count of the standard library",
     .role = Role::kPeer},
};

const Registrar kRegistrar(
    {.name = "simd/count_byte",
     .axis = Axis::kSimd,
     .technique = "narrow lanes: count in bytes, widen rarely",
     .sizes = {16 << 10, 256 << 10, 4 << 20, 64 << 20, 256 << 20},
     .headline = {16 << 10, 64 << 20},
     .ceiling = {"machine/read"},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           return Demand{.items = n, .bytes = n, .working_set = s.n, .memory = s.n};
         },
     .test_sizes = {0,    1,    2,    3,     7,     8,     9,     15,
                    16,   17,   31,   32,    33,    63,    64,    65,
                    127,  128,  129,  255,   257,   1000,  2039,  2040,
                    2041, 4097, 8161, 16319, 16321, 65281, 70001, (8 << 20) + 1077}},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
