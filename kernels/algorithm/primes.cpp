// algorithm/primes: all primes up to n.
//
// Out: the primes, ascending, as 32-bit numbers. Exact. The numbers are written out by every
// variant; counting them is another, cheaper problem.
//
// A trial division is some twenty cycles, and a prime needs one for every candidate up to its root.
// Sieving (Eratosthenes) crosses off multiples with an addition and a store each; what it costs
// then is how far apart those stores are in memory.
//
// Links: primesieve
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/primes.cpp"
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "support/simd.h"

#ifndef HEADROOM_ALGORITHM_PRIMES_ONCE_
#define HEADROOM_ALGORITHM_PRIMES_ONCE_
namespace headroom {
namespace {

// Numbers by residues modulo 30: only these eight have no factor 2, 3 or 5. A byte holds 30
// numbers, a bit for each of them (Pritchard's wheel, "Explaining the wheel sieve", 1982).
constexpr std::uint32_t kResidues[8] = {1, 7, 11, 13, 17, 19, 23, 29};

constexpr std::uint32_t residue_index(std::uint32_t residue) {
  std::uint32_t i = 0;
  while (kResidues[i] != residue) ++i;
  return i;
}

// The multiples p * k of a prime p = 30 * q + kResidues[kClass] that have a bit are those whose k
// has one. From k of residue i to the next k, the multiple's byte moves by kGap[i] * q + kStep[i].
struct WheelStep {
  std::uint32_t gap;   // of k
  std::uint32_t step;  // bytes beyond gap * q
  std::uint8_t keep;   // all bits but the one of p * k
};

constexpr std::array<std::array<WheelStep, 8>, 8> kWheel = [] {
  std::array<std::array<WheelStep, 8>, 8> wheel{};
  for (std::uint32_t c = 0; c < 8; ++c)
    for (std::uint32_t i = 0; i < 8; ++i) {
      const std::uint32_t r = kResidues[c], k = kResidues[i];
      const std::uint32_t next = i == 7 ? 31 : kResidues[i + 1];
      wheel[c][i] = {next - k, r * next / 30 - r * k / 30,
                     static_cast<std::uint8_t>(~(1u << residue_index(r * k % 30)))};
    }
  return wheel;
}();

// A prime at work: which byte of the segment its next multiple is in, and at which place of the
// wheel its factor k is.
struct SievingPrime {
  std::uint32_t prime;
  std::uint32_t byte;
  std::uint32_t place;
};

// Crosses off the multiples of a prime of class kClass in a segment. Once its place is 0, a whole
// turn of the wheel is eight stores at distances that are known but for q.
template <std::uint32_t kClass, std::size_t... kPlace>
inline void cross_off_class(std::uint8_t* segment, std::uint32_t size, SievingPrime& p,
                            std::index_sequence<kPlace...>) {
  constexpr const std::array<WheelStep, 8>& wheel = kWheel[kClass];
  const std::uint32_t q = p.prime / 30;
  std::uint32_t byte = p.byte, place = p.place;
  while (place != 0 && byte < size) {
    segment[byte] &= wheel[place].keep;
    byte += wheel[place].gap * q + wheel[place].step;
    place = (place + 1) & 7;
  }
  if (place == 0) {
    // Offsets of a turn's eight stores from its first one, and their sum.
    std::uint32_t offset[9] = {};
    ((offset[kPlace + 1] = offset[kPlace] + wheel[kPlace].gap * q + wheel[kPlace].step), ...);
    while (byte + offset[7] < size) {
      std::uint8_t* const at = segment + byte;
      ((at[offset[kPlace]] &= wheel[kPlace].keep), ...);
      byte += offset[8];
    }
    while (byte < size) {
      segment[byte] &= wheel[place].keep;
      byte += wheel[place].gap * q + wheel[place].step;
      place = (place + 1) & 7;
    }
  }
  p.byte = byte - size;
  p.place = place;
}

inline void cross_off(std::uint8_t* segment, std::uint32_t size, SievingPrime& p) {
  constexpr auto kPlaces = std::make_index_sequence<8>();
  switch (p.prime % 30) {
    case 1:
      return cross_off_class<0>(segment, size, p, kPlaces);
    case 7:
      return cross_off_class<1>(segment, size, p, kPlaces);
    case 11:
      return cross_off_class<2>(segment, size, p, kPlaces);
    case 13:
      return cross_off_class<3>(segment, size, p, kPlaces);
    case 17:
      return cross_off_class<4>(segment, size, p, kPlaces);
    case 19:
      return cross_off_class<5>(segment, size, p, kPlaces);
    case 23:
      return cross_off_class<6>(segment, size, p, kPlaces);
    default:
      return cross_off_class<7>(segment, size, p, kPlaces);
  }
}

inline std::uint32_t root(std::uint64_t n) {
  auto r = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(n)));
  while (r * r > n) --r;
  while ((r + 1) * (r + 1) <= n) ++r;
  return static_cast<std::uint32_t>(r);
}

// Segments are as large as L1 holds beside little else: 32 KiB, nearly a million numbers.
constexpr std::uint32_t kSegment = 32 << 10;

// A prime that crosses off only a few bytes of a segment costs more in wrong guesses where it ends
// than in stores. Large primes go through a block of several segments at once, in L2 (as the larger
// sieve that primesieve of Kim Walisch takes for them).
constexpr std::uint32_t kBlock = 8 * kSegment;
constexpr std::uint32_t kLargePrime = 4096;

// What is left by the primes from 7 to 97, which cross off most, comes again and again: they are
// not crossed off, but copied, two primes a pattern. A pattern is as long as a segment and its
// period.
constexpr std::uint32_t kPairs[11][2] = {{7, 97},  {11, 89}, {13, 83}, {17, 79}, {19, 73}, {23, 71},
                                         {29, 67}, {31, 61}, {37, 59}, {41, 53}, {43, 47}};
constexpr std::size_t kPatterns = std::size(kPairs);
constexpr std::uint32_t kLastPatterned = 97;
constexpr std::size_t kPatternBytes = kSegment + 43 * 53 + 64;

struct Patterns {
  std::vector<std::uint8_t> bytes;  // kPatternBytes each
  Patterns() : bytes(kPatterns * kPatternBytes, 0xff) {
    for (std::size_t k = 0; k < kPatterns; ++k)
      for (const std::uint32_t p : kPairs[k])
        for (std::uint32_t i = 0; i < 8; ++i) {
          std::size_t byte = 0;
          while ((byte * 30 + kResidues[i]) % p != 0) ++byte;
          for (; byte < kPatternBytes; byte += p)
            bytes[k * kPatternBytes + byte] &= static_cast<std::uint8_t>(~(1u << i));
        }
  }
};

// The first four bytes, where patterns would cross off the primes that they are of: 1 to 119.
constexpr std::uint8_t kFirstBytes[4] = {0b11111110, 0b11011111, 0b11101111, 0b01111110};

struct WheelSieve {
  std::vector<SievingPrime> sieving;
  std::vector<std::uint8_t> composite;           // to find them
  alignas(64) std::uint8_t block[kBlock + 256];  // stores of whole vectors may go beyond
};

}  // namespace
}  // namespace headroom
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// Writes the numbers of the ones of a segment, eight bytes at a time. Sixteen are written always,
// and the place moves by as many as there are: no wrong guess about how many. Room for 64 is
// needed.
HWY_INLINE uint32_t* Numbers(const uint8_t* segment, uint32_t size, uint32_t first, uint32_t* to) {
  static constexpr auto kOffsets = [] {
    struct {
      uint8_t of[65];
    } t{};
    for (uint32_t i = 0; i < 64; ++i) t.of[i] = static_cast<uint8_t>(i / 8 * 30 + kResidues[i % 8]);
    return t;
  }();
  for (uint32_t byte = 0; byte < size; byte += 8, first += 240) {
    uint64_t bits;
    std::memcpy(&bits, segment + byte, 8);
    if constexpr (std::endian::native == std::endian::big) bits = __builtin_bswap64(bits);
    const size_t count = hwy::PopCount(bits);
#if HWY_ARCH_X86 && HWY_TARGET == HWY_AVX3_DL
    // The offsets of the ones, packed as bytes, then widened.
    const __m512i offsets = _mm512_loadu_si512(kOffsets.of);
    const __m512i packed = _mm512_maskz_compress_epi8(bits, offsets);
    const __m512i base = _mm512_set1_epi32(static_cast<int>(first));
    const auto store = [&](size_t at, __m128i bytes) HWY_ATTR __attribute__((always_inline)) {
      _mm512_storeu_si512(to + at, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(bytes)));
    };
    store(0, _mm512_castsi512_si128(packed));
    if (HWY_UNLIKELY(count > 16)) {
      store(16, _mm512_extracti32x4_epi32(packed, 1));
      store(32, _mm512_extracti32x4_epi32(packed, 2));
      store(48, _mm512_extracti32x4_epi32(packed, 3));
    }
#else
    const auto write = [&](size_t at) HWY_ATTR __attribute__((always_inline)) {
      for (size_t i = 0; i < 16; ++i) {
        to[at + i] = first + kOffsets.of[bits == 0 ? 64 : hwy::Num0BitsBelowLS1Bit_Nonzero64(bits)];
        bits &= bits - 1;
      }
    };
    write(0);
    for (size_t at = 16; HWY_UNLIKELY(at < count); at += 16) write(at);
#endif
    to += count;
  }
  return to;
}

}  // namespace

// The primes from 7 on up to n, n >= 7; `to` has room for 64 more.
uint32_t* SieveWheel(const uint8_t* HWY_RESTRICT patterns, WheelSieve& s, uint64_t n,
                     uint32_t* to) {
  const uint64_t bytes = n / 30 + 1;
  const uint32_t limit = root(n);
  // Primes up to the root, ascending. Each starts at its square: what is less has a lesser factor.
  s.sieving.clear();
  s.composite.assign(limit / 2 + 1, 0);
  for (uint32_t p = 3; p <= limit; p += 2) {
    if (s.composite[p / 2] != 0) continue;
    for (uint64_t m = uint64_t{p} * p; m <= limit; m += 2 * p) s.composite[m / 2] = 1;
    if (p > kLastPatterned)
      s.sieving.push_back({p, static_cast<uint32_t>(uint64_t{p} * p / 30), residue_index(p % 30)});
  }
  const size_t primes = s.sieving.size();
  size_t large = 0;
  while (large < primes && s.sieving[large].prime < kLargePrime) ++large;
  const uint32_t block = large < primes ? kBlock : kSegment;
  // Primes from `first` to before `active` have started.
  const auto cross = [&s](size_t first, size_t& active, size_t last, uint8_t* bits, uint64_t begin,
                          uint32_t size) {
    for (; active < last && s.sieving[active].byte < begin + size; ++active)
      s.sieving[active].byte -= static_cast<uint32_t>(begin);
    for (size_t i = first; i < active; ++i) cross_off(bits, size, s.sieving[i]);
  };
  size_t active_small = 0, active_large = large;
  for (uint64_t begin = 0; begin < bytes; begin += block) {
    const uint32_t size = static_cast<uint32_t>(HWY_MIN(uint64_t{block}, bytes - begin));
    for (uint32_t at = 0; at < size; at += kSegment) {
      const uint32_t length = HWY_MIN(kSegment, size - at);
      const uint8_t* from[kPatterns];
      for (size_t k = 0; k < kPatterns; ++k)
        from[k] = patterns + k * kPatternBytes + (begin + at) % (kPairs[k][0] * kPairs[k][1]);
      const hn::ScalableTag<uint8_t> d;
      for (uint32_t i = 0; i < length; i += hn::Lanes(d)) {
        auto left = hn::LoadU(d, from[0] + i);
        for (size_t k = 1; k < kPatterns; ++k) left = hn::And(left, hn::LoadU(d, from[k] + i));
        hn::StoreU(left, d, s.block + at + i);
      }
      if (begin + at == 0) std::memcpy(s.block, kFirstBytes, sizeof kFirstBytes);
      cross(0, active_small, large, s.block + at, begin + at, length);
    }
    cross(large, active_large, primes, s.block, begin, size);
    uint32_t padded = size;
    if (begin + size == bytes) {  // nothing beyond n, and whole words
      for (uint32_t i = 0; i < 8; ++i)
        if ((bytes - 1) * 30 + kResidues[i] > n)
          s.block[size - 1] &= static_cast<uint8_t>(~(1u << i));
      for (; padded % 8 != 0; ++padded) s.block[padded] = 0;
    }
    to = Numbers(s.block, padded, static_cast<uint32_t>(begin * 30), to);
  }
  return to;
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <memory>
#include <span>

#include "core/kernel.h"
#if HEADROOM_HAVE_PRIMESIEVE
#include <primesieve.hpp>
#endif

namespace headroom {
namespace {

HWY_EXPORT(SieveWheel);

// At least as many as there are primes up to n: below 1.2551 * n / ln n (Rosser and
// Schoenfeld, 1962).
std::size_t most_primes(std::uint64_t n) {
  return n < 17 ? 8
                : static_cast<std::size_t>(1.2552 * static_cast<double>(n) /
                                           std::log(static_cast<double>(n)));
}
constexpr std::size_t kRoom = 64;  // what stores of whole vectors may write beyond the answer

struct Primes {
  struct Input {
    std::uint64_t n = 0;
  };
  struct Output {
    Buffer<std::uint32_t> primes;
    std::size_t count = 0;
    Buffer<std::uint64_t> sieve;         // a byte a number, or less
    std::vector<std::uint32_t> library;  // primesieve writes to a vector
    bool in_library = false;
    std::unique_ptr<WheelSieve> wheel;
    void poison() {
      headroom::poison(primes);
      headroom::poison(library);
      count = 0;
    }
    bool spoil(Spoil how) {
      return in_library ? headroom::spoil(library, how) : spoil_counted(how, primes.data(), count);
    }
    // At least so many bytes, zeroed; allocated in the first call only.
    std::uint8_t* cleared(std::size_t bytes) {
      if (sieve.size() * 8 < bytes) sieve = Buffer<std::uint64_t>((bytes + 7) / 8);
      std::memset(sieve.data(), 0, bytes);
      return reinterpret_cast<std::uint8_t*>(sieve.data());
    }
    std::span<const std::uint32_t> answer() const {
      return in_library ? std::span<const std::uint32_t>(library)
                        : std::span<const std::uint32_t>(primes.data(), count);
    }
  };
  static Input make(const Setting& setting, Rng&) { return {setting.n}; }
  static void size(const Input& in, Output& out) {
    out.primes = Buffer<std::uint32_t>(most_primes(in.n) + kRoom);
    out.wheel = std::make_unique<WheelSieve>();
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want.answer(), got.answer());
  }
};
using Input = Primes::Input;
using Output = Primes::Output;

void naive(const Input& in, Output& out) {
  std::size_t count = 0;
  for (std::uint32_t x = 2; x <= in.n; ++x) {
    bool prime = true;
    for (std::uint32_t d = 2; prime && d * d <= x; ++d) prime = x % d != 0;
    if (prime) out.primes[count++] = x;
  }
  out.count = count;
}

// Multiples of each prime up to the root are crossed off, a byte a number: n log log n stores
// instead of n root n divisions. Then numbers are written out without a guess at which is a prime.
void sieve(const Input& in, Output& out) {
  const std::size_t n = in.n, limit = root(n);
  std::uint8_t* const composite = out.cleared(n + 1);
  for (std::size_t p = 2; p <= limit; ++p)
    if (composite[p] == 0)
      for (std::size_t m = p * p; m <= n; m += p) composite[m] = 1;
  std::size_t count = 0;
  for (std::size_t x = 2; x <= n; ++x) {
    out.primes[count] = static_cast<std::uint32_t>(x);
    count += composite[x] == 0;
  }
  out.count = count;
}

// The ones of `words` bits as odd numbers from `first` on.
std::size_t append_odd(const std::uint64_t* composite, std::size_t words, std::uint64_t first,
                       std::uint64_t n, std::uint32_t* primes, std::size_t count) {
  for (std::size_t w = 0; w < words; ++w)
    for (std::uint64_t left = ~composite[w]; left != 0; left &= left - 1) {
      const std::uint64_t x = first + 128 * w + 2 * static_cast<unsigned>(std::countr_zero(left));
      if (x > n) return count;
      primes[count++] = static_cast<std::uint32_t>(x);
    }
  return count;
}

// No even numbers, and a bit for each odd one: a sixteenth of the memory, so that sixteen times as
// many numbers fit each cache. Word w, bit b is the number 128 * w + 2 * b + 1.
void odd_bits(const Input& in, Output& out) {
  const std::uint64_t n = in.n;
  if (n < 2) return void(out.count = 0);
  const std::size_t words = n / 128 + 1;
  std::uint64_t* const composite = reinterpret_cast<std::uint64_t*>(out.cleared(8 * words));
  composite[0] = 1;  // the number 1
  for (std::uint64_t p = 3; p * p <= n; p += 2)
    if ((composite[p / 128] >> (p / 2 % 64) & 1) == 0)
      for (std::uint64_t m = p * p / 2; m <= n / 2; m += p)
        composite[m / 64] |= std::uint64_t{1} << m % 64;
  out.primes[0] = 2;
  out.count = append_odd(composite, words, 1, n, out.primes.data(), 1);
}

// The same a segment at a time that stays in L1, through which all primes pass before the next:
// each keeps the place of its next multiple.
void segmented(const Input& in, Output& out) {
  constexpr std::uint64_t kBits = 8 * kSegment;
  const std::uint64_t n = in.n, limit = root(n);
  if (n < 2) return void(out.count = 0);
  std::uint64_t* const composite = reinterpret_cast<std::uint64_t*>(out.cleared(kSegment));
  std::vector<SievingPrime>& sieving = out.wheel->sieving;
  std::vector<std::uint8_t>& small = out.wheel->composite;
  sieving.clear();
  small.assign(limit / 2 + 1, 0);
  for (std::uint64_t p = 3; p <= limit; p += 2) {
    if (small[p / 2] != 0) continue;
    for (std::uint64_t m = p * p; m <= limit; m += 2 * p) small[m / 2] = 1;
    sieving.push_back({static_cast<std::uint32_t>(p), static_cast<std::uint32_t>(p * p / 2), 0});
  }
  out.primes[0] = 2;
  std::size_t count = 1;
  for (std::uint64_t begin = 0; begin <= n / 2; begin += kBits) {
    const std::uint64_t size = std::min(kBits, n / 2 + 1 - begin);
    std::memset(composite, 0, kSegment);
    if (begin == 0) composite[0] = 1;
    for (SievingPrime& p : sieving) {
      if (p.byte >= begin + size) {
        if (std::uint64_t{p.prime} * p.prime / 2 >= begin + size) break;  // nor do the rest start
        continue;
      }
      std::uint64_t m = p.byte - begin;
      for (; m < size; m += p.prime) composite[m / 64] |= std::uint64_t{1} << m % 64;
      p.byte = static_cast<std::uint32_t>(begin + m);
    }
    count = append_odd(composite, (size + 63) / 64, 2 * begin + 1, n, out.primes.data(), count);
  }
  out.count = count;
}

// Only numbers without the factors 2, 3 and 5, thirty to a byte; the primes up to 97 copied in as
// patterns; for each larger prime a turn of the wheel is eight stores at known distances. The
// numbers are unpacked a word at a time.
void wheel(const Input& in, Output& out) {
  static const Patterns patterns;
  std::uint32_t* const primes = out.primes.data();
  std::uint32_t* to = primes;
  for (const std::uint32_t p : {2u, 3u, 5u})
    if (p <= in.n) *to++ = p;
  if (in.n >= 7) to = HWY_DYNAMIC_DISPATCH(SieveWheel)(patterns.bytes.data(), *out.wheel, in.n, to);
  out.count = static_cast<std::size_t>(to - primes);
}

#if HEADROOM_HAVE_PRIMESIEVE
// One thread. The vector keeps its capacity from call to call.
void library_primesieve(const Input& in, Output& out) {
  out.in_library = true;
  out.library.clear();
  primesieve::generate_primes(in.n, &out.library);
}
constexpr auto kPrimesieveRun = run<library_primesieve>;
#else
constexpr auto kPrimesieveRun = kNotBuilt;
#endif

constexpr Need kNeedsPrimesieve[] = {kPrimesieve};

constexpr Variant<Primes> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "trial division of each number by all up to its root",
     .max_n = 100'000},
    {.name = "sieve",
     .run = run<sieve>,
     .what = "sieve of Eratosthenes, a byte a number: stores instead of divisions",
     .max_n = 100'000'000},
    {.name = "odd_bits",
     .run = run<odd_bits>,
     .what = "odd numbers only, a bit each: a sixteenth of the memory"},
    {.name = "segmented", .run = run<segmented>, .what = "the same in segments that stay in L1"},
    {.name = "wheel",
     .run = run<wheel>,
     .what = "30 numbers a byte, primes to 97 copied as patterns, eight known stores a turn"},
    {.name = "primesieve",
     .run = kPrimesieveRun,
     .what = "primesieve::generate_primes, one thread",
     .role = Role::kPeer,
     .needs = kNeedsPrimesieve},
};

const Registrar kRegistrar(
    {.name = "algorithm/primes",
     .axis = Axis::kScalar,
     .technique = "stores instead of divisions, then fewer of them, then all of them in L1",
     .sizes = {10'000, 100'000, 10'000'000, 100'000'000, 1'000'000'000},
     .headline = {100'000, 10'000'000},
     .demand =
         [](const Setting& s) {
           const std::size_t written = 4 * most_primes(s.n);
           return Demand{.items = static_cast<double>(s.n),
                         .working_set = s.n / 30 + written,
                         .memory = (s.n <= 100'000'000 ? s.n : 0) + s.n / 16 + 7 * written +
                                   (std::size_t{2} << 20)};
         },
     .test_sizes = {0,   1,   2,   3,   4,   5,    6,    7,    8,    10,    29,
                    30,  31,  48,  49,  63,  64,   65,   119,  120,  121,   127,
                    128, 129, 210, 239, 240, 1000, 9408, 9409, 9410, 10609, 50'000}},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
