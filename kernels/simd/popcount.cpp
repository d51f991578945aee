// simd/popcount: how many bits are set in an array of 64-bit words.
//
// Out: the count, exact. Words differ in density, and none is zero, so that a word dropped or taken
// twice shows. Nothing branches on the data but the naive loop's end.
//
// The naive loop takes a cycle or more for each bit; what is faster counts all bits of a word, or
// of a vector, side by side. After Warren, "Hacker's Delight", 5-1 (bits added up side by side),
// and Mula, Kurz and Lemire, "Faster Population Counts Using AVX2 Instructions" (2018: nibbles
// looked up in a register; the carry-save adders of Harley and Seal).
#include <bit>

#include "core/kernel.h"

namespace headroom {
namespace {

struct Popcount {
  using Input = Buffer<std::uint64_t>;
  using Output = std::uint64_t;

  static Input make(const Setting& setting, Rng& rng) {
    Input words(setting.n);
    FastRng fast(rng());
    for (std::uint64_t& word : words) {
      word = fast();
      if (word >> 62 == 0) word &= fast();
      if (word >> 62 == 3) word |= fast();
      word |= 1;
    }
    return words;
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// Bit by bit.
void naive(const Popcount::Input& words, std::uint64_t& out) {
  std::uint64_t count = 0;
  for (std::uint64_t word : words)
    for (; word != 0; word >>= 1) count += word & 1;
  out = count;
}

// A step for each bit that is set, not for each bit (Wegner, 1960). Compilers know this loop, and
// make of it the instruction where the target has it; clang 14 makes `swar` of it where it has not.
// Its end is hard to predict.
void clear_lowest(const Popcount::Input& words, std::uint64_t& out) {
  std::uint64_t count = 0;
  for (std::uint64_t word : words)
    for (; word != 0; word &= word - 1) ++count;
  out = count;
}

// All bits of a word at once: added up in pairs, fours and eights side by side; the product adds up
// the bytes. The compiler vectorizes it for the base ISA, except for the product.
void swar(const Popcount::Input& words, std::uint64_t& out) {
  constexpr std::uint64_t k55 = 0x5555555555555555, k33 = 0x3333333333333333,
                          k0f = 0x0f0f0f0f0f0f0f0f, k01 = 0x0101010101010101;
  std::uint64_t count = 0;
  for (std::uint64_t word : words) {
    word -= (word >> 1) & k55;
    word = (word & k33) + ((word >> 2) & k33);
    word = (word + (word >> 4)) & k0f;
    count += (word * k01) >> 56;
  }
  out = count;
}

// What the language offers. Without leave to use the instruction GCC calls a function of its
// library that looks up bytes in a table, clang puts the arithmetic of `swar` in place.
void builtin(const Popcount::Input& words, std::uint64_t& out) {
  std::uint64_t count = 0;
  for (std::uint64_t word : words) count += static_cast<std::uint64_t>(std::popcount(word));
  out = count;
}

#if defined(__x86_64__)
// The same with leave to use the instruction, one a word; four sums, so that no add waits. (x86
// only: Arm has no such instruction for general registers; its vectors count in `highway`.)
__attribute__((target("popcnt"))) void instruction(const Popcount::Input& words,
                                                   std::uint64_t& out) {
  const std::uint64_t* const w = words.data();
  const std::size_t n = words.size();
  std::uint64_t c0 = 0, c1 = 0, c2 = 0, c3 = 0;
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    c0 += static_cast<std::uint64_t>(__builtin_popcountll(w[i]));
    c1 += static_cast<std::uint64_t>(__builtin_popcountll(w[i + 1]));
    c2 += static_cast<std::uint64_t>(__builtin_popcountll(w[i + 2]));
    c3 += static_cast<std::uint64_t>(__builtin_popcountll(w[i + 3]));
  }
  for (; i < n; ++i) c0 += static_cast<std::uint64_t>(__builtin_popcountll(w[i]));
  out = (c0 + c1) + (c2 + c3);
}
bool has_popcnt() { return __builtin_cpu_supports("popcnt") != 0; }
constexpr auto kInstruction = run<instruction>;
#else
bool has_popcnt() { return false; }
constexpr auto kInstruction = kNotBuilt;
#endif

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/popcount-inl.h"
#include "simd/popcount-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(CountPlain);
HWY_EXPORT(CountPrefetched);
HWY_EXPORT(CountHarleySeal);

// Carry-save adders turn 16 vectors of bits into one that counts sixteen each, with a few logical
// operations a vector; only that one is counted.
void harley_seal(const Popcount::Input& words, std::uint64_t& out) {
  out = HWY_DYNAMIC_DISPATCH(CountHarleySeal)(words.data(), words.size());
}

// A whole vector's bits by one instruction (VPOPCNTQ) or by nibbles looked up in a register, and no
// more: bound by the load ports where there is the instruction.
void highway(const Popcount::Input& words, std::uint64_t& out) {
  out = HWY_DYNAMIC_DISPATCH(CountPlain)(words.data(), words.size());
}

// Each line asked for 4 KiB ahead: across the page's end, where hardware prefetchers start over.
void prefetch(const Popcount::Input& words, std::uint64_t& out) {
  out = HWY_DYNAMIC_DISPATCH(CountPrefetched)(words.data(), words.size());
}

constexpr Need kNeedsPopcnt[] = {
    {"popcnt", has_popcnt, "an x86-64 processor with POPCNT (since 2008)"}};

constexpr Variant<Popcount> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "bit by bit: a shift and an add for each"},
    {.name = "clear_lowest",
     .run = run<clear_lowest>,
     .what = "a step for each set bit; its end is mispredicted (clang 14 makes `swar` of it)"},
    {.name = "swar",
     .run = run<swar>,
     .what = "bits added up in pairs, fours, eights side by side; vectorized for the base ISA"},
    {.name = "builtin",
     .run = run<builtin>,
     .what = "std::popcount: for the base ISA, GCC calls a function with a table, clang inlines "
             "arithmetic",
     .role = Role::kStandard},
    {.name = "instruction",
     .run = kInstruction,
     .what = "POPCNT, one per word: compiled with permission to use it (x86)",
     .needs = kNeedsPopcnt},
    {.name = "harley_seal",
     .run = run<harley_seal>,
     .what = "carry-save adders: only one vector in 16 is counted; beaten where VPOPCNTQ exists"},
    {.name = "highway",
     .run = run<highway>,
     .what = "widest SIMD: VPOPCNTQ where the host has it, else nibbles looked up in a register"},
    {.name = "prefetch",
     .run = run<prefetch>,
     .what =
         "highway with lines prefetched 4 KiB ahead: beyond L2 a gain on some cores, a loss in L1"},
};

const Registrar kRegistrar({.name = "simd/popcount",
                            .axis = Axis::kSimd,
                            .technique = "count bits side by side, then in vectors",
                            .sizes = {2048, 65536, 384 << 10, 8 << 20, 32 << 20},
                            .headline = {2048, 384 << 10},
                            .ceiling = {"machine/read"},
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .bytes = 8 * n,
                                                .working_set = 8 * s.n,
                                                .memory = 8 * s.n};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
