// simd/histogram: how often each byte value occurs in a text.
//
// Out: 256 counts, exact. Inputs: `random` bytes; `skewed`, where half of the bytes have one value
// and the others follow a Zipf distribution; `one_value`.
//
// A documented null result. The folklore says that one table is slow, since an increment must wait
// for the last one of the same counter, through memory, and that four tables help (Yann Collet,
// "Counting bytes fast", 2014). True of skewed data. For random bytes two of the same value are
// seldom near each other, the increments overlap, and what is left is a load and a store a byte,
// which more tables don't change; and where all bytes are equal, processors of today pass the
// store's value on without a detour.
#include <algorithm>
#include <cstring>

#include "core/kernel.h"

namespace headroom {
namespace {

struct Histogram {
  static constexpr auto kInputs = inputs("random", "skewed", "one_value");
  using Input = Buffer<std::uint8_t>;
  using Output = Buffer<std::uint32_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input text(setting.n);
    FastRng fast(rng());
    if (setting.input == kInputs["one_value"]) {
      std::fill(text.begin(), text.end(), static_cast<std::uint8_t>(fast()));
    } else if (setting.input == kInputs["skewed"]) {
      const Zipf zipf(256, 1.2);
      for (std::uint8_t& byte : text)
        byte = static_cast<std::uint8_t>((fast() >> 63) != 0 ? 32 : zipf(fast));
    } else {
      for (std::size_t i = 0; i < text.size();) {
        std::uint64_t bits = fast();
        for (int k = 0; k < 8 && i < text.size(); ++k, bits >>= 8)
          text[i++] = static_cast<std::uint8_t>(bits);
      }
    }
    return text;
  }
  static void size(const Input&, Output& out) { out = Output(256); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

void naive(const Histogram::Input& text, Buffer<std::uint32_t>& out) {
  std::uint32_t* const counts = out.data();
  std::fill(counts, counts + 256, 0u);
  for (std::uint8_t byte : text) ++counts[byte];
}

// Neighbours count in different tables: two of the same value need not wait for each other. One
// load of eight bytes takes the place of eight.
template <std::size_t kTables>
void tables(const Histogram::Input& in, Buffer<std::uint32_t>& out) {
  static_assert(8 % kTables == 0);
  std::uint32_t counts[kTables][256] = {};
  const std::uint8_t* const text = in.data();
  const std::size_t n = in.size();
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, text + i, 8);
    for (std::size_t k = 0; k < 8; ++k) ++counts[k % kTables][(word >> (8 * k)) & 255];
  }
  for (; i < n; ++i) ++counts[0][text[i]];
  for (std::size_t value = 0; value < 256; ++value) {
    std::uint32_t sum = 0;
    for (std::size_t k = 0; k < kTables; ++k) sum += counts[k][value];
    out[value] = sum;
  }
}

// Eight equal bytes are one increment: a branch that costs nothing where it never or always goes
// the same way. The word is compared with itself turned by a byte.
void runs(const Histogram::Input& in, Buffer<std::uint32_t>& out) {
  std::uint32_t counts[4][256] = {};
  const std::uint8_t* const text = in.data();
  const std::size_t n = in.size();
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, text + i, 8);
    if (word == ((word << 8) | (word >> 56))) {
      counts[0][word & 255] += 8;
    } else {
      for (std::size_t k = 0; k < 8; ++k) ++counts[k % 4][(word >> (8 * k)) & 255];
    }
  }
  for (; i < n; ++i) ++counts[0][text[i]];
  for (std::size_t value = 0; value < 256; ++value)
    out[value] = counts[0][value] + counts[1][value] + counts[2][value] + counts[3][value];
}

constexpr Variant<Histogram> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "one table: a load, an add and a store per byte"},
    {.name = "tables_4",
     .run = run<tables<4>>,
     .what = "four tables in turn: for runs of one value; next to nothing for random bytes"},
    {.name = "tables_8",
     .run = run<tables<8>>,
     .what = "eight tables in turn: more independence, more of L1, more to add up in the end"},
    {.name = "runs",
     .run = run<runs>,
     .what = "four tables, and one increment for eight equal bytes: a gain for long runs only"},
};

const Registrar kRegistrar(
    {.name = "simd/histogram",
     .axis = Axis::kScalar,
     .technique = "several tables, so that increments wait less (a null result)",
     .sizes = {16 << 10, 512 << 10, 3 << 20, 64 << 20, 256 << 20},
     .headline = {16 << 10, 3 << 20},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           return Demand{.items = n, .bytes = n, .working_set = s.n, .memory = s.n};
         }},
    kVariants);

}  // namespace
}  // namespace headroom
