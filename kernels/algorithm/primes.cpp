// algorithm/primes: all primes up to n.
//
// Out: the primes, ascending, as 32-bit numbers. Exact. The numbers are written out by every
// variant; counting them is another, cheaper problem.
//
// To be learned: first to have fewer and cheaper operations, then to have them in a near cache.
// Naive is the definition of a prime, which nobody ships to list them: a trial division is some
// twenty cycles, and a prime needs one for every candidate up to its root. The sieve of
// Eratosthenes, the standard, crosses off multiples with an addition and a store each; what it
// costs then is how far apart those stores are in memory, and how many of them there are.
//
// Links: primesieve
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "algorithm/prime_wheel.h"
#include "core/kernel.h"
#if HEADROOM_HAVE_PRIMESIEVE
#include <primesieve.hpp>
#endif

namespace headroom {
namespace {

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
    Buffer<std::uint64_t> sieve;         // a byte per number, or less
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

// The largest integer whose square is at most n.
inline std::uint32_t root(std::uint64_t n) {
  auto r = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(n)));
  while (r * r > n) --r;
  while ((r + 1) * (r + 1) <= n) ++r;
  return static_cast<std::uint32_t>(r);
}

// Multiples of each prime up to the root are crossed off, a byte per number: n log log n stores
// instead of n root n divisions. Then numbers are written out without a branch on which is a prime.
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

// Appends the zeros of the bits of `words` words, as odd numbers from `first` up to n, to the
// `count` primes there are; returns how many there are then.
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

// The same in segments that stay in L1: all primes pass through one before the next, and each keeps
// the place of its next multiple (Bays and Hudson, "The segmented sieve of Eratosthenes", 1977).
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

// What the wheel variants are made of, each of the one before it and one more.
enum class WheelSteps { kStores, kPatterns, kUnpacking };

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/primes-inl.h"
#include "algorithm/primes-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(SieveWheel);

const WheelPatterns& wheel_patterns() {
  static const WheelPatterns patterns;
  return patterns;
}

// Only numbers without the factors 2, 3 and 5, thirty to a byte, in segments. For each prime a turn
// of the wheel is eight stores at known distances. kPatterns: the primes up to 97, which cross off
// most, are copied in as patterns. kUnpacking: the numbers are written out a word at a time,
// without a branch on how many it has.
template <WheelSteps kSteps>
void wheel(const Input& in, Output& out) {
  std::uint32_t* const primes = out.primes.data();
  std::uint32_t* to = primes;
  for (const std::uint32_t p : {2u, 3u, 5u})
    if (p <= in.n) *to++ = p;
  if (in.n >= 7)
    to = HWY_DYNAMIC_DISPATCH(SieveWheel)(kSteps, wheel_patterns().bytes.data(), *out.wheel, in.n,
                                          to);
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
     .what = "trial division of each number by all up to its root: nobody ships it",
     .max_n = 100'000},
    {.name = "sieve",
     .run = run<sieve>,
     .what = "sieve of Eratosthenes, a byte per number: stores instead of divisions",
     .role = Role::kStandard,
     .max_n = 100'000'000},
    {.name = "odd_bits",
     .run = run<odd_bits>,
     .what = "odd numbers only, one bit each: a sixteenth of the memory"},
    {.name = "segmented",
     .run = run<segmented>,
     .what = "the same in segments that stay in L1: a gain once the bits are larger than the "
             "caches"},
    {.name = "wheel_stores",
     .run = run<wheel<WheelSteps::kStores>>,
     .what =
         "30 numbers per byte, so fewer stores, eight at known distances per turn of the wheel"},
    {.name = "wheel_patterns",
     .run = run<wheel<WheelSteps::kPatterns>>,
     .what = "the same, but what the primes up to 97 leave is copied, not crossed off"},
    {.name = "wheel",
     .run = run<wheel<WheelSteps::kUnpacking>>,
     .what = "the same, and the primes written out by vectors, without a branch on how many"},
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
                         .memory = (s.n <= 100'000'000 ? s.n : 0) + s.n / 16 + 9 * written +
                                   (std::size_t{3} << 20)};
         },
     .test_sizes = {0,   1,   2,   3,   4,   5,    6,    7,    8,    10,    29,
                    30,  31,  48,  49,  63,  64,   65,   119,  120,  121,   127,
                    128, 129, 210, 239, 240, 1000, 9408, 9409, 9410, 10609, 50'000}},
    kVariants);

}  // namespace
}  // namespace headroom
