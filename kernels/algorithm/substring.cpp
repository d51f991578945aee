// algorithm/substring: find every occurrence of a short text in a long one.
//
// In: a text of n bytes, and a needle for each call (they rotate, for branches to depend on
// something new, while the text stays in its cache). Out: where the needle starts, ascending,
// overlapping occurrences too; the empty needle starts at each of 0 .. n. Exact.
//
// Inputs: english has letters as often as English does, needles of 8 to 16 bytes, every other one
// with a byte changed, so that it occurs nowhere; dna has four letters and needles of 16; runs has
// runs of one letter and a needle that is a run too, which makes most methods start over and over;
// sentences has words that come again, with capitals and stops; shifting is the same behind up to
// 12 KiB of words of letters that are rare otherwise, and the needles are of those words.
//
// To be learned: a byte loop compares a byte per cycle at best, and mispredicts where a prefix
// matches. It is a textbook's first way; what one ships is std::string_view::find, the standard.
// (The C library's memmem and strstr, which are peers, are faster.) Two bytes of the needle can be
// looked for at a whole vector of places at once; which two decides how often a place has to be
// examined.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/kernel.h"

namespace headroom {
namespace {

using Positions = std::vector<std::uint32_t>;

// How many needles rotate: enough for 10^6 groups of places before anything comes again.
std::size_t needle_count(std::size_t n) {
  return n < 4096 ? 64 : std::max<std::size_t>(64, (std::size_t{1} << 28) / n);
}
constexpr std::size_t kLongest = 40;

struct Substring {
  static constexpr auto kInputs = inputs("english", "dna", "runs", "sentences", "shifting");
  struct Call {
    std::string_view text;    // text.data()[text.size()] is 0, for strstr
    std::string_view needle;  // and so here
    bool has_nul;             // in either
  };
  struct Input {
    Buffer<char> text;
    std::vector<std::string> needles;
    bool has_nul = false;
    Call at(std::size_t turn) const {
      return {{text.data(), text.size() - 1}, needles[turn % needles.size()], has_nul};
    }
  };
  using Output = Positions;

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t n = setting.n;
    Input in{.text = Buffer<char>(n + 1), .needles = {}};
    FastRng fast(rng());
    if (setting.input == kInputs["runs"]) {
      std::size_t left = 0;
      for (std::size_t i = 0; i < n; ++i) {
        in.text[i] = left == 0 ? 'b' : 'a';
        left = left == 0 ? 1 + bounded(fast, kLongest) : left - 1;
      }
      for (std::size_t k = 0; k < needle_count(n); ++k)
        in.needles.emplace_back(kLongest - 16 + bounded(rng, 17), 'a');
      return in;
    }
    if (setting.input == kInputs["sentences"] || setting.input == kInputs["shifting"]) {
      make_sentences(in, n, setting.input == kInputs["shifting"], rng);
      return in;
    }
    // How many of 256 bytes are which; the rest are the last.
    constexpr std::string_view kEnglish = " etaoinshrdlucmfwygpbvkxjqz";
    constexpr std::uint8_t kOften[] = {43, 26, 20, 17, 16, 15, 15, 13, 13, 13, 9, 9, 6, 6,
                                       6,  5,  4,  4,  4,  4,  4,  3,  2,  1,  1, 1, 1};
    const bool dna = setting.input == kInputs["dna"];
    std::string letters;
    if (dna)
      letters = "ACGT";
    else
      for (std::size_t i = 0; i < kEnglish.size(); ++i) letters.append(kOften[i], kEnglish[i]);
    letters.resize(256, 'z');
    if (dna)
      for (std::size_t i = 4; i < 256; ++i) letters[i] = letters[i % 4];
    for (std::size_t i = 0; i < n;) {
      std::uint64_t bits = fast();
      for (int k = 0; k < 8 && i < n; ++k, bits >>= 8) in.text[i++] = letters[bits & 255];
    }
    for (std::size_t k = 0; k < needle_count(n); ++k) {
      const std::size_t m = std::min(n, dna ? 16 : 8 + bounded(rng, 9));
      std::string needle(in.text.data() + bounded(rng, n - m + 1), m);
      if (k % 2 != 0 && m != 0) needle[bounded(rng, m)] = letters[bounded(rng, 256)];
      in.needles.push_back(std::move(needle));
    }
    return in;
  }
  static void make_sentences(Input& in, std::size_t n, bool shifting, Rng& rng) {
    constexpr std::string_view kLetters = "eeeeeetttttaaaaooooiiiinnnnssshhhrrrddllucmfwygpbvk";
    constexpr std::string_view kRareWords[] = {"quiz",    "jazz",   "vex", "fizz",
                                               "jukebox", "zephyr", "wax", "quartz"};
    std::vector<std::string> words;
    for (int w = 0; w < 400; ++w) {
      std::string word;
      for (std::size_t left = 2 + bounded(rng, 7); left != 0; --left)
        word += kLetters[bounded(rng, kLetters.size())];
      words.push_back(std::move(word));
    }
    const std::size_t rare = shifting ? std::min<std::size_t>(n / 4, 12 << 10) : 0;
    std::string text;
    text.reserve(n + 16);
    for (bool start = true; text.size() < n;) {
      std::string word(text.size() < rare ? kRareWords[bounded(rng, 8)]
                                          : std::string_view(words[bounded(rng, 400)]));
      if (start) word[0] = static_cast<char>(word[0] - 'a' + 'A');
      start = bounded(rng, 12) == 0;
      text += word;
      text += start ? ". " : bounded(rng, 9) == 0 ? ", " : " ";
    }
    std::copy_n(text.data(), n, in.text.data());
    for (std::size_t k = 0; k < needle_count(n); ++k) {
      if (shifting) {
        std::string needle(kRareWords[bounded(rng, 8)]);
        needle += ' ';
        in.needles.push_back(needle.append(kRareWords[bounded(rng, 8)]));
        continue;
      }
      const std::size_t m = std::min<std::size_t>(n, 8 + bounded(rng, 9));
      std::string needle(in.text.data() + bounded(rng, n - m + 1), m);
      if (k % 2 != 0 && m != 0) needle[bounded(rng, m)] = kLetters[bounded(rng, kLetters.size())];
      in.needles.push_back(std::move(needle));
    }
  }
  // Length of the needle, needle, text.
  static Input from(std::span<const std::uint8_t> bytes) {
    const std::size_t m = bytes.empty() ? 0 : std::min<std::size_t>(bytes[0], bytes.size() - 1);
    const std::size_t n = bytes.empty() ? 0 : bytes.size() - 1 - m;
    Input in{.text = Buffer<char>(n + 1), .needles = {std::string(m, '\0')}};
    if (m != 0) std::memcpy(in.needles[0].data(), bytes.data() + 1, m);
    if (n != 0) std::memcpy(in.text.data(), bytes.data() + 1 + m, n);
    in.has_nul = bytes.size() > 1 && std::memchr(bytes.data() + 1, 0, bytes.size() - 1) != nullptr;
    return in;
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Call = Substring::Call;

void naive(const Call& in, Positions& out) {
  out.clear();
  const std::size_t n = in.text.size(), m = in.needle.size();
  for (std::size_t i = 0; i + m <= n; ++i) {
    std::size_t j = 0;
    while (j < m && in.text[i + j] == in.needle[j]) ++j;
    if (j == m) out.push_back(static_cast<std::uint32_t>(i));
  }
}

// Every place that `find(from)` gives, from 0 on; npos ends it.
template <class Find>
void find_each(std::size_t n, Positions& out, Find find) {
  out.clear();
  for (std::size_t at = 0; at <= n && (at = find(at)) != std::string_view::npos; ++at)
    out.push_back(static_cast<std::uint32_t>(at));
}

// memchr for the first byte, which is SIMD in every C library; then memcmp. Good as long as the
// first byte is rare.
void string_view_find(const Call& in, Positions& out) {
  find_each(in.text.size(), out, [&](std::size_t at) { return in.text.find(in.needle, at); });
}

// Skips by a table of the last places of each byte: fewer bytes are looked at than the text has,
// but one after the other, and each skip waits for a load.
void boyer_moore_horspool(const Call& in, Positions& out) {
  const std::boyer_moore_horspool_searcher searcher(in.needle.begin(), in.needle.end());
  const char* const text = in.text.data();
  const char* const end = text + in.text.size();
  find_each(in.text.size(), out, [&](std::size_t at) {
    if (in.needle.empty()) return at;
    const char* const found = searcher(text + at, end).first;
    return found == end ? std::string_view::npos : static_cast<std::size_t>(found - text);
  });
}

void glibc_memmem(const Call& in, Positions& out) {
  const char* const text = in.text.data();
  find_each(in.text.size(), out, [&](std::size_t at) {
    const void* const found =
        memmem(text + at, in.text.size() - at, in.needle.data(), in.needle.size());
    return found == nullptr ? std::string_view::npos
                            : static_cast<std::size_t>(static_cast<const char*>(found) - text);
  });
}

// strstr can't see past a NUL: inputs that have one, which only tests do, go to memmem.
void glibc_strstr(const Call& in, Positions& out) {
  if (in.has_nul) return glibc_memmem(in, out);
  const char* const text = in.text.data();
  find_each(in.text.size(), out, [&](std::size_t at) {
    const char* const found = std::strstr(text + at, in.needle.data());
    return found == nullptr ? std::string_view::npos : static_cast<std::size_t>(found - text);
  });
}

// Offsets in the needle of the bytes that are looked for first, the best first.
constexpr std::size_t kProbes = 8;
struct Probes {
  std::size_t offsets[kProbes];
  bool two_are_rare = true;  // so rare together that a third is not worth its loads
};

// How common a byte is in text of any kind, by rule of thumb: where that is wrong it costs time,
// never the answer.
const std::uint8_t* commonness() {
  static const auto table = [] {
    struct Table {
      std::uint8_t of[256];
    } t;
    for (int c = 0; c < 256; ++c)
      t.of[c] = c >= 'A' && c <= 'Z' ? 40 : c >= '0' && c <= '9' ? 50 : c >= 33 && c < 127 ? 30 : 1;
    constexpr std::string_view kMost = " etaoinshrdlucmfwygpb\n\0vkxjqz";
    for (std::size_t i = 0; i < kMost.size(); ++i)
      t.of[static_cast<std::uint8_t>(kMost[i])] = static_cast<std::uint8_t>(250 - 6 * i);
    return t;
  }();
  return table.of;
}

// The sum of two bytes' commonness from which on a group of places has both of them in one case of
// nine or more: that costs as much as a third byte does.
constexpr int kTwoAreRare = 270;

// First the needle's first and last byte (Mula, "SIMD-friendly algorithms for substring searching",
// 2016), then others spread over it.
Probes first_last_probes(std::size_t m) {
  return {.offsets = {0, m - 1, m / 2, m / 4, m * 3 / 4, m / 8, m * 5 / 8, m * 3 / 8}};
}

// First the three rarest of the needle's first 64 bytes, of different values if it has so many
// (Gallant's memchr looks for one, 2015).
Probes rare_probes(std::string_view needle) {
  const std::uint8_t* const common = commonness();
  Probes probes = first_last_probes(needle.size());
  const std::uint32_t m = static_cast<std::uint32_t>(std::min<std::size_t>(needle.size(), 64));
  const auto byte_at = [&](std::size_t i) { return static_cast<std::uint8_t>(needle[i]); };
  if (m < 3) return probes;
  // Rarity, then the offset: the three least, in one pass. Without branches, which would all be
  // mispredicted: 16 steps for most needles, and places exchanged by arithmetic.
  std::uint32_t least = 1 << 20, second = 1 << 20, third = 1 << 20;
  const auto exchange = [](std::uint32_t& low, std::uint32_t& high) {
    const std::uint32_t less = 0 - ((high - low) >> 31);  // all ones where high is the lower one
    const std::uint32_t change = (high ^ low) & less;
    low ^= change;
    high ^= change;
  };
  const auto take = [&](std::uint32_t i, std::uint32_t rarity) {
    std::uint32_t x = rarity << 8 | i;
    exchange(least, x);
    exchange(second, x);
    exchange(third, x);
  };
  for (std::uint32_t i = 0; i < 16; ++i)
    take(i, common[byte_at(std::min(i, m - 1))] | (i < m ? 0u : 256u));
  for (std::uint32_t i = 16; i < m; ++i) take(i, common[byte_at(i)]);
  const std::uint8_t first = byte_at(least & 255);
  if (first == byte_at(second & 255) || byte_at(second & 255) == byte_at(third & 255)) {
    second = third = ~0u;
    for (std::uint32_t i = 0; i < m; ++i)
      second = std::min(second, std::uint32_t{byte_at(i) == first} << 16 |
                                    std::uint32_t{common[byte_at(i)]} << 8 | i);
    const std::uint8_t other = byte_at(second & 255);
    for (std::uint32_t i = 0; i < m; ++i)
      third = std::min(third, std::uint32_t{byte_at(i) == first || byte_at(i) == other} << 16 |
                                  std::uint32_t{common[byte_at(i)]} << 8 | i);
  }
  probes.offsets[0] = least & 255;
  probes.offsets[1] = second & 255;
  probes.offsets[2] = third & 255;
  probes.two_are_rare = common[first] + common[byte_at(second & 255)] < kTwoAreRare;
  return probes;
}

// Knuth, Morris and Pratt ("Fast Pattern Matching in Strings", 1977): appends the places from
// `from` on, in linear time whatever the text. For the rest of a text that has used up the budget
// of a search which could be quadratic.
inline void knuth_morris_pratt(const std::uint8_t* text, std::size_t n, const std::uint8_t* needle,
                               std::size_t m, std::size_t from, Positions& out) {
  std::vector<std::uint32_t> border(m + 1, 0);  // of each prefix: its longest proper border
  for (std::size_t i = 1, k = 0; i < m; ++i) {
    while (k != 0 && needle[i] != needle[k]) k = border[k];
    k += needle[i] == needle[k];
    border[i + 1] = static_cast<std::uint32_t>(k);
  }
  for (std::size_t i = from, k = 0; i < n; ++i) {
    while (k != 0 && (k == m || text[i] != needle[k])) k = border[k];
    k += text[i] == needle[k];
    if (k == m) out.push_back(static_cast<std::uint32_t>(i + 1 - m));
  }
}
}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/substring-inl.h"
#include "algorithm/substring-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(FindAll);

void find_all(const Call& in, const Probes& probes, bool adaptive, Positions& out) {
  HWY_DYNAMIC_DISPATCH(FindAll)
  (reinterpret_cast<const std::uint8_t*>(in.text.data()), in.text.size(),
   reinterpret_cast<const std::uint8_t*>(in.needle.data()), in.needle.size(), probes, adaptive,
   out);
}

// True where there is nothing to search: the answer is in `out`.
bool trivial(const Call& in, Positions& out) {
  out.clear();
  if (in.needle.empty())
    for (std::size_t i = 0; i <= in.text.size(); ++i) out.push_back(static_cast<std::uint32_t>(i));
  return in.needle.empty() || in.needle.size() > in.text.size();
}

// A whole vector of places at once: does the text have the needle's first byte here, and its last
// byte there? Few places have both.
void first_last(const Call& in, Positions& out) {
  if (!trivial(in, out)) find_all(in, first_last_probes(in.needle.size()), false, out);
}

// The same with those two bytes of the needle that are likely to be rare: fewer places to examine.
void rare_pair(const Call& in, Positions& out) {
  if (!trivial(in, out)) find_all(in, rare_probes(in.needle), false, out);
}

// The same with three bytes unless two are very rare; and what to look for is chosen anew as the
// text goes on: the two rarest, first and last, or up to eight at once, whichever has cost least
// here. Linear at worst.
void rare_bytes(const Call& in, Positions& out) {
  if (!trivial(in, out)) find_all(in, rare_probes(in.needle), true, out);
}

constexpr Variant<Substring> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "byte loop: starts over at every position; nobody ships it"},
    {.name = "string_view_find",
     .run = run<string_view_find>,
     .what = "std::string_view::find: memchr for the first byte, then memcmp",
     .role = Role::kStandard},
    {.name = "boyer_moore_horspool",
     .run = run<boyer_moore_horspool>,
     .what = "std::boyer_moore_horspool_searcher: skips bytes, but each skip waits for a load",
     .role = Role::kPeer},
    {.name = "memmem",
     .run = run<glibc_memmem>,
     .what = "the C library's memmem: pairs of bytes hashed, or two-way for long needles",
     .role = Role::kPeer},
    {.name = "strstr",
     .run = run<glibc_strstr>,
     .what = "the C library's strstr; SIMD on some x86",
     .role = Role::kPeer,
     .promise_note = "texts without a NUL byte"},
    {.name = "first_last",
     .run = run<first_last>,
     .what = "the needle's first and last byte compared at a whole vector of positions at once"},
    {.name = "rare_pair",
     .run = run<rare_pair>,
     .what = "the same with its two rarest bytes: fewer positions to examine"},
    {.name = "rare_bytes",
     .run = run<rare_bytes>,
     .what = "two to eight bytes, rare or first and last: what costs least here; linear at worst"},
};

const Registrar kRegistrar({.name = "algorithm/substring",
                            .axis = Axis::kSimd,
                            .technique = "test many positions at once, for what is rare",
                            .sizes = {16 << 10, 256 << 10, 4 << 20, 64 << 20, 256 << 20},
                            .headline = {16 << 10, 4 << 20},
                            .ceiling = {"machine/read"},
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{
                                      .items = n,
                                      .bytes = n,
                                      .working_set = s.n,
                                      .memory = s.n + (s.input == Substring::kInputs["runs"]
                                                           ? 9 * s.n
                                                           : std::size_t{2} << 20)};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
