// machine/write: bytes a second that stores put out, by working set.
//
// n bytes in all, shared out evenly to the threads; small sets are gone over many times a call. The
// bytes counted are those that the program writes: a plain store to memory also reads the line
// first, which is why streaming stores, which don't, can be faster there. Out: the memory itself,
// filled with a byte that changes from pass to pass.
#include <cstddef>
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "machine/write.cpp"
#include "core/opaque.h"
#include "hwy/cache_control.h"
#include "support/prefetch-inl.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// Fills x with the byte `first`, then `first` + 1, and so on, `passes` times.
void WritePlain(uint64_t* HWY_RESTRICT x, size_t words, size_t passes, uint8_t first) {
  const hn::ScalableTag<uint64_t> d;
  const size_t lanes = hn::Lanes(d);
  for (; passes != 0; --passes, ++first) {
    const uint64_t word = uint64_t{first} * 0x0101010101010101;
    const auto v = hn::Set(d, word);
    size_t i = 0;
    for (; i + 8 * lanes <= words; i += 8 * lanes) {
      hn::StoreU(v, d, x + i);
      hn::StoreU(v, d, x + i + lanes);
      hn::StoreU(v, d, x + i + 2 * lanes);
      hn::StoreU(v, d, x + i + 3 * lanes);
      hn::StoreU(v, d, x + i + 4 * lanes);
      hn::StoreU(v, d, x + i + 5 * lanes);
      hn::StoreU(v, d, x + i + 6 * lanes);
      hn::StoreU(v, d, x + i + 7 * lanes);
    }
    for (; i + lanes <= words; i += lanes) hn::StoreU(v, d, x + i);
    for (; i < words; ++i) x[i] = word;
    sink(*x);  // or the compiler might drop all passes but the last
  }
}

// The same past the caches: whole lines go to memory, and none is read first.
void WriteNonTemporal(uint64_t* HWY_RESTRICT x, size_t words, size_t passes, uint8_t first) {
  const hn::ScalableTag<uint64_t> d;
  const size_t lanes = hn::Lanes(d);
  const size_t unaligned = items_to_alignment(x, words, lanes * sizeof(uint64_t));
  for (; passes != 0; --passes, ++first) {
    const uint64_t word = uint64_t{first} * 0x0101010101010101;
    const auto v = hn::Set(d, word);
    size_t i = 0;
    for (; i < unaligned; ++i) x[i] = word;
    for (; i + 8 * lanes <= words; i += 8 * lanes) {
      hn::Stream(v, d, x + i);
      hn::Stream(v, d, x + i + lanes);
      hn::Stream(v, d, x + i + 2 * lanes);
      hn::Stream(v, d, x + i + 3 * lanes);
      hn::Stream(v, d, x + i + 4 * lanes);
      hn::Stream(v, d, x + i + 5 * lanes);
      hn::Stream(v, d, x + i + 6 * lanes);
      hn::Stream(v, d, x + i + 7 * lanes);
    }
    for (; i + lanes <= words; i += lanes) hn::Stream(v, d, x + i);
    for (; i < words; ++i) x[i] = word;
    sink(*x);
  }
  hwy::FlushStream();
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cstring>

#include "machine/bandwidth.h"

namespace headroom {
namespace {

constexpr std::size_t kSettling = 1;  // pass: more change nothing (see bandwidth.h)

HWY_EXPORT(WritePlain);
HWY_EXPORT(WriteNonTemporal);

struct Write {
  struct Input {
    machine::Sweep sweep;
    std::uint8_t first = 0;
    std::uint64_t last_word() const {
      const auto last = static_cast<std::uint8_t>(first + sweep.passes - 1);
      return std::uint64_t{last} * 0x0101010101010101;
    }
  };
  struct Output {
    std::unique_ptr<Team> team;
    machine::Pieces<std::uint64_t> words;
    void poison() { words.poison(); }
    bool spoil(Spoil how) { return words.spoil(how); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    return {machine::sweep(setting.n, 1, kSettling), static_cast<std::uint8_t>(rng())};
  }
  static void size(const Input& in, Output& out, const Setting& setting) {
    out.team = std::make_unique<Team>(setting.threads);
    out.words = machine::Pieces<std::uint64_t>(*out.team, in.sweep.items);
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    const auto value = [word = in.last_word()](std::size_t) { return word; };
    if (absl::Status status = want.words.check(value); !status.ok()) return status;
    return got.words.check(value);
  }
};

template <class Function>
void write_all(const Write::Input& in, Write::Output& out, Function write) {
  out.team->run([&](int thread) {
    Buffer<std::uint64_t>& piece = out.words[thread];
    write(piece.data(), piece.size(), in.sweep.passes, in.first);
  });
}

void plain(const Write::Input& in, Write::Output& out) {
  write_all(in, out, HWY_DYNAMIC_DISPATCH(WritePlain));
}

void non_temporal(const Write::Input& in, Write::Output& out) {
  write_all(in, out, HWY_DYNAMIC_DISPATCH(WriteNonTemporal));
}

// The C library picks its way by size: vectors, or the processor's own string instruction, which on
// some reads no line first.
void library(const Write::Input& in, Write::Output& out) {
  write_all(in, out,
            [](std::uint64_t* x, std::size_t words, std::size_t passes, std::uint8_t byte) {
              for (; passes != 0; --passes, ++byte) {
                if (words != 0) std::memset(x, byte, 8 * words);
                sink(*x);
              }
            });
}

constexpr Variant<Write> kVariants[] = {
    {.name = "plain", .run = run<plain>, .what = "ordinary vector stores, through the caches"},
    {.name = "non_temporal",
     .run = run<non_temporal>,
     .what = "streaming stores past the caches: no line is read before it is written"},
    {.name = "library", .run = run<library>, .what = "memset"},
};

const Registrar kRegistrar(
    {.name = "machine/write",
     .axis = Axis::kMemoryBandwidth,
     .technique = "write bandwidth of a cache level or of memory, one thread and all",
     .sizes = {16 << 10, 512 << 10, 3 << 20, 64 << 20, 256 << 20},
     .headline = {16 << 10, 512 << 10, 3 << 20, 64 << 20},
     .sweeps_threads = true,
     .warm = Warm::kCall,
     .unit = "B/s",
     .demand =
         [](const Setting& s) {
           return machine::sweep_demand(machine::sweep(s.n, 1, kSettling), 1, std::size(kVariants));
         },
     .test_sizes = {1, 7, 4096, 4097, 20'001}},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
