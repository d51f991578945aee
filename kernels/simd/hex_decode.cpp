// simd/hex_decode: hexadecimal digits to bytes, or where the text is wrong.
//
// In: the digits of n random bytes, letters in either case. Out: the bytes, and where the first
// character is that is no digit (hex.h); up to the pair with it all bytes are there. Nothing
// branches on the data of a text that is right; wrong ones are the test's business.
//
// The honest loop has a lookup a character, a check and a shift. What makes the value of a digit
// and what tells a digit from others are a few additions that stop at the ends of the range, the
// same for all lanes (after Mula, "Parsing hex numbers with validation", 2022). The code is our
// own.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/hex_decode.cpp"
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/cache_control.h"
#include "simd/hex.h"
#include "support/prefetch-inl.h"
#include "support/simd.h"

#ifndef HEADROOM_SIMD_HEX_DECODE_SHARED_
#define HEADROOM_SIMD_HEX_DECODE_SHARED_
namespace headroom {
namespace {

// The rest of a text, `i` characters into it.
inline HexDecoded decode_rest(const std::uint8_t* text, std::size_t n, std::uint8_t* to,
                              std::size_t i) {
  HexDecoded rest = hex_decode(text + i, n - i, to + i / 2);
  rest.bytes += i / 2;
  if (rest.bad != HexDecoded::kNone) rest.bad += i;
  return rest;
}

}  // namespace
}  // namespace headroom
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR
HexDecoded DecodeHex(const uint8_t* text, size_t n, uint8_t* to) { return hex_decode(text, n, to); }
HexDecoded DecodeHexStream(const uint8_t* text, size_t n, uint8_t* to) {
  return hex_decode(text, n, to);
}
#else
namespace {

using Digits = hn::ScalableTag<uint8_t>;
using Pairs = hn::Repartition<uint16_t, Digits>;
using Bytes = hn::Rebind<uint8_t, Pairs>;
using Vector = hn::Vec<Digits>;

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
// With VBMI one lookup in 128 bytes, two registers, translates any ASCII character. Adds to
// `wrong`, in the top bits, which characters are no digits. (Highway 1.0.3 has no such lookup.)
HWY_INLINE Vector Values(Digits, Vector text, Vector& wrong) {
  const auto values = _mm512_permutex2var_epi8(_mm512_loadu_si512(kHexValues.data()), text.raw,
                                               _mm512_loadu_si512(kHexValues.data() + 64));
  wrong.raw = _mm512_ternarylogic_epi64(wrong.raw, text.raw, values, 0xfe);  // or
  return Vector{values};
}
HWY_INLINE bool AnyWrong(Digits, Vector wrong) { return _mm512_movepi8_mask(wrong.raw) != 0; }
#else
// The value of each digit; what is none comes out as 16 or more, which is added to `wrong`.
HWY_INLINE Vector Values(Digits d, Vector text, Vector& wrong) {
  // '0' to '9' become 0xf6 to 0xff; then, as what is below 6 stops at zero, only they have 0xf0 to
  // 0xf9, and after one more subtraction 0 to 9.
  const auto top = hn::SaturatedSub(hn::Add(text, hn::Set(d, 0xff - '9')), hn::Set(d, 6));
  const auto figure = hn::Sub(top, hn::Set(d, 0xf0));
  // Letters of either case become 0 to 5, then 10 to 15; sums stop at 255.
  const auto letter =
      hn::SaturatedAdd(hn::Sub(hn::And(text, hn::Set(d, 0xdf)), hn::Set(d, 'A')), hn::Set(d, 10));
  const auto values = hn::Min(figure, letter);
  wrong = hn::Or(wrong, values);
  return values;
}
HWY_INLINE bool AnyWrong(Digits d, Vector wrong) {
  return !hn::AllTrue(d, hn::Eq(hn::And(wrong, hn::Set(d, 0xf0)), hn::Zero(d)));
}
#endif

// The two values of each pair to a byte.
HWY_INLINE void StoreJoined(Digits d, Vector values, uint8_t* to) {
  const Pairs d16;
  (void)d;
  const auto pairs = hn::BitCast(d16, values);
  const auto joined = hn::Or(hn::ShiftLeft<4>(pairs), hn::ShiftRight<8>(pairs));
  hn::StoreU(hn::TruncateTo(Bytes(), joined), Bytes(), to);
}

// Four vectors of text to their bytes; false, and nothing written, where one is no digit.
HWY_INLINE bool DecodeFour(Digits d, const uint8_t* HWY_RESTRICT text, uint8_t* HWY_RESTRICT to) {
  const size_t lanes = hn::Lanes(d), half = lanes / 2;
  auto wrong = hn::Zero(d);
  const auto v0 = Values(d, hn::LoadU(d, text), wrong);
  const auto v1 = Values(d, hn::LoadU(d, text + lanes), wrong);
  const auto v2 = Values(d, hn::LoadU(d, text + 2 * lanes), wrong);
  const auto v3 = Values(d, hn::LoadU(d, text + 3 * lanes), wrong);
  if (HWY_UNLIKELY(AnyWrong(d, wrong))) return false;
  StoreJoined(d, v0, to);
  StoreJoined(d, v1, to + half);
  StoreJoined(d, v2, to + 2 * half);
  StoreJoined(d, v3, to + 3 * half);
  return true;
}

// The text from its character i on.
HexDecoded DecodeFrom(const uint8_t* HWY_RESTRICT text, size_t n, uint8_t* HWY_RESTRICT to,
                      size_t i) {
  const Digits d;
  const size_t lanes = hn::Lanes(d);
  for (; n - i >= 4 * lanes; i += 4 * lanes)
    if (!DecodeFour(d, text + i, to + i / 2)) return decode_rest(text, n, to, i);
  for (; n - i >= lanes; i += lanes) {
    auto wrong = hn::Zero(d);
    const auto values = Values(d, hn::LoadU(d, text + i), wrong);
    if (HWY_UNLIKELY(AnyWrong(d, wrong))) break;
    StoreJoined(d, values, to + i / 2);
  }
  return decode_rest(text, n, to, i);
}

}  // namespace

// Four vectors a step, and one branch on whether all of their characters are digits; the loop over
// pairs finds which one is none, and does the end.
HexDecoded DecodeHex(const uint8_t* HWY_RESTRICT text, size_t n, uint8_t* HWY_RESTRICT to) {
  return DecodeFrom(text, n, to, 0);
}

// Past the caches, through a stage in L1: no vector's bytes fill a line.
HexDecoded DecodeHexStream(const uint8_t* HWY_RESTRICT text, size_t n, uint8_t* HWY_RESTRICT to) {
  const Digits d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  // Pairs lead up to the first line.
  const size_t head = 2 * items_to_alignment(to, n / 2, 64);
  if (head != 0) {
    const HexDecoded first = hex_decode(text, head, to);
    if (first.bad != HexDecoded::kNone) return first;
    i = head;
  }
  HWY_ALIGN_MAX uint8_t stage[kStage];
  const size_t step =
      kStage / (2 * lanes) * (2 * lanes);  // all of it, where a vector has 2^k bytes
  for (; n - i >= 2 * step; i += 2 * step) {
    for (size_t s = 0; s < step; s += 2 * lanes) {
      prefetch_lines(text + i + 2 * s, kStreamAhead, 4 * lanes);
      if (!DecodeFour(d, text + i + 2 * s, stage + s)) {
        hwy::FlushStream();
        memcpy(to + i / 2, stage, s);
        return decode_rest(text, n, to, i + 2 * s);
      }
    }
    for (size_t s = 0; s < step; s += lanes) hn::Stream(hn::Load(d, stage + s), d, to + i / 2 + s);
  }
  hwy::FlushStream();
  return DecodeFrom(text, n, to, i);
}
#endif

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <string>

#include "absl/strings/escaping.h"
#include "core/kernel.h"

namespace headroom {
namespace {

HWY_EXPORT(DecodeHex);
HWY_EXPORT(DecodeHexStream);

struct Text : Buffer<std::uint8_t> {
  using Buffer<std::uint8_t>::Buffer;
  bool right = true;
};

struct HexDecode {
  using Input = Text;
  struct Output {
    Buffer<std::uint8_t> bytes;
    HexDecoded result;
    std::string string;  // of the peer, which returns one
    bool in_string = false;
    std::span<const std::uint8_t> view() const {
      const std::uint8_t* const data =
          in_string ? reinterpret_cast<const std::uint8_t*>(string.data()) : bytes.data();
      return {data, std::min(result.bytes, in_string ? string.size() : bytes.size())};
    }
    void poison() {
      headroom::poison(bytes);
      headroom::poison(string);
      headroom::poison(result);
      in_string = false;
    }
    bool spoil(Spoil how) { return spoil_counted(how, bytes.data(), result.bytes); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    static constexpr char kEither[] = "0123456789abcdef0123456789ABCDEF";
    Input in(2 * setting.n);
    FastRng fast(rng());
    for (std::size_t i = 0; i < in.size();) {
      std::uint64_t bits = fast();
      for (int k = 0; k < 12 && i < in.size(); ++k, bits >>= 5)
        in[i++] = static_cast<std::uint8_t>(kEither[bits & 31]);
    }
    return in;
  }
  static Input from(std::span<const std::uint8_t> bytes) {
    Input in(bytes.size());
    std::copy(bytes.begin(), bytes.end(), in.begin());
    Buffer<std::uint8_t> decoded(bytes.size() / 2);
    in.right = hex_decode(in.data(), in.size(), decoded.data()).bad == HexDecoded::kNone;
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.bytes = Buffer<std::uint8_t>(in.size() / 2);
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    if (absl::Status bad = exact(want.result.bad, got.result.bad); !bad.ok()) return bad;
    if (absl::Status size = exact(want.result.bytes, got.result.bytes); !size.ok()) return size;
    return exact(want.view(), got.view());
  }
};
using Output = HexDecode::Output;

void naive(const Text& in, Output& out) {
  out.result = hex_decode(in.data(), in.size(), out.bytes.data());
}

// Eight characters in a general register: the values of figures and letters differ by whether bit
// 6 is set, and a carry-free sum tells which bytes are out of the two ranges.
void swar(const Text& in, Output& out) {
  constexpr std::uint64_t kOnes = ~std::uint64_t{0} / 255;
  const std::uint8_t* const text = in.data();
  std::size_t i = 0;
  for (; in.size() - i >= 8; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, text + i, 8);
    // The top bit of a byte of `in_range` is set where low <= byte <= high; none is above 0x7f.
    const auto in_range = [](std::uint64_t x, std::uint64_t low, std::uint64_t high) {
      return (x + kOnes * (0x80 - low)) & ~(x + kOnes * (0x7f - high));
    };
    const std::uint64_t ascii = word & (kOnes * 0x7f);
    const std::uint64_t good = in_range(ascii, '0', '9') | in_range(ascii | kOnes * 32, 'a', 'f');
    if ((good & ~word & (kOnes * 0x80)) != kOnes * 0x80) break;
    const std::uint64_t values = (word & (kOnes * 15)) + (word >> 6 & kOnes) * 9;
    std::uint64_t pairs = (values << 4 | values >> 8) & 0x00ff00ff00ff00ff;
    pairs = (pairs | pairs >> 8) & 0x0000ffff0000ffff;
    const std::uint32_t bytes = static_cast<std::uint32_t>(pairs | pairs >> 16);
    std::memcpy(out.bytes.data() + i / 2, &bytes, 4);
  }
  out.result = decode_rest(text, in.size(), out.bytes.data(), i);
}

// A whole vector of characters is translated and checked at once.
void highway(const Text& in, Output& out) {
  out.result = HWY_DYNAMIC_DISPATCH(DecodeHex)(in.data(), in.size(), out.bytes.data());
}

void stream(const Text& in, Output& out) {
  out.result = HWY_DYNAMIC_DISPATCH(DecodeHexStream)(in.data(), in.size(), out.bytes.data());
}

// Abseil does not check, and what it makes of a wrong text is not defined: where the text is known
// to be wrong, which is so in tests only, ours is asked.
void absl_hex(const Text& in, Output& out) {
  if (!in.right) return naive(in, out);
  out.string = absl::HexStringToBytes({reinterpret_cast<const char*>(in.data()), in.size()});
  out.in_string = true;
  out.result = {out.string.size(), HexDecoded::kNone};
}

constexpr Variant<HexDecode> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "a lookup a character, a check a pair"},
    {.name = "swar",
     .run = run<swar>,
     .what =
         "eight characters a step in a general register; behind the table where loads are cheap"},
    {.name = "highway",
     .run = run<highway>,
     .what = "a vector of characters translated and checked by additions that stop at the ends"},
    {.name = "stream",
     .run = run<stream>,
     .what = "highway with non-temporal stores: pays where the bytes go to memory, not before"},
    {.name = "absl",
     .run = run<absl_hex>,
     .what = "absl::HexStringToBytes, which does not check, and allocates its result",
     .role = Role::kPeer},
};

const Registrar kRegistrar(
    {.name = "simd/hex_decode",
     .axis = Axis::kSimd,
     .technique = "translate and validate in registers; find the error afterwards",
     .sizes = {10 << 10, 160 << 10, 1280 << 10, 20 << 20, 80 << 20},
     .headline = {10 << 10, 20 << 20},
     .ceiling = {"machine/copy"},
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(s.n),
                         .bytes = 3 * static_cast<double>(s.n),
                         .working_set = 3 * s.n,
                         .memory = (2 + std::size(kVariants) + 1) * s.n};
         }},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
