// layout/alignment: add up an array whose vectors straddle cache lines, and one whose don't.
//
// n 64-bit numbers that begin 8 bytes after the start of a line. Out: their sum modulo 2^64; the
// numbers are random, so one left out, taken twice or read askew shows. All variants add whole
// vectors, the widest of the host: a load that straddles two lines is two accesses to L1. With
// vectors of 64 bytes that is every load, with 32 bytes every second, with 16 every fourth.
//
// From L2 on the lines are on their way anyway, and what is counted is lines, not loads.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "layout/alignment.cpp"
#include "support/simd.h"

#if HWY_ONCE
#include <algorithm>

#include "core/kernel.h"

namespace headroom {
namespace {

// n numbers, of which the first lies `after` numbers after the start of a line.
class Numbers {
 public:
  Numbers(std::size_t n, std::size_t after) : memory_(n + 16), n_(n) {
    const auto past = reinterpret_cast<std::uintptr_t>(memory_.data()) / 8 % 8;
    begin_ = (8 - past) % 8 + after;
  }
  std::uint64_t* data() { return memory_.data() + begin_; }
  const std::uint64_t* data() const { return memory_.data() + begin_; }
  std::size_t size() const { return n_; }

 private:
  Buffer<std::uint64_t> memory_;
  std::size_t n_;
  std::size_t begin_;
};

struct Alignment {
  using Input = Numbers;
  using Output = std::uint64_t;

  static Input make(const Setting& setting, Rng& rng) {
    Input x(setting.n, 1);
    FastRng fast(rng());
    for (std::size_t i = 0; i < setting.n; ++i) x.data()[i] = fast();
    return x;
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// The sum of the n numbers at x. Eight vectors of sums, so that no add waits for another.
HWY_INLINE uint64_t Sum(const uint64_t* HWY_RESTRICT x, size_t n) {
  const hn::ScalableTag<uint64_t> d;
  const size_t lanes = hn::Lanes(d);
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  size_t i = 0;
  for (; i + 8 * lanes <= n; i += 8 * lanes) {
    s0 = hn::Add(s0, hn::LoadU(d, x + i));
    s1 = hn::Add(s1, hn::LoadU(d, x + i + lanes));
    s2 = hn::Add(s2, hn::LoadU(d, x + i + 2 * lanes));
    s3 = hn::Add(s3, hn::LoadU(d, x + i + 3 * lanes));
    s4 = hn::Add(s4, hn::LoadU(d, x + i + 4 * lanes));
    s5 = hn::Add(s5, hn::LoadU(d, x + i + 5 * lanes));
    s6 = hn::Add(s6, hn::LoadU(d, x + i + 6 * lanes));
    s7 = hn::Add(s7, hn::LoadU(d, x + i + 7 * lanes));
  }
  for (; i + lanes <= n; i += lanes) s0 = hn::Add(s0, hn::LoadU(d, x + i));
  s0 =
      hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), hn::Add(hn::Add(s4, s5), hn::Add(s6, s7)));
  uint64_t sum = SumLanes(d, s0);
  for (; i < n; ++i) sum += x[i];
  return sum;
}

}  // namespace

uint64_t SumWhereItLies(const uint64_t* HWY_RESTRICT x, size_t n) { return Sum(x, n); }

// The numbers before the first boundary one by one, the rest from there.
uint64_t SumPeeled(const uint64_t* HWY_RESTRICT x, size_t n) {
  uint64_t sum = 0;
  for (; n != 0 && reinterpret_cast<uintptr_t>(x) % 64 != 0; --n) sum += *x++;
  return sum + Sum(x, n);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
namespace {

HWY_EXPORT(SumWhereItLies);
HWY_EXPORT(SumPeeled);

// Vectors from the first number on.
void naive(const Numbers& x, std::uint64_t& out) {
  out = HWY_DYNAMIC_DISPATCH(SumWhereItLies)(x.data(), x.size());
}

// A few numbers one by one, so that the vectors after them straddle no line.
void peeled(const Numbers& x, std::uint64_t& out) {
  out = HWY_DYNAMIC_DISPATCH(SumPeeled)(x.data(), x.size());
}

// A copy at the start of a line, made untimed: what an aligned allocation gives for nothing.
struct Aligned {
  explicit Aligned(const Numbers& from) : x(from.size(), 0) {
    std::copy_n(from.data(), from.size(), x.data());
  }
  Numbers x;
};

void aligned(const Aligned& state, const Numbers&, std::uint64_t& out) {
  out = HWY_DYNAMIC_DISPATCH(SumWhereItLies)(state.x.data(), state.x.size());
}

constexpr Variant<Alignment> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what =
         "vectors from the first number on: with 64-byte vectors each load straddles two lines"},
    {.name = "peeled",
     .run = run<peeled>,
     .what = "the first few numbers one by one, then vectors from the next line on"},
    {.name = "aligned",
     .run = run<aligned>,
     .what = "the array itself at the start of a line: nothing to peel"},
};

const Registrar kRegistrar({.name = "layout/alignment",
                            .axis = Axis::kCache,
                            .technique = "no load across the boundary of a line",
                            .sizes = {4096, 65536, 393216, 8 << 20},
                            .headline = {4096, 65536},
                            .ceiling = {"machine/read"},
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = 8 * static_cast<double>(s.n),
                                                .working_set = 8 * s.n,
                                                .memory = 16 * (s.n + 16)};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
