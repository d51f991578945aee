// computation/regex_line: the parts of log lines, by a regular expression.
//
// In: n lines a call; those of consecutive calls differ (2^14 of them rotate). Out: for each line
// whether it is of the form
//
//   ([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3}) (GET|POST|PUT) (/[a-z0-9/]*) ([0-9]{3})
//   ([0-9]{1,9})
//
// as a whole, and if so its numbers, its method and where its path lies, else zeros. One line in 16
// is not. Exact.
//
// Inputs: access_log has paths of one to a dozen names of 1 to 15 characters, so that three lines
// in ten are longer than 64 bytes, as those of a public web server's log are; short has none of
// more than 63.
//
// std::regex compiles an expression to a graph of small objects, which takes longer than matching a
// line does, and then matches by recursion and backtracking, copying its captures. RE2 (Cox,
// "Regular expression matching in the wild", 2010) runs automata instead, and this expression in
// one pass. By hand the same is a chain of comparisons; for a form as regular as this one they need
// hardly any branch that is mispredicted.
//
// Links: re2
#if defined(__GNUC__) && !defined(__clang__)
// Under the sanitizers GCC 12 takes a member of <regex>'s states for uninitialized.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <regex>
#include <string>

#include "computation/digits.h"
#include "computation/lines.h"
#include "core/kernel.h"
#include "support/words.h"
#if HEADROOM_HAVE_RE2
#include <re2/re2.h>
#endif

namespace headroom {
namespace {

constexpr char kPattern[] =
    R"(([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3}) (GET|POST|PUT) (/[a-z0-9/]*) ([0-9]{3}) ([0-9]{1,9}))";
constexpr std::size_t kSmallest = 64;  // lines that are measured; fewer are for tests
constexpr std::size_t kCarried = std::size_t{1} << 14;  // lines; each is dozens of decisions
// What from() lets through: std::regex recurses for every character, and takes its time.
constexpr std::size_t kLongest = 200;  // characters of a line
constexpr std::size_t kMost = 2;       // lines

enum class Method : std::uint8_t { kNone, kGet, kPost, kPut };

struct Record {
  std::uint32_t bytes;
  std::uint32_t path_size;
  std::uint16_t path_begin;  // from the line's begin
  std::uint16_t status;
  std::uint16_t address[4];
  Method method;
  bool good;
  std::uint8_t unused[2];
  bool operator==(const Record&) const = default;
};
constexpr Record kNoRecord = {};

struct RegexLine {
  static constexpr auto kInputs = inputs("access_log", "short");
  using Input = LineInput;
  using Call = LineCall;
  using Output = Buffer<Record>;

  static Input make(const Setting& setting, Rng& rng);
  static Input from(std::span<const std::uint8_t> bytes) {
    LineWriter lines;
    std::size_t length = 0;
    for (const std::uint8_t byte : bytes) {
      if (byte == '\n') {
        if (lines.count() + 1 == kMost) break;
        lines.end_line();
        length = 0;
      } else if (length++ < kLongest) {
        lines.text() += static_cast<char>(byte);
      }
    }
    lines.end_line();
    return lines.input(Slices::within(0, lines.count()));
  }
  static void size(const Input& in, Output& out) { out = Output(in.slices.size()); }
  static absl::Status same(const LineCall&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Output = RegexLine::Output;

std::uint32_t number_of(const char* begin, const char* end) {
  std::uint32_t value = 0;
  std::from_chars(begin, end, value);
  return value;
}

Method method_of(std::string_view word) {
  return word == "GET" ? Method::kGet : word == "POST" ? Method::kPost : Method::kPut;
}

Record match_std(const std::regex& regex, const char* line, const char* end) {
  std::cmatch match;
  if (!std::regex_match(line, end, match, regex)) return kNoRecord;
  Record record = kNoRecord;
  for (std::size_t k = 0; k < 4; ++k)
    record.address[k] =
        static_cast<std::uint16_t>(number_of(match[k + 1].first, match[k + 1].second));
  record.method = method_of(match[5].str());
  record.path_begin = static_cast<std::uint16_t>(match[6].first - line);
  record.path_size = static_cast<std::uint32_t>(match[6].length());
  record.status = static_cast<std::uint16_t>(number_of(match[7].first, match[7].second));
  record.bytes = number_of(match[8].first, match[8].second);
  record.good = true;
  return record;
}

void naive(const LineCall& in, Output& out) {
  for (std::size_t i = 0; i < in.count; ++i) {
    const std::regex regex(kPattern);
    out[i] = match_std(regex, in.begin(i), in.end(i));
  }
}

// The expression is compiled once in the life of the program.
void constructed_once(const LineCall& in, Output& out) {
  static const std::regex regex(kPattern);
  for (std::size_t i = 0; i < in.count; ++i) out[i] = match_std(regex, in.begin(i), in.end(i));
}

#if HEADROOM_HAVE_RE2
void re2(const LineCall& in, Output& out) {
  static const RE2 regex(kPattern, RE2::Latin1);
  for (std::size_t i = 0; i < in.count; ++i) {
    const char* const line = in.begin(i);
    const re2::StringPiece text(line, static_cast<std::size_t>(in.end(i) - line));
    re2::StringPiece match[9];
    out[i] = kNoRecord;
    if (!regex.Match(text, 0, text.size(), RE2::ANCHOR_BOTH, match, 9)) continue;
    const auto number = [&](std::size_t k) {
      return number_of(match[k].data(), match[k].data() + match[k].size());
    };
    Record& record = out[i];
    for (std::size_t k = 0; k < 4; ++k)
      record.address[k] = static_cast<std::uint16_t>(number(k + 1));
    record.method = method_of({match[5].data(), match[5].size()});
    record.path_begin = static_cast<std::uint16_t>(match[6].data() - line);
    record.path_size = static_cast<std::uint32_t>(match[6].size());
    record.status = static_cast<std::uint16_t>(number(7));
    record.bytes = number(8);
    record.good = true;
  }
}
constexpr auto kRe2Run = run<re2>;
#else
constexpr auto kRe2Run = kNotBuilt;
#endif
constexpr Need kNeedsRe2[] = {kRe2};

// ------------------------------------------------------------------------------------------------
// By hand.

// One to `most` digits, and then `stop`. Returns the place behind that, or nullptr.
inline const char* take_number(const char* at, const char* end, int most, char stop,
                               std::uint32_t& value) {
  const char* const begin = at;
  value = 0;
  for (; at < end && is_digit(*at) && at - begin < most; ++at)
    value = value * 10 + static_cast<std::uint32_t>(*at - '0');
  return at != begin && at < end && *at == stop ? at + 1 : nullptr;
}

inline Record parse_line(const char* line, const char* end) {
  Record record = kNoRecord;
  const char* at = line;
  for (int i = 0; i < 4; ++i) {
    std::uint32_t value;
    at = take_number(at, end, 3, i == 3 ? ' ' : '.', value);
    if (at == nullptr) return kNoRecord;
    record.address[i] = static_cast<std::uint16_t>(value);
  }
  const auto starts_with = [&](std::string_view word) {
    const bool does = static_cast<std::size_t>(end - at) >= word.size() &&
                      std::memcmp(at, word.data(), word.size()) == 0;
    if (does) at += word.size();
    return does;
  };
  record.method = starts_with("GET /")    ? Method::kGet
                  : starts_with("POST /") ? Method::kPost
                  : starts_with("PUT /")  ? Method::kPut
                                          : Method::kNone;
  if (record.method == Method::kNone) return kNoRecord;
  const char* const path = at - 1;
  while (at < end && (is_digit(*at) || (*at >= 'a' && *at <= 'z') || *at == '/')) ++at;
  record.path_begin = static_cast<std::uint16_t>(path - line);
  record.path_size = static_cast<std::uint32_t>(at - path);
  if (end - at < 5 || at[0] != ' ' || !is_digit(at[1]) || !is_digit(at[2]) || !is_digit(at[3]) ||
      at[4] != ' ')
    return kNoRecord;
  record.status =
      static_cast<std::uint16_t>((at[1] - '0') * 100 + (at[2] - '0') * 10 + (at[3] - '0'));
  at += 5;
  if (end - at > 9) return kNoRecord;
  // The line's '\n' stops it.
  if (take_number(at, end + 1, 9, '\n', record.bytes) != end + 1) return kNoRecord;
  record.good = true;
  return record;
}

// One comparison per character, and nothing is remembered but where the parts begin.
void by_hand(const LineCall& in, Output& out) {
  for (std::size_t i = 0; i < in.count; ++i) out[i] = parse_line(in.begin(i), in.end(i));
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "computation/regex_line-inl.h"
#include "computation/regex_line-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(ParseLines);

// No loop over the characters of a line: 64 are classified at once, in one vector or a few, and its
// eight parts read off masks (regex_line-inl.h). A longer line takes two of those, one from its
// begin and one up to its end, and more only where it has more than 128.
void highway(const LineCall& in, Output& out) { HWY_DYNAMIC_DISPATCH(ParseLines)(in, out.data()); }

// ------------------------------------------------------------------------------------------------
// The lines.

RegexLine::Input RegexLine::make(const Setting& setting, Rng& rng) {
  FastRng fast(rng());
  LineWriter lines;
  const Slices slices = lines_for(setting.n, kSmallest, kCarried);
  static constexpr const char* kMethods[] = {"GET", "GET", "POST", "PUT"};
  static constexpr std::string_view kPath = "abcdefghijklmnopqrstuvwxyz0123/";
  for (std::size_t i = 0; i < slices.items(); ++i) {
    std::string line;
    for (int k = 0; k < 4; ++k) line += std::to_string(bounded(fast, 256)) + (k == 3 ? " " : ".");
    line += kMethods[bounded(fast, 4)];
    line += " /";
    if (setting.input == kInputs["short"]) {
      for (std::size_t k = bounded(fast, 25); k > 0; --k)
        line += kPath[bounded(fast, kPath.size())];
    } else {
      do {
        for (std::size_t k = word_length(fast) + bounded(fast, 4); k > 0; --k)
          line += kPath[bounded(fast, kPath.size() - 1)];
        line += '/';
      } while (bounded(fast, 4) != 0);
    }
    line += ' ' + std::to_string(200 + 100 * bounded(fast, 4)) + ' ';
    std::uint64_t largest = 1;
    for (std::uint64_t digits = 1 + bounded(fast, 9); digits > 0; --digits) largest *= 10;
    line += std::to_string(bounded(fast, largest));
    if (bounded(fast, 16) == 0) {  // one character changed, dropped or doubled
      const std::size_t at = bounded(fast, line.size());
      const std::uint64_t how = bounded(fast, 3);
      if (how == 0) line[at] = "x. /A0\t\xb1"[bounded(fast, 8)];
      if (how == 1) line.erase(at, 1);
      if (how == 2) line.insert(at, 1, line[at]);
    }
    lines.text() += line;
    lines.end_line();
  }
  return lines.input(slices);
}

constexpr Variant<RegexLine> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "std::regex constructed for each line",
     .max_n = 1024},
    {.name = "constructed_once",
     .run = run<constructed_once>,
     .what = "std::regex constructed once; still backtracks by recursion and copies captures",
     .role = Role::kStandard},
    {.name = "re2",
     .run = kRe2Run,
     .what = "RE2: an automaton, with captures in one pass",
     .role = Role::kPeer,
     .needs = kNeedsRe2},
    {.name = "by_hand",
     .run = run<by_hand>,
     .what = "the expression written as code: a comparison per character"},
    {.name = "highway",
     .run = run<highway>,
     .what = "64 characters classified at once, parts and numbers read from masks; a longer line "
             "from both ends"},
};

const Registrar kRegistrar({.name = "computation/regex_line",
                            .axis = Axis::kScalar,
                            .technique = "compile the expression once, or write out what it says",
                            .sizes = {64, 256, 16384, 262144},
                            .headline = {64, 256},
                            .promise = Promise::kExact | Promise::kValidating,
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t line =
                                      (s.input == RegexLine::kInputs["short"] ? 45 : 62) + 4;
                                  return Demand{
                                      .items = static_cast<double>(s.n),
                                      .bytes = static_cast<double>((line + sizeof(Record)) * s.n),
                                      .working_set = (line + sizeof(Record)) * s.n,
                                      .memory =
                                          2 * line * (kCarried + s.n) + 5 * sizeof(Record) * s.n};
                                },
                            .test_sizes = {0, 1, 2, 3, 7, 8, 33, 63}},
                           kVariants);

}  // namespace
}  // namespace headroom
