// algorithm/edit_distance: the Levenshtein distance of pairs of strings.
//
// In: pairs of strings; calls rotate. Out: the distance of each pair: the least number of bytes to
// insert, delete or replace. Exact.
//
// Inputs: words has n pairs of words, one the other with a letter edited in half of the pairs:
// their lengths are those that Norvig counted (support/words.h), and a table has 24 cells on
// average. The others have pair_count(n) pairs, each a string of n bytes and another one: similar
// has text of four letters, and the same with about a tenth of it edited (the lengths differ a
// little); random has unrelated strings of 26 letters.
//
// The table of Wagner and Fischer ("The String-to-String Correction Problem", 1974) has a cell for
// each pair of bytes, and each cell waits for three neighbours: a chain of dependent instructions
// as long as the table has cells, one per step. To be learned: how to break such a chain.
// Neighbouring cells differ by at most one, so their differences fit into bits, and a few word
// operations compute 64 cells of a column (myers); what still waits, from column to column, is
// hidden by working on other pairs, or other parts of the same table, in other lanes (highway).
// And that a table of a few cells takes less time than getting ready for anything better: of words,
// what counts is how little is done per pair.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/kernel.h"
#include "core/opaque.h"
#include "support/words.h"

namespace headroom {
namespace {

// Two strings, of which `a` is not the longer one: where they start in the text, and their sizes.
// From each of their bytes on kSlack bytes can be read.
struct Pair {
  std::uint32_t a;
  std::uint32_t b;
  std::uint32_t a_size;
  std::uint32_t b_size;
};
constexpr std::size_t kSlack = 64;

// Where variants put what they need during a call; grows to what the longest strings need, and
// stays.
using Scratch = std::vector<std::uint64_t>;

// How many pairs a call has. Odd lengths, which only tests have, don't fill the last vectors.
std::size_t pair_count(std::size_t n) {
  return n <= 64 ? (n % 2 == 0 ? 128 : 101) : n < 1000 ? 5 : n < 10'000 ? 4 : 1;
}

struct EditDistance {
  static constexpr auto kInputs = inputs("words", "similar", "random");
  struct Call {
    const std::uint8_t* text;
    std::span<const Pair> pairs;
  };
  struct Input {
    Buffer<std::uint8_t> text;
    std::vector<Pair> pairs;  // `slices` calls of them
    std::size_t slices = 1;
    Call at(std::size_t turn) const {
      const std::size_t count = pairs.size() / slices;
      return {text.data(), {pairs.data() + turn % slices * count, count}};
    }
  };
  struct Output {
    Buffer<std::uint32_t> distances;
    Scratch scratch;
    std::vector<std::uint32_t> table;
    void poison() { headroom::poison(distances); }
    bool spoil(Spoil how) { return headroom::spoil(distances, how); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    if (setting.input == kInputs["words"]) return make_words(setting.n, rng);
    const std::size_t n = setting.n, count = pair_count(n);
    Input in;
    in.slices = std::clamp<std::size_t>((std::size_t{1} << 17) / (count * (n + 1)), 2, 64);
    FastRng fast(rng());
    const bool similar = setting.input == kInputs["similar"];
    std::vector<std::uint8_t> text;
    const auto letter = [&] {
      return static_cast<std::uint8_t>(similar ? "ACGT"[fast() >> 62] : 'a' + bounded(fast, 26));
    };
    for (std::size_t k = 0; k < in.slices * count; ++k) {
      const std::size_t a = text.size();
      for (std::size_t i = 0; i < n; ++i) text.push_back(letter());
      const std::size_t b = text.size();
      for (std::size_t i = 0; i < n; ++i) {
        const std::uint64_t edit = similar ? bounded(fast, 30) : 0;
        if (!similar || edit == 0) text.push_back(letter());   // replaced
        if (similar && edit > 1) text.push_back(text[a + i]);  // 1: deleted
        if (similar && edit == 2) text.push_back(letter());    // inserted after it
      }
      in.pairs.push_back(ordered(a, b - a, b, text.size() - b));
    }
    fill(in, text);
    return in;
  }
  // How many bytes the first string takes, then both, twice, in either order.
  static Input from(std::span<const std::uint8_t> bytes) {
    // Work and the baseline's memory grow with the square.
    constexpr std::size_t kMost = 1024;
    const std::size_t n = bytes.empty() ? 0 : std::min(bytes.size() - 1, kMost);
    const std::size_t cut = n == 0 ? 0 : std::min<std::size_t>(n, n * bytes[0] / 255);
    Input in;
    in.pairs = {ordered(0, cut, cut, n - cut), ordered(0, n, cut, n - cut), ordered(0, n, 0, n)};
    fill(in, n == 0 ? bytes.first(0) : bytes.subspan(1, n));
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.distances = Buffer<std::uint32_t>(in.pairs.size() / in.slices);
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want.distances, got.distances);
  }

 private:
  // 2^15 pairs or more rotate, since branches depend on their lengths.
  static Input make_words(std::size_t n, Rng& rng) {
    Input in;
    in.slices = std::max<std::size_t>(2, (std::size_t{1} << 15) / std::max<std::size_t>(n, 1));
    FastRng fast(rng());
    std::string text;
    for (std::size_t k = 0; k < in.slices * n; ++k) {
      const std::size_t a = text.size();
      append_word(text, fast);
      const std::size_t b = text.size();
      if (bounded(fast, 2) == 0) {
        append_word(text, fast);
      } else {
        std::string word = text.substr(a);
        const std::size_t at = bounded(fast, word.size());
        const std::uint64_t edit = bounded(fast, 3);
        if (edit == 0) word[at] = word_letter(fast);
        if (edit == 1) word.erase(at, 1);
        if (edit == 2) word.insert(at, 1, word_letter(fast));
        text += word;
      }
      in.pairs.push_back(ordered(a, b - a, b, text.size() - b));
    }
    fill(in, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    return in;
  }
  static Pair ordered(std::size_t a, std::size_t a_size, std::size_t b, std::size_t b_size) {
    Pair pair{static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b),
              static_cast<std::uint32_t>(a_size), static_cast<std::uint32_t>(b_size)};
    if (a_size > b_size) std::swap(pair.a, pair.b), std::swap(pair.a_size, pair.b_size);
    return pair;
  }
  static void fill(Input& in, std::span<const std::uint8_t> text) {
    in.text = Buffer<std::uint8_t>(text.size() + kSlack);
    std::copy(text.begin(), text.end(), in.text.begin());
  }
};
using Call = EditDistance::Call;
using Output = EditDistance::Output;

// cell[i * row + j]: the distance of the first i bytes of a and the first j of b. The last byte of
// a is deleted, or that of b inserted, or one replaced by the other.
void naive(const Call& in, Output& out) {
  for (std::size_t k = 0; k < in.pairs.size(); ++k) {
    const std::size_t rows = in.pairs[k].a_size, columns = in.pairs[k].b_size;
    const std::uint8_t* const a = in.text + in.pairs[k].a;
    const std::uint8_t* const b = in.text + in.pairs[k].b;
    const std::size_t row = columns + 1;
    if (out.table.size() < (rows + 1) * row) out.table.resize((rows + 1) * row);
    std::uint32_t* const cell = out.table.data();
    for (std::size_t j = 0; j <= columns; ++j) cell[j] = static_cast<std::uint32_t>(j);
    for (std::size_t i = 1; i <= rows; ++i) {
      cell[i * row] = static_cast<std::uint32_t>(i);
      for (std::size_t j = 1; j <= columns; ++j)
        cell[i * row + j] = std::min({cell[(i - 1) * row + j] + 1, cell[i * row + j - 1] + 1,
                                      cell[(i - 1) * row + j - 1] + (a[i - 1] != b[j - 1])});
    }
    out.distances[k] = cell[rows * row + columns];
  }
}

// A row needs only the one before it, so both stay in L1; in place, the one before it needs a
// single cell more. What is left is the chain from cell to cell along the row, as short as it can
// be.
void one_row(const Call& in, Output& out) {
  for (std::size_t k = 0; k < in.pairs.size(); ++k) {
    const std::size_t rows = in.pairs[k].a_size, columns = in.pairs[k].b_size;
    const std::uint8_t* const a = in.text + in.pairs[k].a;
    const std::uint8_t* const b = in.text + in.pairs[k].b;
    if (out.scratch.size() <= columns) out.scratch.resize(columns + 1);
    std::uint32_t* const row = reinterpret_cast<std::uint32_t*>(out.scratch.data());
    for (std::size_t j = 0; j < columns; ++j) row[j] = static_cast<std::uint32_t>(j + 1);
    std::uint32_t last = static_cast<std::uint32_t>(columns);
    for (std::size_t i = 0; i < rows; ++i) {
      std::uint32_t diagonal = static_cast<std::uint32_t>(i), left = diagonal + 1;
      for (std::size_t j = 0; j < columns; ++j) {
        const std::uint32_t up = row[j];
        // What doesn't wait for the cell before comes first; where it isn't opaque GCC 12 puts it
        // last, and the chain is twice as long.
        const std::uint32_t others =
            opaque(std::min(up + 1, diagonal + static_cast<std::uint32_t>(a[i] != b[j])));
        left = std::min(others, left + 1);
        diagonal = up;
        row[j] = left;
      }
      last = left;
    }
    out.distances[k] = columns == 0 ? static_cast<std::uint32_t>(rows) : last;
  }
}

// Myers ("A fast bit-vector algorithm for approximate string matching based on dynamic
// programming", 1999; here in the form of Hyyro, "A bit-vector algorithm for computing Levenshtein
// and Damerau edit distances", 2003) keeps one column of the table, a row per byte of a, as two
// words: bit i of `plus` is set where the cell of row i is one more than the cell above it, bit i
// of `minus` where it is one less. A step goes one column to the right. The carry of one addition
// takes a run of matches down the column; the horizontal differences (right_plus, right_minus)
// follow from that, and the next column's vertical ones from those: 64 cells in about 17
// operations.

// A column starts with the row's number in each cell: the last cell is the column's number (b_size)
// plus the vertical differences of the rows that there are. `rows` may be more than 64: then all
// bits count.
inline std::int64_t sum_of_rows(std::uint64_t plus, std::uint64_t minus, std::size_t rows) {
  const std::uint64_t mask = rows >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << rows) - 1;
  return std::popcount(plus & mask) - std::popcount(minus & mask);
}

// Strings of at most 64 bytes: a column is one word.
void myers(const Call& in, Output& out) {
  for (std::size_t k = 0; k < in.pairs.size(); ++k) {
    const Pair& pair = in.pairs[k];
    std::uint64_t matches[256] = {};
    for (std::size_t i = 0; i < pair.a_size; ++i)
      matches[in.text[pair.a + i]] |= std::uint64_t{1} << i;
    std::uint64_t plus = ~std::uint64_t{0}, minus = 0;
    for (std::size_t j = 0; j < pair.b_size; ++j) {
      const std::uint64_t eq = matches[in.text[pair.b + j]];
      // Where the cell equals the one diagonally before it.
      const std::uint64_t diagonal = (((eq & plus) + plus) ^ plus) | eq;
      // Horizontal differences, moved down a row: of the row above. Above the first it is 1.
      const std::uint64_t right_plus = (minus | ~(diagonal | plus)) << 1 | 1;
      const std::uint64_t right_minus = (plus & diagonal) << 1;
      const std::uint64_t vertical = eq | minus;
      plus = right_minus | ~(vertical | right_plus);
      minus = right_plus & vertical;
    }
    out.distances[k] =
        static_cast<std::uint32_t>(pair.b_size + sum_of_rows(plus, minus, pair.a_size));
  }
}

// Strings of any length, 64 rows (a block) at a time: all columns of one block, then those of the
// next, so that a block's two words stay in registers and its table of matches in L1. The
// horizontal differences along its lower edge are kept in `tops` for the block below.
inline void blocked_distances(const std::uint8_t* text, std::span<const Pair> pairs,
                              Scratch& scratch, std::uint32_t* out) {
  for (std::size_t k = 0; k < pairs.size(); ++k) {
    const Pair& pair = pairs[k];
    const std::uint8_t* const b = text + pair.b;
    if (scratch.size() < pair.b_size) scratch.resize(pair.b_size);
    // For each column the difference above the block, as 1 and -1 are in bits 0 and 1.
    std::uint8_t* const tops = reinterpret_cast<std::uint8_t*>(scratch.data());
    std::fill(tops, tops + pair.b_size, std::uint8_t{1});
    std::int64_t distance = pair.b_size;
    for (std::size_t row = 0; row < pair.a_size; row += 64) {
      std::uint64_t matches[256] = {};
      const std::size_t rows = std::min<std::size_t>(64, pair.a_size - row);
      for (std::size_t i = 0; i < rows; ++i)
        matches[text[pair.a + row + i]] |= std::uint64_t{1} << i;
      std::uint64_t plus = ~std::uint64_t{0}, minus = 0;
      for (std::size_t j = 0; j < pair.b_size; ++j) {
        const std::uint64_t top_plus = tops[j] & 1, top_minus = tops[j] >> 1;
        std::uint64_t eq = matches[b[j]];
        const std::uint64_t vertical = eq | minus;
        eq |= top_minus;
        const std::uint64_t diagonal = (((eq & plus) + plus) ^ plus) | eq;
        const std::uint64_t right_plus = minus | ~(diagonal | plus), right_minus = plus & diagonal;
        tops[j] = static_cast<std::uint8_t>(right_plus >> 63 | (right_minus >> 63) << 1);
        const std::uint64_t shifted_plus = right_plus << 1 | top_plus;
        plus = (right_minus << 1 | top_minus) | ~(vertical | shifted_plus);
        minus = shifted_plus & vertical;
      }
      distance += sum_of_rows(plus, minus, rows);
    }
    out[k] = static_cast<std::uint32_t>(distance);
  }
}

void myers_blocked(const Call& in, Output& out) {
  blocked_distances(in.text, in.pairs, out.scratch, out.distances.data());
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/edit_distance-inl.h"
#include "algorithm/edit_distance-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(Distances);

// Myers' columns in all lanes of four vectors. Strings of up to 64 bytes: a pair per lane. Longer
// ones: a block of the same table per lane of two vectors, each two columns behind the one above
// it.
void highway(const Call& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(Distances)(in.text, in.pairs, out.scratch, out.distances.data());
}

constexpr Variant<EditDistance> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "the whole table, row by row: each cell waits for the one before it"},
    {.name = "one_row",
     .run = run<one_row>,
     .what = "one row, in place: little memory, and no faster, as the chain from cell to cell is "
             "the same"},
    {.name = "myers",
     .run = run<myers>,
     .what = "differences as bits: 64 cells of a column in 17 operations on words",
     .max_n = 64},
    {.name = "myers_blocked",
     .run = run<myers_blocked>,
     .what = "the same for any length: 64 rows at a time, the differences between them in memory"},
    {.name = "highway",
     .run = run<highway>,
     .what =
         "myers in vectors: up to 64 bytes a pair per lane, beyond that a block of the same table "
         "per lane"},
};

const Registrar kRegistrar(
    {.name = "algorithm/edit_distance",
     .axis = Axis::kScalar,
     .technique = "differences as bits: 64 cells of a table in a few operations",
     .sizes = {30, 64, 1000, 10000},
     .headline = {64, 1000},
     .demand =
         [](const Setting& s) {
           if (s.input == EditDistance::kInputs["words"])
             return Demand{.items = 24 * static_cast<double>(s.n) + 1,
                           .working_set = 26 * s.n,
                           .memory = 26 * (s.n + (std::size_t{1} << 15)) + (std::size_t{1} << 20)};
           const double n = static_cast<double>(s.n), pairs = static_cast<double>(pair_count(s.n));
           return Demand{.items = n * n * pairs + 1,
                         .working_set = 2 * s.n * pair_count(s.n),
                         .memory = 4 * s.n * s.n + (std::size_t{4} << 20)};
         },
     .test_sizes = {0,  1,  2,  3,  7,  8,  9,   15,  16,  17,  30, 31,
                    32, 33, 63, 64, 65, 66, 127, 128, 129, 255, 257}},
    kVariants);

}  // namespace
}  // namespace headroom
