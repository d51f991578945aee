// machine/read: bytes a second that loads take in, by working set.
//
// n bytes in all, shared out evenly to the threads; small sets are gone over many times a call.
// Every byte is loaded whole vectors at a time and added into one of eight sums, so that adding
// never waits. Out: the sum of all 8-byte words over all passes.
#include <cstddef>
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "machine/read.cpp"
#include "core/opaque.h"
#include "core/simd.h"
#include "hwy/cache_control.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// The sum of `passes` times the words of x.
uint64_t ReadPlain(const uint64_t* HWY_RESTRICT x, size_t words, size_t passes) {
  const hn::ScalableTag<uint64_t> d;
  const size_t lanes = hn::Lanes(d);
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  uint64_t sum = 0;
  for (; passes != 0; --passes) {
    size_t i = 0;
    for (; i + 8 * lanes <= words; i += 8 * lanes) {
      s0 = hn::Add(s0, hn::LoadU(d, x + i));
      s1 = hn::Add(s1, hn::LoadU(d, x + i + lanes));
      s2 = hn::Add(s2, hn::LoadU(d, x + i + 2 * lanes));
      s3 = hn::Add(s3, hn::LoadU(d, x + i + 3 * lanes));
      s4 = hn::Add(s4, hn::LoadU(d, x + i + 4 * lanes));
      s5 = hn::Add(s5, hn::LoadU(d, x + i + 5 * lanes));
      s6 = hn::Add(s6, hn::LoadU(d, x + i + 6 * lanes));
      s7 = hn::Add(s7, hn::LoadU(d, x + i + 7 * lanes));
    }
    for (; i + lanes <= words; i += lanes) s0 = hn::Add(s0, hn::LoadU(d, x + i));
    for (; i < words; ++i) sum += x[i];
    sink(*x);  // or the compiler might read once for all passes
  }
  s0 =
      hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), hn::Add(hn::Add(s4, s5), hn::Add(s6, s7)));
  return sum + SumLanes(d, s0);
}

// The same from four places at once: more of the hardware's prefetchers, and of the memory's banks,
// are busy.
uint64_t ReadStreams(const uint64_t* HWY_RESTRICT x, size_t words, size_t passes) {
  const hn::ScalableTag<uint64_t> d;
  const size_t lanes = hn::Lanes(d);
  const size_t quarter = words / 4 / (2 * lanes) * (2 * lanes);
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  uint64_t sum = 0;
  for (; passes != 0; --passes) {
    const uint64_t* HWY_RESTRICT x1 = x + quarter;
    const uint64_t* HWY_RESTRICT x2 = x1 + quarter;
    const uint64_t* HWY_RESTRICT x3 = x2 + quarter;
    for (size_t i = 0; i < quarter; i += 2 * lanes) {
      s0 = hn::Add(s0, hn::LoadU(d, x + i));
      s1 = hn::Add(s1, hn::LoadU(d, x + i + lanes));
      s2 = hn::Add(s2, hn::LoadU(d, x1 + i));
      s3 = hn::Add(s3, hn::LoadU(d, x1 + i + lanes));
      s4 = hn::Add(s4, hn::LoadU(d, x2 + i));
      s5 = hn::Add(s5, hn::LoadU(d, x2 + i + lanes));
      s6 = hn::Add(s6, hn::LoadU(d, x3 + i));
      s7 = hn::Add(s7, hn::LoadU(d, x3 + i + lanes));
    }
    size_t i = 4 * quarter;
    for (; i + lanes <= words; i += lanes) s0 = hn::Add(s0, hn::LoadU(d, x + i));
    for (; i < words; ++i) sum += x[i];
    sink(*x);
  }
  s0 =
      hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), hn::Add(hn::Add(s4, s5), hn::Add(s6, s7)));
  return sum + SumLanes(d, s0);
}

constexpr size_t kAhead = 512;  // words

// The same with every line asked for 4 KiB ahead: some hardware prefetchers stop at a page's end,
// or fetch into level 2 only.
uint64_t ReadPrefetch(const uint64_t* HWY_RESTRICT x, size_t words, size_t passes) {
  const hn::ScalableTag<uint64_t> d;
  const size_t lanes = hn::Lanes(d);
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  uint64_t sum = 0;
  for (; passes != 0; --passes) {
    size_t i = 0;
    for (; i + 8 * lanes <= words; i += 8 * lanes) {
      for (size_t line = 0; line < 8 * lanes; line += 8) hwy::Prefetch(x + i + line + kAhead);
      s0 = hn::Add(s0, hn::LoadU(d, x + i));
      s1 = hn::Add(s1, hn::LoadU(d, x + i + lanes));
      s2 = hn::Add(s2, hn::LoadU(d, x + i + 2 * lanes));
      s3 = hn::Add(s3, hn::LoadU(d, x + i + 3 * lanes));
      s4 = hn::Add(s4, hn::LoadU(d, x + i + 4 * lanes));
      s5 = hn::Add(s5, hn::LoadU(d, x + i + 5 * lanes));
      s6 = hn::Add(s6, hn::LoadU(d, x + i + 6 * lanes));
      s7 = hn::Add(s7, hn::LoadU(d, x + i + 7 * lanes));
    }
    for (; i + lanes <= words; i += lanes) s0 = hn::Add(s0, hn::LoadU(d, x + i));
    for (; i < words; ++i) sum += x[i];
    sink(*x);
  }
  s0 =
      hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), hn::Add(hn::Add(s4, s5), hn::Add(s6, s7)));
  return sum + SumLanes(d, s0);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "machine/bandwidth.h"

namespace headroom {
namespace {

HWY_EXPORT(ReadPlain);
HWY_EXPORT(ReadStreams);
HWY_EXPORT(ReadPrefetch);

struct Read {
  struct Input {
    machine::Sweep sweep;
    std::uint64_t seed = 0;
    std::uint64_t total = 0;  // of the words, over all passes
    std::uint64_t word(std::size_t i) const { return (seed + i) * 0x9e3779b97f4a7c15; }
  };
  using Output = std::uint64_t;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{machine::sweep(setting.n, 1), rng()};
    for (std::size_t i = 0; i < in.sweep.items; ++i) in.total += in.word(i);
    in.total *= in.sweep.passes;
    return in;
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (absl::Status status = exact(in.total, want); !status.ok()) return status;
    return exact(want, got);
  }
};

struct Memory {
  explicit Memory(const Read::Input& in) : words(team, in.sweep.items) {
    words.fill([&](std::size_t i) { return in.word(i); });
  }
  Team team;
  machine::Pieces<std::uint64_t> words;
};

template <class Function>
std::uint64_t read_all(Memory& memory, const Read::Input& in, Function read) {
  std::atomic<std::uint64_t> total{0};
  memory.team.run([&](int thread) {
    const Buffer<std::uint64_t>& piece = memory.words[thread];
    total += read(piece.data(), piece.size(), in.sweep.passes);
  });
  return total;
}

void plain(Memory& memory, const Read::Input& in, std::uint64_t& out) {
  out = read_all(memory, in, HWY_DYNAMIC_DISPATCH(ReadPlain));
}

void streams(Memory& memory, const Read::Input& in, std::uint64_t& out) {
  out = read_all(memory, in, HWY_DYNAMIC_DISPATCH(ReadStreams));
}

void prefetch(Memory& memory, const Read::Input& in, std::uint64_t& out) {
  out = read_all(memory, in, HWY_DYNAMIC_DISPATCH(ReadPrefetch));
}

constexpr Variant<Read> kVariants[] = {
    {.name = "plain", .run = run<plain>, .what = "from the first byte to the last"},
    {.name = "streams", .run = run<streams>, .what = "from four places at once"},
    {.name = "prefetch", .run = run<prefetch>, .what = "every line asked for 4 KiB ahead"},
};

const Registrar kRegistrar(
    {.name = "machine/read",
     .axis = Axis::kMemoryBandwidth,
     .technique = "read bandwidth of a cache level or of memory, one thread and all",
     .sizes = {16 << 10, 512 << 10, 3 << 20, 64 << 20, 256 << 20},
     .headline = {16 << 10, 512 << 10, 3 << 20, 64 << 20},
     .sweeps_threads = true,
     .warm = Warm::kCall,
     .unit = "B/s",
     .demand =
         [](const Setting& s) {
           return machine::sweep_demand(machine::sweep(s.n, 1), std::size(kVariants));
         },
     .test_sizes = {1, 7, 4096, 4097, 20'001}},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
