// machine/copy: bytes a second of a copy, read and written together, by working set.
//
// Source and destination are n bytes together, shared out evenly to the threads; small ones are
// copied many times a call. Two bytes count for each byte copied, as in STREAM: not the lines that
// a plain store reads before it writes them. Out: the destination.
#include <cstddef>
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "machine/copy.cpp"
#include "core/opaque.h"
#include "hwy/cache_control.h"
#include "support/prefetch-inl.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// Copies `words` words, `passes` times.
void CopyPlain(const uint64_t* HWY_RESTRICT from, uint64_t* HWY_RESTRICT to, size_t words,
               size_t passes) {
  const hn::ScalableTag<uint64_t> d;
  const size_t lanes = hn::Lanes(d);
  for (; passes != 0; --passes) {
    size_t i = 0;
    for (; i + 8 * lanes <= words; i += 8 * lanes) {
      hn::StoreU(hn::LoadU(d, from + i), d, to + i);
      hn::StoreU(hn::LoadU(d, from + i + lanes), d, to + i + lanes);
      hn::StoreU(hn::LoadU(d, from + i + 2 * lanes), d, to + i + 2 * lanes);
      hn::StoreU(hn::LoadU(d, from + i + 3 * lanes), d, to + i + 3 * lanes);
      hn::StoreU(hn::LoadU(d, from + i + 4 * lanes), d, to + i + 4 * lanes);
      hn::StoreU(hn::LoadU(d, from + i + 5 * lanes), d, to + i + 5 * lanes);
      hn::StoreU(hn::LoadU(d, from + i + 6 * lanes), d, to + i + 6 * lanes);
      hn::StoreU(hn::LoadU(d, from + i + 7 * lanes), d, to + i + 7 * lanes);
    }
    for (; i + lanes <= words; i += lanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
    for (; i < words; ++i) to[i] = from[i];
    sink(*to);  // or the compiler might drop all passes but the last
  }
}

// The same past the caches: whole lines go to memory, and none is read first. Lines of the source
// are asked for `kAhead` bytes before they are read (0: not).
template <size_t kAhead>
void CopyStreaming(const uint64_t* HWY_RESTRICT from, uint64_t* HWY_RESTRICT to, size_t words,
                   size_t passes) {
  const hn::ScalableTag<uint64_t> d;
  const size_t lanes = hn::Lanes(d);
  const size_t unaligned = items_to_alignment(to, words, lanes * sizeof(uint64_t));
  for (; passes != 0; --passes) {
    size_t i = 0;
    for (; i < unaligned; ++i) to[i] = from[i];
    for (; i + 8 * lanes <= words; i += 8 * lanes) {
      if constexpr (kAhead != 0) prefetch_lines(from + i, kAhead, 8 * lanes * sizeof(uint64_t));
      hn::Stream(hn::LoadU(d, from + i), d, to + i);
      hn::Stream(hn::LoadU(d, from + i + lanes), d, to + i + lanes);
      hn::Stream(hn::LoadU(d, from + i + 2 * lanes), d, to + i + 2 * lanes);
      hn::Stream(hn::LoadU(d, from + i + 3 * lanes), d, to + i + 3 * lanes);
      hn::Stream(hn::LoadU(d, from + i + 4 * lanes), d, to + i + 4 * lanes);
      hn::Stream(hn::LoadU(d, from + i + 5 * lanes), d, to + i + 5 * lanes);
      hn::Stream(hn::LoadU(d, from + i + 6 * lanes), d, to + i + 6 * lanes);
      hn::Stream(hn::LoadU(d, from + i + 7 * lanes), d, to + i + 7 * lanes);
    }
    for (; i + lanes <= words; i += lanes) hn::Stream(hn::LoadU(d, from + i), d, to + i);
    for (; i < words; ++i) to[i] = from[i];
    sink(*to);
  }
  hwy::FlushStream();
}

void CopyNonTemporal(const uint64_t* from, uint64_t* to, size_t words, size_t passes) {
  CopyStreaming<0>(from, to, words, passes);
}
void CopyNonTemporalAhead(const uint64_t* from, uint64_t* to, size_t words, size_t passes) {
  CopyStreaming<16384>(from, to, words, passes);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cstring>
#include <memory>

#include "machine/bandwidth.h"

namespace headroom {
namespace {

constexpr std::size_t kSettling = 4;  // passes, at least

HWY_EXPORT(CopyPlain);
HWY_EXPORT(CopyNonTemporal);
HWY_EXPORT(CopyNonTemporalAhead);

struct Copy {
  struct Input {
    machine::Sweep sweep;
    std::uint64_t seed = 0;
    std::uint64_t word(std::size_t i) const { return (seed + i) * 0x9e3779b97f4a7c15; }
  };
  struct Output {
    std::unique_ptr<Team> team;
    std::shared_ptr<const machine::Pieces<std::uint64_t>> from;
    machine::Pieces<std::uint64_t> to;
    void poison() { to.poison(); }
    bool spoil(Spoil how) { return to.spoil(how); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    return {machine::sweep(setting.n, 2, kSettling), rng()};
  }
  static void size(const Input& in, Output& out, const Setting& setting) {
    out.team = std::make_unique<Team>(setting.threads);
    out.from = machine::read_only<std::uint64_t>(*out.team, in.sweep.items, in.seed,
                                                 [&](std::size_t i) { return in.word(i); });
    out.to = machine::Pieces<std::uint64_t>(*out.team, in.sweep.items);
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    const auto value = [&](std::size_t i) { return in.word(i); };
    if (absl::Status status = want.to.check(value); !status.ok()) return status;
    return got.to.check(value);
  }
};

template <class Function>
void copy_all(const Copy::Input& in, Copy::Output& out, Function copy) {
  out.team->run([&](int thread) {
    const Buffer<std::uint64_t>& from = (*out.from)[thread];
    copy(from.data(), out.to[thread].data(), from.size(), in.sweep.passes);
  });
}

void plain(const Copy::Input& in, Copy::Output& out) {
  copy_all(in, out, HWY_DYNAMIC_DISPATCH(CopyPlain));
}

void non_temporal(const Copy::Input& in, Copy::Output& out) {
  copy_all(in, out, HWY_DYNAMIC_DISPATCH(CopyNonTemporal));
}

void non_temporal_ahead(const Copy::Input& in, Copy::Output& out) {
  copy_all(in, out, HWY_DYNAMIC_DISPATCH(CopyNonTemporalAhead));
}

// The C library picks its way by size: vectors, streaming stores, or the processor's own string
// instruction.
void library(const Copy::Input& in, Copy::Output& out) {
  copy_all(in, out,
           [](const std::uint64_t* from, std::uint64_t* to, std::size_t words, std::size_t passes) {
             for (; passes != 0; --passes) {
               if (words != 0) std::memcpy(to, from, 8 * words);
               sink(*to);
             }
           });
}

#if defined(__x86_64__)
void string_move(const Copy::Input& in, Copy::Output& out) {
  copy_all(in, out,
           [](const std::uint64_t* from, std::uint64_t* to, std::size_t words, std::size_t passes) {
             for (; passes != 0; --passes) {
               const void* source = from;
               void* target = to;
               std::size_t bytes = 8 * words;
               asm volatile("rep movsb" : "+S"(source), "+D"(target), "+c"(bytes) : : "memory");
             }
           });
}
constexpr auto kStringMove = run<string_move>;
#else
constexpr auto kStringMove = kNotBuilt;
#endif

constexpr Need kNeedsX86[] = {{"x86-64",
                               [] {
#if defined(__x86_64__)
                                 return true;
#else
                                 return false;
#endif
                               },
                               "an x86-64 processor"}};

constexpr Variant<Copy> kVariants[] = {
    {.name = "plain", .run = run<plain>, .what = "vector loads and stores, through the caches"},
    {.name = "non_temporal",
     .run = run<non_temporal>,
     .what = "streaming stores past the caches: no line is read before it is written"},
    {.name = "non_temporal_ahead",
     .run = run<non_temporal_ahead>,
     .what = "streaming stores, and every line of the source prefetched 16 KiB ahead"},
    {.name = "library", .run = run<library>, .what = "memcpy"},
    {.name = "string_move",
     .run = kStringMove,
     .what =
         "the processor's own copy, rep movsb: it knows the length, and reads no line it will fill",
     .needs = kNeedsX86},
};

const Registrar kRegistrar(
    {.name = "machine/copy",
     .axis = Axis::kMemoryBandwidth,
     .technique = "copy bandwidth of a cache level or of memory, one thread and all",
     .sizes = {16 << 10, 512 << 10, 3 << 20, 64 << 20, 256 << 20},
     .headline = {16 << 10, 512 << 10, 3 << 20, 64 << 20},
     .sweeps_threads = true,
     .warm = Warm::kCall,
     .unit = "B/s",
     .demand =
         [](const Setting& s) {
           return machine::sweep_demand(machine::sweep(s.n, 2, kSettling), 1, std::size(kVariants));
         },
     .test_sizes = {1, 7, 4096, 4097, 20'001}},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
