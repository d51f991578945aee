// computation/fastrange: deal out 32-bit hashes to d buckets, each a range of hashes.
//
// In: n random 32-bit numbers (hashes) and d, up to 2^21, known at run time only. Out: for each x
// the bucket x * d / 2^32, rounded down: 0 to d - 1. Exact.
//
// As even as a remainder is for numbers that are, and in the order of the hashes. As a fraction of
// the whole range, times d, it takes two conversions between integers and doubles; as a number with
// 32 bits behind the point, one multiplication and a shift (Lemire, "Fast random integer generation
// in an interval", 2019). Which of d buckets a remainder gives is computation/modulo.
#include "computation/buckets.h"
#include "core/kernel.h"

namespace headroom {
namespace {

struct Fastrange : DealtOut {
  static Input make(const Setting& setting, Rng& rng) { return hashes(setting.n, 1000003, rng); }
  static Input from(std::span<const std::uint8_t> bytes) {
    Input in = hashes(bytes);
    in.buckets = in.buckets % (std::uint32_t{1} << 21) + 1;
    return in;
  }
};
using Input = Fastrange::Input;
using Output = Fastrange::Output;

// Exact: x / 2^32 is, and its 32 bits times the 21 of d fill a double's 53.
void naive(const Input& in, Output& out) {
  const double d = in.buckets;
  for (std::size_t i = 0; i < in.numbers.size(); ++i)
    out[i] = static_cast<std::uint32_t>(in.numbers[i] / 4294967296.0 * d);
}

// The product has 64 bits, of which the upper half is the bucket.
void fixed_point(const Input& in, Output& out) {
  const std::uint64_t d = in.buckets;
  for (std::size_t i = 0; i < in.numbers.size(); ++i)
    out[i] = static_cast<std::uint32_t>((in.numbers[i] * d) >> 32);
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "computation/fastrange-inl.h"
#include "computation/fastrange-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(DealOut);

void highway(const Input& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(DealOut)(in.numbers.data(), in.numbers.size(), in.buckets, out.data());
}

constexpr Variant<Fastrange> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "the hash as a fraction of its range, times d: to a double and back"},
    {.name = "fixed_point",
     .run = run<fixed_point>,
     .what = "the upper half of a 64-bit product; the compiler makes it SSE2"},
    {.name = "highway",
     .run = run<highway>,
     .what = "the same product on the widest vectors of the host"},
};

const Registrar kRegistrar({.name = "computation/fastrange",
                            .axis = Axis::kScalar,
                            .technique = "a fraction as an integer with its point in the middle",
                            .sizes = {4096, 65536, 1 << 19, 8 << 20},
                            .headline = {4096, 1 << 19},
                            .ceiling = {"machine/copy"},
                            .demand = [](const Setting& s) { return dealing_out(s.n, 3); }},
                           kVariants);

}  // namespace
}  // namespace headroom
