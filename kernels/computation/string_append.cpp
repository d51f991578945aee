// computation/string_append: build one long string out of many short pieces.
//
// In: n pieces, each a word of a vocabulary of 256 (std::string). Out: the std::string that they
// make together, built anew in every call, allocation included (how often it is made is the
// subject). Agreement is exact, byte by byte.
//
// Inputs: words has 1 to 15 bytes a piece, random (a short string lies inside its object); lines
// has 40 to 119. The order of pieces is drawn afresh over 2^20 pieces before it repeats: the
// lengths are what the branches inside memcpy depend on.
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "computation/decisions.h"
#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kWords = 256;
constexpr std::size_t kSmallest = 1000;

struct StringAppend {
  static constexpr auto kInputs = inputs("words", "lines");
  struct Call {
    const std::string* words;              // the vocabulary
    std::span<const std::uint8_t> pieces;  // which word each piece is
  };
  struct Input {
    std::vector<std::string> words;
    Buffer<std::uint8_t> pieces;
    Slices slices;  // of pieces
    Call at(std::size_t turn) const { return {words.data(), slices.of(pieces, turn)}; }
  };
  using Output = std::string;

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.slices = slices_for(setting.n, kSmallest);
    const bool lines = setting.input == kInputs["lines"];
    for (std::size_t i = 0; i < kWords; ++i) {
      std::string word(lines ? 40 + bounded(rng, 80) : 1 + i % 15, ' ');
      for (char& c : word) c = static_cast<char>('a' + bounded(rng, 26));
      in.words.push_back(std::move(word));
    }
    shuffle(std::span<std::string>(in.words), rng);
    in.pieces = Buffer<std::uint8_t>(in.slices.items());
    FastRng fast(rng());
    for (std::uint8_t& piece : in.pieces) piece = static_cast<std::uint8_t>(fast() >> 56);
    return in;
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// Each + copies all that there is so far into a new string: n^2 / 2 pieces copied.
void naive(const StringAppend::Call& in, std::string& out) {
  std::string s;
  for (const std::uint8_t piece : in.pieces) s = s + in.words[piece];
  out = std::move(s);
}

// The buffer doubles when it is full, so each byte is copied about twice in all.
void plus_equals(const StringAppend::Call& in, std::string& out) {
  std::string s;
  for (const std::uint8_t piece : in.pieces) s += in.words[piece];
  out = std::move(s);
}

std::size_t total_size(const StringAppend::Call& in) {
  std::size_t total = 0;
  for (const std::uint8_t piece : in.pieces) total += in.words[piece].size();
  return total;
}

// One allocation. What remains is the price of an append of unknown length: a capacity check and a
// call of memcpy, which branches on the length.
void reserve_append(const StringAppend::Call& in, std::string& out) {
  std::string s;
  s.reserve(total_size(in));
  for (const std::uint8_t piece : in.pieces) s.append(in.words[piece]);
  out = std::move(s);
}

// Each call may take several pieces, and then checks the capacity once for them.
void absl_strappend(const StringAppend::Call& in, std::string& out) {
  std::string s;
  const std::size_t n = in.pieces.size();
  const auto word = [&](std::size_t i) -> const std::string& { return in.words[in.pieces[i]]; };
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) absl::StrAppend(&s, word(i), word(i + 1), word(i + 2), word(i + 3));
  for (; i < n; ++i) absl::StrAppend(&s, word(i));
  out = std::move(s);
}

void absl_strjoin(const StringAppend::Call& in, std::string& out) {
  struct AppendWord {
    const std::string* words;
    void operator()(std::string* s, std::uint8_t piece) const { s->append(words[piece]); }
  };
  out = absl::StrJoin(in.pieces, "", AppendWord{in.words});
}

// A copy of constant size is two instructions without a branch, where a copy of unknown size is a
// call that mispredicts on random lengths. So 16 bytes are copied for every piece that has at most
// 16, and the next piece overwrites what was too much. Reading them is safe: a std::string holds 16
// bytes at least from data() on, be it inside the object or on the heap. Writing them is: the
// result has 16 bytes to spare until the end.
constexpr std::size_t kStep = 16;
static_assert(sizeof(std::string) >= kStep);

void one_pass(const StringAppend::Call& in, std::string& out) {
  const std::size_t total = total_size(in);
  std::string s(total + kStep, '\0');
  char* to = s.data();
  for (const std::uint8_t piece : in.pieces) {
    const std::string& word = in.words[piece];
    const std::size_t size = word.size();
    if (size <= kStep) {
      std::memcpy(to, word.data(), kStep);
    } else {
      std::memcpy(to, word.data(), size);
    }
    to += size;
  }
  s.resize(total);
  out = std::move(s);
}

constexpr Variant<StringAppend> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "s = s + p: copies the whole string for every piece, quadratic",
     .max_n = 10000},
    {.name = "plus_equals",
     .run = run<plus_equals>,
     .what = "s += p: the buffer doubles, each byte is copied about twice",
     .role = Role::kStandard},
    {.name = "reserve_append",
     .run = run<reserve_append>,
     .what = "sizes added up first: one allocation, nothing copied twice"},
    {.name = "absl_strappend",
     .run = run<absl_strappend>,
     .what = "absl::StrAppend of four pieces: one capacity check for the four",
     .role = Role::kPeer},
    {.name = "absl_strjoin",
     .run = run<absl_strjoin>,
     .what = "absl::StrJoin with an empty separator",
     .role = Role::kPeer},
    {.name = "one_pass",
     .run = run<one_pass>,
     .what =
         "sized once, then 16 bytes copied for every short piece: no call, no branch on length"},
};

const Registrar kRegistrar(
    {.name = "computation/string_append",
     .axis = Axis::kScalar,
     .technique = "size once, then copy without branching on the length",
     .sizes = {1000, 10000, 100000, 8000000},
     .headline = {1000, 10000},
     .ceiling = {"machine/copy"},
     .demand =
         [](const Setting& s) {
           const std::size_t average = s.input == StringAppend::kInputs["lines"] ? 80 : 8;
           const std::size_t text = s.n * average;
           return Demand{.items = static_cast<double>(s.n),
                         .bytes = 2 * static_cast<double>(text),
                         .working_set = kWords * (sizeof(std::string) + average) + text,
                         // A result for each variant, and while growing the old and the new one.
                         .memory = 2 * s.n + (2 << 20) + 9 * text};
         }},
    kVariants);

}  // namespace
}  // namespace headroom
