// machine/int_add: 32-bit integer adds a second, on the widest vectors.
//
// Twelve independent chains, as in machine/fma: cores have up to four vector adders of one or two
// cycles. Every lane adds 1, so it counts its own adds, and the sum over all lanes is known: n.
#include <cstddef>
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "machine/int_add.cpp"
#include "core/opaque.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// The sum over all lanes of how far v is from its start.
template <class D, class V>
HWY_INLINE uint64_t Counted(D d, V v, uint32_t start) {
  HWY_ALIGN uint32_t lanes[hn::MaxLanes(d)];
  hn::Store(v, d, lanes);
  uint64_t sum = 0;
  for (size_t i = 0; i < hn::Lanes(d); ++i) sum += lanes[i] - start;
  return sum;
}

// Makes `adds` lane-wise adds of 1 (`ones`: a vector of them) and returns how many were made, as
// the lanes counted them. The chains start from 12 numbers that the compiler does not know: where
// it can tell that two are alike, it computes one for both.
uint64_t Adds(const uint32_t* start, const uint32_t* ones, size_t adds) {
  const hn::ScalableTag<uint32_t> d;
  const size_t block = 12 * hn::Lanes(d);
  auto x0 = hn::Set(d, start[0]);
  auto x1 = hn::Set(d, start[1]);
  auto x2 = hn::Set(d, start[2]);
  auto x3 = hn::Set(d, start[3]);
  auto x4 = hn::Set(d, start[4]);
  auto x5 = hn::Set(d, start[5]);
  auto x6 = hn::Set(d, start[6]);
  auto x7 = hn::Set(d, start[7]);
  auto x8 = hn::Set(d, start[8]);
  auto x9 = hn::Set(d, start[9]);
  auto x10 = hn::Set(d, start[10]);
  auto x11 = hn::Set(d, start[11]);
  for (; adds >= block; adds -= block) {
    // Read anew each time: compilers know that x + k + k is x + 2k. Whole, since to broadcast one
    // takes a turn of an adder.
    sink(*ones);
    const auto k = hn::LoadU(d, ones);
    x0 = hn::Add(x0, k);
    x1 = hn::Add(x1, k);
    x2 = hn::Add(x2, k);
    x3 = hn::Add(x3, k);
    x4 = hn::Add(x4, k);
    x5 = hn::Add(x5, k);
    x6 = hn::Add(x6, k);
    x7 = hn::Add(x7, k);
    x8 = hn::Add(x8, k);
    x9 = hn::Add(x9, k);
    x10 = hn::Add(x10, k);
    x11 = hn::Add(x11, k);
  }
  uint64_t made = 0;
  made += Counted(d, x0, start[0]);
  made += Counted(d, x1, start[1]);
  made += Counted(d, x2, start[2]);
  made += Counted(d, x3, start[3]);
  made += Counted(d, x4, start[4]);
  made += Counted(d, x5, start[5]);
  made += Counted(d, x6, start[6]);
  made += Counted(d, x7, start[7]);
  made += Counted(d, x8, start[8]);
  made += Counted(d, x9, start[9]);
  made += Counted(d, x10, start[10]);
  made += Counted(d, x11, start[11]);
  for (; adds != 0; --adds) made = opaque(made + ones[0]);
  return made;
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <atomic>

#include "core/kernel.h"
#include "support/team.h"

namespace headroom {
namespace {

HWY_EXPORT(Adds);

constexpr std::size_t kMostLanes = 64;  // SVE's 2048 bits

struct IntAdd {
  struct Input {
    std::size_t adds = 0;
    std::uint32_t start[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    std::uint32_t ones[kMostLanes];
  };
  using Output = std::uint64_t;

  static Input make(const Setting& setting, Rng&) {
    Input in{setting.n};
    std::fill(std::begin(in.ones), std::end(in.ones), 1);
    return in;
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (absl::Status status = exact<std::uint64_t>(in.adds, want); !status.ok()) return status;
    return exact(want, got);
  }
};

struct Ready {
  Ready(const IntAdd::Input&, const Setting& setting) : team(setting.threads) {}
  Team team;
};

void probe(Ready& ready, const IntAdd::Input& in, std::uint64_t& out) {
  // Whole blocks of every vector length.
  constexpr std::size_t kUnit = 12 * kMostLanes;
  const int count = ready.team.count();
  std::atomic<std::uint64_t> made{0};
  ready.team.run([&](int thread) {
    const std::size_t adds = share(in.adds, kUnit, thread, count).size();
    made += HWY_DYNAMIC_DISPATCH(Adds)(in.start, in.ones, adds);
  });
  out = made;
}

constexpr Variant<IntAdd> kVariants[] = {
    {.name = "probe",
     .run = run<probe>,
     .what = "twelve chains of vector adds: enough to keep four adders of two cycles busy"},
};

const Registrar kRegistrar(
    {.name = "machine/int_add",
     .axis = Axis::kSimd,
     .technique = "peak integer rate: independent adds on the widest vectors",
     .sizes = {12 << 20},
     .headline = {12 << 20},
     .sweeps_threads = true,
     .unit = "Hz",
     .demand = [](const Setting& s) { return Demand{.items = static_cast<double>(s.n)}; },
     .test_sizes = {1, 2, 3, 31, 383, 384, 385, 1535, 1536, 1537, 4099, 100'000}},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
