// simd/hex_decode: hexadecimal digits to bytes, or where the text is wrong.
//
// In: the digits of n random bytes, letters in either case. Out: the bytes, and the place of the
// first character that is no digit, if any (hex.h); all pairs before it are decoded. Nothing
// branches on the data of a text that is right; the test has wrong ones.
//
// The naive loop has a lookup a character, a check and a shift. In vectors a few saturating
// additions, the same for all lanes, make the value of a digit and tell digits from others (after
// Mula, "Parsing hex numbers with validation", 2022). The code is our own.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "absl/strings/escaping.h"
#include "core/kernel.h"
#include "simd/hex.h"
#include "support/bytes.h"

namespace headroom {
namespace {

struct Text : Buffer<std::uint8_t> {
  using Buffer<std::uint8_t>::Buffer;
  bool right = true;  // nothing but pairs of digits
};

struct HexDecode {
  using Input = Text;
  struct Output {
    WrittenBytes bytes;
    HexDecoded result;
    // The bytes written: as many as the result says, where there is room for them.
    std::span<const std::uint8_t> view() const {
      return bytes.view().first(std::min(result.bytes, bytes.view().size()));
    }
    void poison() {
      bytes.poison();
      headroom::poison(result);
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
    out.bytes.buffer = Buffer<std::uint8_t>(in.size() / 2);
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    if (absl::Status bad = exact(want.result.bad, got.result.bad); !bad.ok()) return bad;
    if (absl::Status size = exact(want.result.bytes, got.result.bytes); !size.ok()) return size;
    return exact(want.view(), got.view());
  }
};
using Output = HexDecode::Output;

// A lookup for each digit, a check for each pair (hex.h).
void naive(const Text& in, Output& out) {
  out.result = hex_decode(in.data(), in.size(), out.bytes.buffer.data());
}

// Eight characters in a general register. A letter's low four bits are 9 less than its value, and
// only letters have bit 6. Sums without carry from byte to byte tell which are in one of the two
// ranges.
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
    std::memcpy(out.bytes.buffer.data() + i / 2, &bytes, 4);
  }
  out.result = hex_decode_rest(text, in.size(), out.bytes.buffer.data(), i);
}

// Abseil does not check, and what it makes of a wrong text is not defined: of a text that is known
// to be wrong, as some in the tests are, naive makes the answer.
void absl_hex(const Text& in, Output& out) {
  if (!in.right) return naive(in, out);
  out.bytes.string = absl::HexStringToBytes({reinterpret_cast<const char*>(in.data()), in.size()});
  out.bytes.in_string = true;
  out.result = {out.bytes.string.size(), HexDecoded::kNone};
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/hex_decode-inl.h"
#include "simd/hex_decode-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(DecodeHex);
HWY_EXPORT(DecodeHexStream);

// A whole vector of characters is translated and checked at once.
void highway(const Text& in, Output& out) {
  out.result = HWY_DYNAMIC_DISPATCH(DecodeHex)(in.data(), in.size(), out.bytes.buffer.data());
}

// The same with stores past the caches: a plain store first reads the line that it is about to
// overwrite. (And what is read is asked for ahead, as the hardware's prefetchers do too little
// beside such stores.)
void stream(const Text& in, Output& out) {
  out.result = HWY_DYNAMIC_DISPATCH(DecodeHexStream)(in.data(), in.size(), out.bytes.buffer.data());
}

constexpr Variant<HexDecode> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "a look-up per character, a check per pair"},
    {.name = "swar",
     .run = run<swar>,
     .what = "eight characters per step in a general register; a loss where loads are cheap"},
    {.name = "highway",
     .run = run<highway>,
     .what = "a vector of characters translated and checked by a few saturating additions"},
    {.name = "stream",
     .run = run<stream>,
     .what = "highway with non-temporal stores: pays where the bytes go to memory, not before"},
    {.name = "absl",
     .run = run<absl_hex>,
     .what = "absl::HexStringToBytes, which does not check, and allocates its result",
     .role = Role::kPeer,
     .promise = Promise::kExact},
};

const Registrar kRegistrar(
    {.name = "simd/hex_decode",
     .axis = Axis::kSimd,
     .technique = "translate and validate in registers; find the error afterwards",
     .sizes = {10 << 10, 160 << 10, 1280 << 10, 20 << 20, 80 << 20},
     .headline = {10 << 10, 20 << 20},
     .ceiling = {"machine/copy"},
     .promise = Promise::kExact | Promise::kValidating,
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
