// computation/modulo: which of d buckets a number belongs to, d known at run time only.
//
// In: n random 32-bit numbers (hashes) and a divisor. Out: for each x % d, exact. Another even way
// to deal out hashes, x * d / 2^32 (fastrange), needs no remainder, and gives other buckets: it is
// checked against its own definition, number by number.
//
// A division takes 10 to 20 cycles, is hardly pipelined, and there is none for vectors. For a
// divisor that stays the same one division is enough, for its reciprocal: Granlund and Montgomery,
// "Division by invariant integers using multiplication" (1994); Lemire, Kaser and Kurz, "Faster
// remainder by direct computation" (2019); Lemire, "Fast random integer generation in an interval"
// (2019) for fastrange. Compilers do the first themselves where the divisor is a constant.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "computation/modulo.cpp"
#include <bit>
#include <cstdint>

#include "support/simd.h"

#ifndef HEADROOM_COMPUTATION_MODULO_ONCE_
#define HEADROOM_COMPUTATION_MODULO_ONCE_
namespace headroom {
namespace {

// x / d = (t + ((x - t) >> first)) >> second, where t = (x * magic) >> 32: the reciprocal has 33
// bits, of which magic is without the top one.
struct Reciprocal {
  std::uint32_t divisor;
  std::uint32_t magic;
  int first, second;
};

inline Reciprocal reciprocal_of(std::uint32_t d) {
  const int bits = std::bit_width(d - 1);  // 2^bits is d or more
  const std::uint64_t power = std::uint64_t{1} << bits;
  const std::uint64_t magic = ((power - d) << 32) / d + 1;
  return {d, static_cast<std::uint32_t>(magic), bits < 1 ? bits : 1, bits > 1 ? bits - 1 : 0};
}

inline std::uint32_t remainder(std::uint32_t x, const Reciprocal& r) {
  const std::uint32_t t = static_cast<std::uint32_t>((std::uint64_t{x} * r.magic) >> 32);
  return x - ((t + ((x - t) >> r.first)) >> r.second) * r.divisor;
}

}  // namespace
}  // namespace headroom
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

template <class D>
HWY_INLINE hn::Vec<D> Remainders(D d, hn::Vec<D> x, const Reciprocal& r) {
  const hn::Repartition<uint64_t, D> d64;
  const auto magic = hn::Set(d, r.magic);
  // The upper halves of the products of even and of odd lanes.
  const auto even = hn::ShiftRight<32>(hn::MulEven(x, magic));
  const auto odd = hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(d64, x))), magic);
  const auto t = hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, even));
  const auto quotient =
      hn::ShiftRightSame(hn::Add(t, hn::ShiftRightSame(hn::Sub(x, t), r.first)), r.second);
  return hn::Sub(x, hn::Mul(quotient, hn::Set(d, r.divisor)));
}

void Modulo(const uint32_t* HWY_RESTRICT numbers, size_t n, const Reciprocal& reciprocal,
            uint32_t* HWY_RESTRICT out) {
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<uint32_t> d;
  const size_t lanes = hn::Lanes(d);
  const Reciprocal r = reciprocal;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    hn::StoreU(Remainders(d, hn::LoadU(d, numbers + i), r), d, out + i);
    hn::StoreU(Remainders(d, hn::LoadU(d, numbers + i + lanes), r), d, out + i + lanes);
  }
#endif
  for (; i < n; ++i) out[i] = remainder(numbers[i], reciprocal);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cstring>

#include "core/kernel.h"

namespace headroom {
namespace {

HWY_EXPORT(Modulo);

struct ModuloProblem {
  static constexpr auto kInputs = inputs("prime", "power_of_two");
  struct Input {
    Buffer<std::uint32_t> numbers;
    std::uint32_t divisor = 1;
  };
  struct Output {
    Buffer<std::uint32_t> buckets;
    bool ranged = false;  // by fastrange
    void poison() {
      headroom::poison(buckets);
      ranged = false;
    }
    bool spoil(Spoil how) { return headroom::spoil(buckets, how); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<std::uint32_t>(setting.n),
             setting.input == kInputs["power_of_two"] ? 1u << 20 : 1000003};
    FastRng fast(rng());
    for (std::uint32_t& number : in.numbers) number = static_cast<std::uint32_t>(fast() >> 32);
    return in;
  }
  // The divisor, then numbers.
  static Input from(std::span<const std::uint8_t> bytes) {
    Input in;
    const std::size_t words = bytes.size() / 4;
    if (words == 0) return in;
    std::memcpy(&in.divisor, bytes.data(), 4);
    if (in.divisor == 0) in.divisor = 1;
    in.numbers = Buffer<std::uint32_t>(words - 1);
    if (words > 1) std::memcpy(in.numbers.data(), bytes.data() + 4, 4 * (words - 1));
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.buckets = Buffer<std::uint32_t>(in.numbers.size());
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (!got.ranged) return exact(want.buckets, got.buckets);
    for (std::size_t i = 0; i < in.numbers.size(); ++i) {
      // Bucket b has the numbers x with b <= x * d / 2^32 < b + 1.
      const std::uint64_t product = std::uint64_t{in.numbers[i]} * in.divisor;
      const std::uint64_t bucket = got.buckets[i];
      if (bucket >= in.divisor || product < bucket << 32 || (product - (bucket << 32)) >> 32 != 0)
        return absl::FailedPreconditionError("at index " + std::to_string(i) +
                                             ": not the bucket of x * d / 2^32");
    }
    return absl::OkStatus();
  }
};
using Input = ModuloProblem::Input;
using Output = ModuloProblem::Output;

void naive(const Input& in, Output& out) {
  for (std::size_t i = 0; i < in.numbers.size(); ++i) out.buckets[i] = in.numbers[i] % in.divisor;
}

// Where the divisor is known to be a power of two the remainder is its lower bits.
void mask(const Input& in, Output& out) {
  const std::uint32_t d = in.divisor;
  if (!std::has_single_bit(d)) return naive(in, out);
  for (std::size_t i = 0; i < in.numbers.size(); ++i) out.buckets[i] = in.numbers[i] & (d - 1);
}

// A multiplication by the reciprocal, two shifts, a multiplication back. GCC makes it SSE2.
void reciprocal(const Input& in, Output& out) {
  const Reciprocal r = reciprocal_of(in.divisor);
  for (std::size_t i = 0; i < in.numbers.size(); ++i) out.buckets[i] = remainder(in.numbers[i], r);
}

// The fraction of x / d in 64 bits, times d: no quotient on the way. Two multiplications, and
// fewest instructions without SIMD.
void fastmod(const Input& in, Output& out) {
  const std::uint64_t d = in.divisor;
  const std::uint64_t inverse = ~std::uint64_t{0} / d + 1;  // 2^64 / d, rounded up; 0 for 1
  for (std::size_t i = 0; i < in.numbers.size(); ++i) {
    const std::uint64_t fraction = inverse * in.numbers[i];
    out.buckets[i] =
        static_cast<std::uint32_t>((static_cast<unsigned __int128>(fraction) * d) >> 64);
  }
}

// As even as a remainder for numbers that are, in one multiplication: where the buckets of a hash
// table are free to choose.
void fastrange(const Input& in, Output& out) {
  const std::uint64_t d = in.divisor;
  for (std::size_t i = 0; i < in.numbers.size(); ++i)
    out.buckets[i] = static_cast<std::uint32_t>((in.numbers[i] * d) >> 32);
  out.ranged = true;
}

void highway(const Input& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(Modulo)
  (in.numbers.data(), in.numbers.size(), reciprocal_of(in.divisor), out.buckets.data());
}

constexpr Variant<ModuloProblem> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "x % d: a division for each number"},
    {.name = "mask",
     .run = run<mask>,
     .what = "x & (d - 1) where d is a power of two; x % d where it isn't"},
    {.name = "fastmod",
     .run = run<fastmod>,
     .what = "the fraction of x / d in 64 bits, times d: two multiplications, scalar"},
    {.name = "reciprocal",
     .run = run<reciprocal>,
     .what = "multiply by a 33-bit reciprocal and back; the compiler makes it SSE2"},
    {.name = "fastrange",
     .run = run<fastrange>,
     .what = "x * d / 2^32: other buckets, as even, one multiplication"},
    {.name = "highway",
     .run = run<highway>,
     .what = "the reciprocal on the widest vectors of the host"},
};

const Registrar kRegistrar({.name = "computation/modulo",
                            .axis = Axis::kScalar,
                            .technique = "one division for a divisor, not one for each number",
                            .sizes = {4096, 65536, 1 << 19, 8 << 20},
                            .headline = {4096, 1 << 19},
                            .ceiling = {"machine/copy"},
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .bytes = 8 * n,
                                                .working_set = 8 * s.n,
                                                .memory = 7 * 4 * s.n};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
