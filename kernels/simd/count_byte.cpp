// simd/count_byte: how often a byte occurs in a text.
//
// Out: the count. The text is made of four bytes only, the wanted one and three that a careless
// trick takes for it (one more, one less by a borrow, the top bit flipped), so that every stretch
// that a variant skips or counts wrongly shows. Nothing branches on the data.
#include <algorithm>
#include <cstring>

#include "core/cpu.h"
#include "core/kernel.h"
#include "support/bytes.h"

namespace headroom {
namespace {

struct CountByteProblem {
  struct Input {
    Buffer<std::uint8_t> text;
    std::uint8_t wanted = '\n';
  };
  using Output = std::uint64_t;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<std::uint8_t>(setting.n)};
    const std::uint8_t w = in.wanted;
    const std::uint8_t alphabet[4] = {w, static_cast<std::uint8_t>(w + 1),
                                      static_cast<std::uint8_t>(w ^ 1),
                                      static_cast<std::uint8_t>(w ^ 0x80)};
    FastRng fast(rng());
    for (std::size_t i = 0; i < in.text.size();) {
      std::uint64_t bits = fast();
      for (int k = 0; k < 32 && i < in.text.size(); ++k, bits >>= 2)
        in.text[i++] = alphabet[bits & 3];
    }
    return in;
  }
  // The first byte is the one wanted, in the others.
  static Input from(std::span<const std::uint8_t> bytes) {
    if (bytes.empty()) return {};
    return {copy_of(bytes.subspan(1)), bytes[0]};
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// Byte by byte; compilers vectorize it.
void naive(const CountByteProblem::Input& in, std::uint64_t& out) {
  std::uint64_t count = 0;
  for (std::uint8_t byte : in.text) count += byte == in.wanted;
  out = count;
}

// Eight bytes in a general register: x is zero where a byte matches; adding 0x7f to its low seven
// bits carries into the top bit unless they are zero, with no carry from byte to byte (Warren,
// "Hacker's Delight", 6-1). Counted in byte lanes, added up before they overflow.
void swar(const CountByteProblem::Input& in, std::uint64_t& out) {
  constexpr std::uint64_t kOnes = ~std::uint64_t{0} / 255;  // 0x0101...
  constexpr std::uint64_t kLow7 = kOnes * 127;
  constexpr std::uint64_t kEven = ~std::uint64_t{0} / 0xffff * 0xff;  // 0x00ff00ff...
  const std::uint64_t key = kOnes * in.wanted;
  const std::uint8_t* const text = in.text.data();
  const std::size_t n = in.text.size();
  std::uint64_t count = 0;
  std::size_t i = 0;
  while (n - i >= 8) {
    const std::size_t end = i + std::min((n - i) / 8, std::size_t{255}) * 8;
    std::uint64_t lanes = 0;
    for (; i < end; i += 8) {
      std::uint64_t word;
      std::memcpy(&word, text + i, 8);
      const std::uint64_t x = word ^ key;
      lanes += (~(((x & kLow7) + kLow7) | x) >> 7) & kOnes;
    }
    const std::uint64_t pairs = (lanes & kEven) + ((lanes >> 8) & kEven);
    count += (pairs * (~std::uint64_t{0} / 0xffff)) >> 48;
  }
  for (; i < n; ++i) count += text[i] == in.wanted;
  out = count;
}

// The trick in C++ alone: count in the narrowest type that can't overflow, 255 bytes at a time, and
// the compiler's vectors hold sixteen counters where they held two.
void narrow_counter(const CountByteProblem::Input& in, std::uint64_t& out) {
  const std::uint8_t* const text = in.text.data();
  const std::size_t n = in.text.size();
  const std::uint8_t wanted = in.wanted;
  constexpr std::size_t kLanes = 64, kBlock = kLanes * 255;
  std::uint64_t count = 0;
  std::size_t i = 0;
  while (n - i >= kLanes) {
    const std::size_t end = i + std::min(n - i, kBlock) / kLanes * kLanes;
    std::uint8_t lanes[kLanes] = {};
    for (; i < end; i += kLanes)
      for (std::size_t k = 0; k < kLanes; ++k) lanes[k] += text[i + k] == wanted;
    for (std::uint8_t lane : lanes) count += lane;
  }
  for (; i < n; ++i) count += text[i] == wanted;
  out = count;
}

void std_count(const CountByteProblem::Input& in, std::uint64_t& out) {
  out = static_cast<std::uint64_t>(std::count(in.text.begin(), in.text.end(), in.wanted));
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/count_byte-inl.h"
#include "simd/count_byte-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(CountByteOneStream);
HWY_EXPORT(CountByteTwoStreams);

// Two or three operations for as many bytes as the host's vectors hold.
void one_stream(const CountByteProblem::Input& in, std::uint64_t& out) {
  out = HWY_DYNAMIC_DISPATCH(CountByteOneStream)(in.text.data(), in.text.size(), in.wanted);
}

// The same in caches. From memory (a text eight times as large as L2) from two places at once: more
// of the hardware's prefetchers, and of the memory's banks, are busy.
void highway(const CountByteProblem::Input& in, std::uint64_t& out) {
  if (in.text.size() < 8 * l2_bytes()) return one_stream(in, out);
  out = HWY_DYNAMIC_DISPATCH(CountByteTwoStreams)(in.text.data(), in.text.size(), in.wanted);
}

constexpr Variant<CountByteProblem> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "byte loop; GCC and clang vectorize it for the base ISA, but widen every match to 64 "
             "bits"},
    {.name = "swar", .run = run<swar>, .what = "eight bytes per step in a general register"},
    {.name = "narrow_counter",
     .run = run<narrow_counter>,
     .what = "byte-wide counters, 64 side by side: the compiler's vectors need no widening"},
    {.name = "one_stream",
     .run = run<one_stream>,
     .what = "byte-wide counters in the widest vectors of the host, added up before they overflow"},
    {.name = "highway",
     .run = run<highway>,
     .what = "one_stream, but from memory two places at once: more prefetchers and banks are busy"},
    {.name = "std_count",
     .run = run<std_count>,
     .what = "std::count of the standard library",
     .role = Role::kPeer},
};

const Registrar kRegistrar(
    {.name = "simd/count_byte",
     .axis = Axis::kSimd,
     .technique = "narrow lanes: count in bytes, widen rarely",
     .sizes = {16 << 10, 256 << 10, 4 << 20, 64 << 20, 256 << 20},
     .headline = {16 << 10, 64 << 20},
     .ceiling = {"machine/read"},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           return Demand{.items = n, .bytes = n, .working_set = s.n, .memory = s.n};
         },
     .test_sizes = {0,    1,    2,    3,     7,     8,     9,     15,
                    16,   17,   31,   32,    33,    63,    64,    65,
                    127,  128,  129,  255,   257,   1000,  2039,  2040,
                    2041, 4097, 8161, 16319, 16321, 65281, 70001, 8 * l2_bytes() + 1077}},
    kVariants);

}  // namespace
}  // namespace headroom
