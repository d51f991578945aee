// simd/to_lower: ASCII capitals to small letters, all other bytes as they are.
//
// In: n bytes, nine tenths of them letters, digits and blanks, the rest any byte at all, also the
// neighbours of the two ranges. Out: n bytes, in a second array. Nothing branches on data.
//
// std::tolower is a call and a lookup in the locale's table for every byte. In a vector, adding a
// constant moves the capitals to the least signed numbers, so that one comparison finds them.
// (UTF-8 is left as it is: none of its bytes from 0x80 on is a capital.)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/to_lower.cpp"
#include <cstddef>
#include <cstdint>

#include "hwy/cache_control.h"
#include "support/prefetch-inl.h"
#include "support/simd.h"

#if HWY_ONCE
#include <algorithm>
#include <cctype>
#include <cstring>

#include "absl/strings/ascii.h"
#include "core/kernel.h"
#include "support/bytes.h"

namespace headroom {
namespace {

struct ToLower {
  using Input = Buffer<std::uint8_t>;
  using Output = Buffer<std::uint8_t>;

  static Input make(const Setting& setting, Rng& rng) {
    static constexpr char kUsual[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .";
    Input in(setting.n);
    FastRng fast(rng());
    for (std::size_t i = 0; i < in.size();) {
      std::uint64_t bits = fast();
      for (int k = 0; k < 6 && i < in.size(); ++k, bits >>= 10)
        in[i++] = (bits >> 6 & 15) == 0 ? static_cast<std::uint8_t>(bits >> 8 ^ (bits & 63) << 2)
                                        : static_cast<std::uint8_t>(kUsual[bits & 63]);
    }
    return in;
  }
  static Input from(std::span<const std::uint8_t> bytes) { return copy_of(bytes); }
  static void size(const Input& in, Output& out) { out = Output(in.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Bytes = Buffer<std::uint8_t>;

// A call for each byte. (In the "C" locale, in which programs start, std::tolower knows ASCII
// alone.)
void naive(const Bytes& in, Bytes& out) {
  std::transform(in.begin(), in.end(), out.begin(),
                 [](std::uint8_t c) { return static_cast<std::uint8_t>(std::tolower(c)); });
}

// A comparison instead of a lookup: the compiler makes vectors of the base ISA of it.
void compare(const Bytes& in, Bytes& out) {
  std::transform(in.begin(), in.end(), out.begin(), [](std::uint8_t c) {
    return static_cast<std::uint8_t>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  });
}

// Eight bytes in a general register. With the top bits masked off, adding 0x80 - 'A' carries into a
// byte's top bit from 'A' on, and 0x80 - '[' from behind 'Z' on, and never into the next byte.
void swar(const Bytes& in, Bytes& out) {
  constexpr std::uint64_t kOnes = ~std::uint64_t{0} / 255;
  const std::size_t n = in.size();
  std::size_t i = 0;
  for (; n - i >= 8; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, in.data() + i, 8);
    const std::uint64_t low = word & (kOnes * 0x7f);
    const std::uint64_t capital =
        (low + kOnes * (0x80 - 'A')) & ~(low + kOnes * (0x80 - '[')) & ~word & (kOnes * 0x80);
    word |= capital >> 2;
    std::memcpy(out.data() + i, &word, 8);
  }
  for (; i < n; ++i)
    out[i] = static_cast<std::uint8_t>(in[i] >= 'A' && in[i] <= 'Z' ? in[i] + 32 : in[i]);
}

void absl_lower(const Bytes& in, Bytes& out) {
  std::transform(in.begin(), in.end(), out.begin(),
                 [](std::uint8_t c) { return static_cast<std::uint8_t>(absl::ascii_tolower(c)); });
}

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

HWY_INLINE uint8_t LowerByte(uint8_t c) {
  return static_cast<uint8_t>(c | (static_cast<uint8_t>(c - 'A') < 26 ? 0x20 : 0));
}

template <class D>
HWY_INLINE hn::Vec<D> LowerVector(D d, hn::Vec<D> text) {
  const hn::RebindToSigned<D> di;
  const auto moved = hn::BitCast(di, hn::Add(text, hn::Set(d, 0x80 - 'A')));
  const auto capital = hn::RebindMask(d, hn::Lt(moved, hn::Set(di, -128 + 26)));
  return hn::Or(text, hn::IfThenElseZero(capital, hn::Set(d, 0x20)));
}

// The n bytes at `from` in small letters, to `to`; past the caches if kStream.
template <bool kStream>
void Lower(const uint8_t* HWY_RESTRICT from, size_t n, uint8_t* HWY_RESTRICT to) {
  const hn::ScalableTag<uint8_t> d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  if constexpr (kStream) {  // these stores go to whole vectors of memory: up to the first of them
    const size_t first = items_to_alignment(to, n, lanes);
    for (; i < first; ++i) to[i] = LowerByte(from[i]);
  }
  for (; n - i >= 4 * lanes; i += 4 * lanes) {
    if constexpr (kStream) prefetch_lines(from + i, kStreamAhead, 4 * lanes);
    const auto v0 = hn::LoadU(d, from + i), v1 = hn::LoadU(d, from + i + lanes);
    const auto v2 = hn::LoadU(d, from + i + 2 * lanes), v3 = hn::LoadU(d, from + i + 3 * lanes);
    StoreOrStream<kStream>(d, LowerVector(d, v0), to + i);
    StoreOrStream<kStream>(d, LowerVector(d, v1), to + i + lanes);
    StoreOrStream<kStream>(d, LowerVector(d, v2), to + i + 2 * lanes);
    StoreOrStream<kStream>(d, LowerVector(d, v3), to + i + 3 * lanes);
  }
  for (; n - i >= lanes; i += lanes)
    StoreOrStream<kStream>(d, LowerVector(d, hn::LoadU(d, from + i)), to + i);
  if constexpr (kStream) hwy::FlushStream();
  for (; i < n; ++i) to[i] = LowerByte(from[i]);
}

}  // namespace

void ToLowerPlain(const uint8_t* from, size_t n, uint8_t* to) { Lower<false>(from, n, to); }
void ToLowerStream(const uint8_t* from, size_t n, uint8_t* to) { Lower<true>(from, n, to); }

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
namespace {

HWY_EXPORT(ToLowerPlain);
HWY_EXPORT(ToLowerStream);

// Four operations for as many bytes as the host's vectors hold.
void highway(const Bytes& in, Bytes& out) {
  HWY_DYNAMIC_DISPATCH(ToLowerPlain)(in.data(), in.size(), out.data());
}

// The same with stores past the caches: a plain store first reads the line that it is about to
// overwrite, so three bytes move for each byte of text, where two would do. (And what is read is
// asked for ahead, as the hardware's prefetchers do too little beside such stores.)
void stream(const Bytes& in, Bytes& out) {
  HWY_DYNAMIC_DISPATCH(ToLowerStream)(in.data(), in.size(), out.data());
}

constexpr Variant<ToLower> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "std::tolower: a call and a look-up per byte"},
    {.name = "compare",
     .run = run<compare>,
     .what = "a comparison instead of the look-up: the compiler vectorizes it for the base ISA"},
    {.name = "swar", .run = run<swar>, .what = "eight bytes per step in a general register"},
    {.name = "highway",
     .run = run<highway>,
     .what = "one signed comparison finds the capitals of a vector, the widest of the host"},
    {.name = "stream",
     .run = run<stream>,
     .what = "highway with non-temporal stores: pays where the text goes to memory, not before"},
    {.name = "absl",
     .run = run<absl_lower>,
     .what = "absl::ascii_tolower: a look-up without a call",
     .role = Role::kPeer},
};

const Registrar kRegistrar({.name = "simd/to_lower",
                            .axis = Axis::kSimd,
                            .technique = "a range check as one comparison, on narrow lanes",
                            .sizes = {16 << 10, 256 << 10, 2 << 20, 32 << 20, 128 << 20},
                            .headline = {16 << 10, 32 << 20},
                            .ceiling = {"machine/copy"},
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = 2 * static_cast<double>(s.n),
                                                .working_set = 2 * s.n,
                                                .memory = (1 + std::size(kVariants)) * s.n};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
