// computation/modulo: which of d buckets a number belongs to, d known at run time only.
//
// In: n random 32-bit numbers (hashes) and a divisor. Out: for each x % d. Exact.
//
// A division takes 10 to 20 cycles, is hardly pipelined, and there is none for vectors. For a
// divisor that stays the same one division is enough, for its reciprocal: Granlund and Montgomery,
// "Division by invariant integers using multiplication" (1994); Lemire, Kaser and Kurz, "Faster
// remainder by direct computation" (2019). Compilers do so themselves where the divisor is a
// constant. Where any even way to deal out hashes will do, computation/fastrange needs no
// remainder.
#include <bit>
#include <cstdint>

#include "computation/buckets.h"
#include "core/kernel.h"

namespace headroom {
namespace {

struct Modulo : DealtOut {
  static constexpr auto kInputs = inputs("prime", "power_of_two");
  static Input make(const Setting& setting, Rng& rng) {
    const bool power = setting.input == kInputs["power_of_two"];
    return hashes(setting.n, power ? 1u << 20 : 1000003, rng);
  }
  static Input from(std::span<const std::uint8_t> bytes) {
    Input in = hashes(bytes);
    if (in.buckets == 0) in.buckets = 1;
    return in;
  }
};
using Input = Modulo::Input;
using Output = Modulo::Output;

void naive(const Input& in, Output& out) {
  for (std::size_t i = 0; i < in.numbers.size(); ++i) out[i] = in.numbers[i] % in.buckets;
}

// Where the divisor is known to be a power of two the remainder is its lower bits.
void mask(const Input& in, Output& out) {
  const std::uint32_t d = in.buckets;
  if (!std::has_single_bit(d)) return naive(in, out);
  for (std::size_t i = 0; i < in.numbers.size(); ++i) out[i] = in.numbers[i] & (d - 1);
}

// The fraction of x / d in 64 bits, times d: no quotient on the way. Two multiplications, and
// fewest instructions without SIMD.
void fastmod(const Input& in, Output& out) {
  const std::uint64_t d = in.buckets;
  const std::uint64_t inverse = ~std::uint64_t{0} / d + 1;  // 2^64 / d, rounded up; 0 for 1
  for (std::size_t i = 0; i < in.numbers.size(); ++i) {
    const std::uint64_t fraction = inverse * in.numbers[i];
    out[i] = static_cast<std::uint32_t>((static_cast<unsigned __int128>(fraction) * d) >> 64);
  }
}

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

// A multiplication by the reciprocal, two shifts, a multiplication back. GCC makes it SSE2.
void reciprocal(const Input& in, Output& out) {
  const Reciprocal r = reciprocal_of(in.buckets);
  for (std::size_t i = 0; i < in.numbers.size(); ++i) out[i] = remainder(in.numbers[i], r);
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "computation/modulo-inl.h"
#include "computation/modulo-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(Remainders);

void highway(const Input& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(Remainders)
  (in.numbers.data(), in.numbers.size(), reciprocal_of(in.buckets), out.data());
}

constexpr Variant<Modulo> kVariants[] = {
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
                            .demand = [](const Setting& s) { return dealing_out(s.n, 5); }},
                           kVariants);

}  // namespace
}  // namespace headroom
