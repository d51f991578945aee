// simd/find_byte: where does a byte occur in a text? All places, found one after the other.
//
// Each variant is a function like memchr, which returns the first place; it is called again from
// behind each place until the text ends. Out: every place, and how many. Exact.
//
// Inputs: `last` has the byte once, at the end: one long search. `short` has it every 32 bytes on
// average (a geometric distribution): the length of a line, where the cost of starting and of the
// mispredicted end counts. There the byte wanted is another one in each call, out of 16, so that
// branch prediction can't learn the ends. Other bytes are those that a careless trick takes for it
// (one more, one less by a borrow, the top bit flipped).
#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

#include "core/cpu.h"
#include "core/kernel.h"

namespace headroom {
namespace {

struct FindByteProblem {
  static constexpr auto kInputs = inputs("last", "short");
  struct Call {
    std::span<const std::uint8_t> text;
    std::uint8_t wanted = 0;
  };
  struct Input {
    Buffer<std::uint8_t> text;
    std::vector<std::uint8_t> wanted;
    std::size_t most = 0;  // places of any of those wanted
    Call at(std::size_t turn) const {
      return {{text.data(), text.size()}, wanted[turn % wanted.size()]};
    }
  };
  struct Output {
    Buffer<std::uint32_t> places;
    std::size_t count = 0;
    void poison() {
      headroom::poison(places);
      count = ~std::size_t{0};
    }
    bool spoil(Spoil how) { return spoil_counted(how, places.data(), count); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<std::uint8_t>(setting.n), {}, 0};
    FastRng fast(rng());
    if (setting.input == kInputs["short"]) {
      // 32 bytes, all alike often: 16 that are wanted by turns, and their neighbours.
      for (int k = 0; k < 16; ++k) in.wanted.push_back(static_cast<std::uint8_t>(2 * k));
      for (std::size_t i = 0; i < setting.n;) {
        std::uint64_t bits = fast();
        for (int k = 0; k < 12 && i < setting.n; ++k, bits >>= 5)
          in.text[i++] = static_cast<std::uint8_t>(bits & 31);
      }
      count_most(in);
    } else {
      in.wanted = {'\n'};
      const std::uint8_t other[4] = {'\n' + 1, '\n' ^ 1, '\n' ^ 0x80, '\n' - 1};
      for (std::size_t i = 0; i < setting.n;) {
        std::uint64_t bits = fast();
        for (int k = 0; k < 32 && i < setting.n; ++k, bits >>= 2) in.text[i++] = other[bits & 3];
      }
      if (setting.n != 0) in.text[setting.n - 1] = '\n';
      in.most = setting.n != 0 ? 1 : 0;
    }
    return in;
  }
  // The first byte is the one wanted, in the others.
  static Input from(std::span<const std::uint8_t> bytes) {
    Input in{Buffer<std::uint8_t>(bytes.empty() ? 0 : bytes.size() - 1), {0}, 0};
    if (!bytes.empty()) {
      in.wanted = {bytes[0]};
      std::copy(bytes.begin() + 1, bytes.end(), in.text.begin());
    }
    count_most(in);
    return in;
  }
  static void count_most(Input& in) {
    std::size_t counts[256] = {};
    for (std::uint8_t byte : in.text) ++counts[byte];
    for (std::uint8_t byte : in.wanted) in.most = std::max(in.most, counts[byte]);
  }
  static void size(const Input& in, Output& out) { out.places = Buffer<std::uint32_t>(in.most); }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    if (absl::Status status = exact(want.count, got.count); !status.ok()) return status;
    return exact(std::span(want.places.data(), want.count),
                 std::span(got.places.data(), got.count));
  }
};

// find(text, n, wanted) is the first place, or n.
template <class Find>
void find_all(const FindByteProblem::Call& in, FindByteProblem::Output& out, const Find& find) {
  const std::size_t n = in.text.size();
  std::size_t count = 0;
  for (std::size_t at = 0; at < n; ++at) {
    at += find(in.text.data() + at, n - at, in.wanted);
    if (at < n) out.places[count++] = static_cast<std::uint32_t>(at);
  }
  out.count = count;
}

// Byte by byte: a load, a comparison and a branch each. What everyone ships is memchr, the standard
// here: std::find of GCC's library is a loop over bytes too.
void naive(const FindByteProblem::Call& in, FindByteProblem::Output& out) {
  find_all(in, out, [](const std::uint8_t* text, std::size_t n, std::uint8_t wanted) {
    std::size_t i = 0;
    while (i < n && text[i] != wanted) ++i;
    return i;
  });
}

// Eight bytes in a general register. (x - 0x01..) & ~x & 0x80.. has the top bit of the lowest zero
// byte of x set, and none below it: what borrows do to higher bytes does not matter for the first
// match (Warren, "Hacker's Delight", 6-1; Mycroft, 1987).
void swar(const FindByteProblem::Call& in, FindByteProblem::Output& out) {
  find_all(in, out, [](const std::uint8_t* text, std::size_t n, std::uint8_t wanted) {
    constexpr std::uint64_t kOnes = ~std::uint64_t{0} / 255;  // 0x0101...
    const std::uint64_t key = kOnes * wanted;
    std::size_t i = 0;
    if constexpr (std::endian::native == std::endian::little) {
      for (; n - i >= 8; i += 8) {
        std::uint64_t word;
        std::memcpy(&word, text + i, 8);
        const std::uint64_t x = word ^ key;
        const std::uint64_t zero = (x - kOnes) & ~x & (kOnes << 7);
        if (zero != 0) return i + static_cast<std::size_t>(std::countr_zero(zero)) / 8;
      }
    }
    while (i < n && text[i] != wanted) ++i;
    return i;
  });
}

void std_find(const FindByteProblem::Call& in, FindByteProblem::Output& out) {
  find_all(in, out, [](const std::uint8_t* text, std::size_t n, std::uint8_t wanted) {
    return static_cast<std::size_t>(std::find(text, text + n, wanted) - text);
  });
}

void libc_memchr(const FindByteProblem::Call& in, FindByteProblem::Output& out) {
  find_all(in, out, [](const std::uint8_t* text, std::size_t n, std::uint8_t wanted) {
    const void* const found = std::memchr(text, wanted, n);
    return found == nullptr
               ? n
               : static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - text);
  });
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/find_byte-inl.h"
#include "simd/find_byte-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(FindByteByVectors);
HWY_EXPORT(FindByteByBlocks);

// One comparison and one branch for as many bytes as the host's vectors hold.
void by_vectors(const FindByteProblem::Call& in, FindByteProblem::Output& out) {
  find_all(in, out, HWY_DYNAMIC_DISPATCH(FindByteByVectors));
}

// From the fifth vector on one branch for eight of them; and in what is larger than an L3 keeps for
// one core (16 times L2, as a rule), lines asked for ahead: from L3 they only cost time.
void highway(const FindByteProblem::Call& in, FindByteProblem::Output& out) {
  const std::size_t near = l1_bytes(), cached = 16 * l2_bytes();
  find_all(in, out,
           [find = HWY_DYNAMIC_DISPATCH(FindByteByBlocks), near, cached](
               const std::uint8_t* text, std::size_t n, std::uint8_t wanted) {
             return find(text, n, wanted, near, cached);
           });
}

constexpr Variant<FindByteProblem> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "byte by byte: compilers don't vectorize a search; nobody ships it"},
    {.name = "swar",
     .run = run<swar>,
     .what = "eight bytes per step in a general register: the zero byte of a difference"},
    {.name = "by_vectors",
     .run = run<by_vectors>,
     .what = "widest SIMD: one comparison and one branch per vector"},
    {.name = "highway",
     .run = run<highway>,
     .what =
         "by_vectors, in a long search one branch per eight; from memory also prefetched to L2"},
    {.name = "std_find",
     .run = run<std_find>,
     .what = "std::find of the standard library: the naive loop, unrolled",
     .role = Role::kPeer},
    {.name = "memchr",
     .run = run<libc_memchr>,
     .what = "the C library's memchr: hand-written SIMD",
     .role = Role::kStandard},
};

const Registrar kRegistrar(
    {.name = "simd/find_byte",
     .axis = Axis::kSimd,
     .technique = "one branch for many bytes",
     .sizes = {16 << 10, 512 << 10, 3 << 20, 64 << 20, 256 << 20},
     .headline = {16 << 10, 64 << 20},
     .ceiling = {"machine/read"},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           const std::size_t places =
               s.input == FindByteProblem::kInputs["short"] ? s.n / 24 + 64 : 1;
           return Demand{.items = n,
                         .bytes = n,
                         .working_set = s.n,
                         .memory = s.n + 4 * places * std::size(kVariants)};
         },
     .test_sizes = {0,   1,   2,   3,   7,   8,   9,    15,   16,
                    17,  31,  32,  33,  63,  64,  65,   127,  128,
                    129, 255, 256, 257, 511, 513, 1000, 4097, l1_bytes() + 13}},
    kVariants);

}  // namespace
}  // namespace headroom
