// simd/base64_decode: Base64 text (RFC 4648, with padding) to bytes, or where it is wrong.
//
// In: the text of n random bytes. Out: the bytes, and the place of the first character that is
// wrong there, if any. Decoding is strict (base64.h); all groups of four before the wrong one are
// decoded. Nothing branches on the data of a text that is right; the test has wrong ones of every
// kind.
//
// One by one, a character costs a lookup, a check and a shift. In a vector the check costs no more
// than the translation, as both look up nibbles; and what is wrong, and where, is looked for only
// when something is. After Mula and Lemire, "Faster Base64 encoding and decoding using AVX2
// instructions" (2018), and "Base64 encoding and decoding at almost the speed of a memory copy"
// (2019) for the AVX-512 form. The code is our own.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "absl/strings/escaping.h"
#include "core/kernel.h"
#include "simd/base64.h"
#include "support/bytes.h"

namespace headroom {
namespace {

struct Base64Decode {
  using Input = Buffer<std::uint8_t>;  // the text
  struct Output {
    WrittenBytes bytes;
    Base64Decoded result;
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
    const Buffer<std::uint8_t> bytes = random_bytes(setting.n, rng);
    Input in(base64_encoded_size(setting.n));
    base64_encode(bytes.data(), bytes.size(), in.data());
    return in;
  }
  static Input from(std::span<const std::uint8_t> bytes) { return copy_of(bytes); }
  static void size(const Input& in, Output& out) {
    out.bytes.buffer = Buffer<std::uint8_t>(in.size() / 4 * 3);
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    if (absl::Status bad = exact(want.result.bad, got.result.bad); !bad.ok()) return bad;
    if (absl::Status size = exact(want.result.bytes, got.result.bytes); !size.ok()) return size;
    return exact(want.view(), got.view());
  }
};
using Input = Base64Decode::Input;
using Output = Base64Decode::Output;

// Four characters at a time, a lookup for each, and one check for the four (base64.h).
void naive(const Input& in, Output& out) {
  out.result = base64_decode(in.data(), in.size(), out.bytes.buffer.data());
}

// A table for each of the four places, whose values are shifted already to where they belong in the
// group: three ORs join and check them. 4 KiB of tables.
void four_tables(const Input& in, Output& out) {
  constexpr std::uint32_t kWrong = 1u << 31;
  static constexpr std::array<std::array<std::uint32_t, 256>, 4> kTables = [] {
    std::array<std::array<std::uint32_t, 256>, 4> tables{};
    for (std::size_t place = 0; place < 4; ++place)
      for (std::size_t i = 0; i < 256; ++i)
        tables[place][i] = kBase64Values[i] == kBase64Bad
                               ? kWrong
                               : std::uint32_t{kBase64Values[i]} << (18 - 6 * place);
    return tables;
  }();
  const std::uint8_t* const text = in.data();
  const std::size_t n = in.size();
  std::uint8_t* const to = out.bytes.buffer.data();
  std::size_t i = 0, o = 0;
  // Stores a word at a time: behind the group there is another one, whose bytes it overwrites.
  for (; n - i > 8; i += 4, o += 3) {
    const std::uint32_t group = kTables[0][text[i]] | kTables[1][text[i + 1]] |
                                kTables[2][text[i + 2]] | kTables[3][text[i + 3]];
    if ((group & kWrong) != 0) break;
    const std::uint8_t word[4] = {static_cast<std::uint8_t>(group >> 16),
                                  static_cast<std::uint8_t>(group >> 8),
                                  static_cast<std::uint8_t>(group), 0};
    std::memcpy(to + o, word, 4);
  }
  out.result = base64_decode_rest(text, n, to, i, o);
}

// Abseil lets pass what the RFC does not (blanks, missing padding, dots in its place): where its
// answer is not that of a text that is strictly right, naive decides.
void absl_base64(const Input& in, Output& out) {
  const std::size_t n = in.size();
  std::string& string = out.bytes.string;
  const bool decoded = absl::Base64Unescape({reinterpret_cast<const char*>(in.data()), n}, &string);
  std::uint8_t end[3];
  const std::size_t last = n < 4 ? 0 : n - 4;
  const Base64Decoded tail = base64_decode(in.data() + last, n - last, end);
  out.bytes.in_string = decoded && n % 4 == 0 && tail.bad == Base64Decoded::kNone &&
                        string.size() == last / 4 * 3 + tail.bytes;
  if (out.bytes.in_string) {
    out.result = {string.size(), Base64Decoded::kNone};
  } else {
    naive(in, out);
  }
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/base64_decode-inl.h"
#include "simd/base64_decode-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(DecodeBase64);
HWY_EXPORT(DecodeBase64Stream);

// A whole vector of characters is translated and checked at once.
void highway(const Input& in, Output& out) {
  out.result = HWY_DYNAMIC_DISPATCH(DecodeBase64)(in.data(), in.size(), out.bytes.buffer.data());
}

// The same with stores past the caches: a plain store first reads the line that it is about to
// overwrite. (And what is read is asked for ahead, as the hardware's prefetchers do too little
// beside such stores.)
void stream(const Input& in, Output& out) {
  out.result =
      HWY_DYNAMIC_DISPATCH(DecodeBase64Stream)(in.data(), in.size(), out.bytes.buffer.data());
}

constexpr Variant<Base64Decode> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "four characters to three bytes, a table look-up for each, one check for the four"},
    {.name = "four_tables",
     .run = run<four_tables>,
     .what = "a table for each place with the shift in it: three ORs join and check a group"},
    {.name = "highway",
     .run = run<highway>,
     .what = "look-ups in registers translate and check a vector of characters at once"},
    {.name = "stream",
     .run = run<stream>,
     .what = "highway with non-temporal stores: pays where the bytes go to memory, not before"},
    {.name = "absl",
     .run = run<absl_base64>,
     .what = "absl::Base64Unescape into a std::string; less strict, so what it accepts is checked",
     .role = Role::kPeer},
};

const Registrar kRegistrar(
    {.name = "simd/base64_decode",
     .axis = Axis::kSimd,
     .technique = "translate and validate by look-ups in registers; find the error afterwards",
     .sizes = {12 << 10, 192 << 10, 1536 << 10, 24 << 20, 96 << 20},
     .headline = {12 << 10, 24 << 20},
     .ceiling = {"machine/copy"},
     .promise = Promise::kExact | Promise::kValidating,
     .demand =
         [](const Setting& s) {
           const std::size_t text = base64_encoded_size(s.n);
           return Demand{.items = static_cast<double>(s.n),
                         .bytes = static_cast<double>(s.n + text),
                         .working_set = s.n + text,
                         .memory = 2 * text + (std::size(kVariants) + 1) * s.n};
         },
     .test_sizes = {0,   1,   2,   3,   4,   5,   6,   11,  12,  13,  15,  16,   17,   27,   28,
                    29,  31,  32,  33,  47,  48,  49,  63,  64,  65,  66,  79,   111,  112,  113,
                    127, 128, 129, 207, 208, 209, 255, 256, 257, 403, 512, 1000, 3077, 4097, 9300}},
    kVariants);

}  // namespace
}  // namespace headroom
