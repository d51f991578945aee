// machine/read: bytes a second that loads take in, by working set.
//
// n bytes in all, shared out evenly to the threads; small sets are gone over many times a call.
// Every byte is loaded whole vectors at a time and added into one of eight sums, so that adding
// never waits. Out: the sum of all 8-byte words over all passes.
#include <cstddef>
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "machine/read.cpp"
#include "core/opaque.h"
#include "support/prefetch-inl.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// The sum of `passes` times the words of x, read from `kStreams` places at once (1, 2, 4), every
// line asked for `kAhead` bytes before it is read (0: not). A round of the loop reads `kEach`
// vectors in each place, and goes from place to place vector by vector.
template <size_t kStreams, size_t kEach, size_t kAhead>
uint64_t ReadWords(const uint64_t* HWY_RESTRICT x, size_t words, size_t passes) {
  const hn::ScalableTag<uint64_t> d;
  const size_t lanes = hn::Lanes(d);
  const size_t step = kEach * lanes;
  const size_t part = words / kStreams / step * step;
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  uint64_t sum = 0;
  for (; passes != 0; --passes) {
    for (size_t i = 0; i < part; i += step) {
      if constexpr (kAhead != 0) {
        for (size_t stream = 0; stream < kStreams; ++stream)
          prefetch_lines(x + stream * part + i, kAhead, step * sizeof(uint64_t));
      }
      for (size_t first = 0; first < kStreams * kEach; first += 8) {
        const auto vector = [&](size_t k) HWY_ATTR {
          return hn::LoadU(d,
                           x + (first + k) % kStreams * part + i + (first + k) / kStreams * lanes);
        };
        s0 = hn::Add(s0, vector(0));
        s1 = hn::Add(s1, vector(1));
        s2 = hn::Add(s2, vector(2));
        s3 = hn::Add(s3, vector(3));
        s4 = hn::Add(s4, vector(4));
        s5 = hn::Add(s5, vector(5));
        s6 = hn::Add(s6, vector(6));
        s7 = hn::Add(s7, vector(7));
      }
    }
    size_t i = kStreams * part;
    for (; i + lanes <= words; i += lanes) s0 = hn::Add(s0, hn::LoadU(d, x + i));
    for (; i < words; ++i) sum += x[i];
    sink(*x);  // or the compiler might read once for all passes
  }
  s0 =
      hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), hn::Add(hn::Add(s4, s5), hn::Add(s6, s7)));
  return sum + SumLanes(d, s0);
}

uint64_t ReadPlain(const uint64_t* x, size_t words, size_t passes) {
  return ReadWords<1, 8, 0>(x, words, passes);
}
uint64_t ReadAhead(const uint64_t* x, size_t words, size_t passes) {
  return ReadWords<1, 8, 4096>(x, words, passes);
}
uint64_t ReadTwo(const uint64_t* x, size_t words, size_t passes) {
  return ReadWords<2, 8, 0>(x, words, passes);
}
uint64_t ReadFour(const uint64_t* x, size_t words, size_t passes) {
  return ReadWords<4, 2, 0>(x, words, passes);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "machine/bandwidth.h"

namespace headroom {
namespace {

constexpr std::size_t kSettling = 4;  // passes, at least

HWY_EXPORT(ReadPlain);
HWY_EXPORT(ReadAhead);
HWY_EXPORT(ReadTwo);
HWY_EXPORT(ReadFour);

struct Read {
  struct Input {
    machine::Sweep sweep;
    std::uint64_t seed = 0;
    std::uint64_t total = 0;  // of the words, over all passes
    std::uint64_t word(std::size_t i) const { return (seed + i) * 0x9e3779b97f4a7c15; }
  };
  using Output = std::uint64_t;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{machine::sweep(setting.n, 1, kSettling), rng()};
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
  Memory(const Read::Input& in, const Setting& setting)
      : team(setting.threads),
        words(machine::read_only<std::uint64_t>(team, in.sweep.items, in.seed,
                                                [&](std::size_t i) { return in.word(i); })) {}
  Team team;
  std::shared_ptr<const machine::Pieces<std::uint64_t>> words;
};

template <class Function>
std::uint64_t read_all(Memory& memory, const Read::Input& in, Function read) {
  std::atomic<std::uint64_t> total{0};
  memory.team.run([&](int thread) {
    const Buffer<std::uint64_t>& piece = (*memory.words)[thread];
    total += read(piece.data(), piece.size(), in.sweep.passes);
  });
  return total;
}

void plain(Memory& memory, const Read::Input& in, std::uint64_t& out) {
  out = read_all(memory, in, HWY_DYNAMIC_DISPATCH(ReadPlain));
}

// The hardware's prefetcher starts over at each page's end, and keeps a few lines under way.
void ahead(Memory& memory, const Read::Input& in, std::uint64_t& out) {
  out = read_all(memory, in, HWY_DYNAMIC_DISPATCH(ReadAhead));
}

// More of the prefetchers, and of the memory's banks, are busy.
void two(Memory& memory, const Read::Input& in, std::uint64_t& out) {
  out = read_all(memory, in, HWY_DYNAMIC_DISPATCH(ReadTwo));
}

void four(Memory& memory, const Read::Input& in, std::uint64_t& out) {
  out = read_all(memory, in, HWY_DYNAMIC_DISPATCH(ReadFour));
}

constexpr Variant<Read> kVariants[] = {
    {.name = "plain", .run = run<plain>, .what = "from the first byte to the last"},
    {.name = "ahead", .run = run<ahead>, .what = "every line prefetched 4 KiB ahead"},
    {.name = "two", .run = run<two>, .what = "from two places at once"},
    {.name = "four", .run = run<four>, .what = "from four places at once"},
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
           return machine::sweep_demand(machine::sweep(s.n, 1, kSettling), 0, std::size(kVariants));
         },
     .test_sizes = {1, 7, 4096, 4097, 20'001}},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
