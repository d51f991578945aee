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
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "computation/regex_line.cpp"
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

#include "computation/digits.h"
#include "computation/lines.h"
#include "support/mask_bits-inl.h"

#ifndef HEADROOM_COMPUTATION_REGEX_LINE_ONCE_
#define HEADROOM_COMPUTATION_REGEX_LINE_ONCE_
namespace headroom {
namespace {

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

// One to `most` digits, and then `stop`. Returns the place behind it, or nullptr.
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

}  // namespace
}  // namespace headroom
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// Which of the 64 bytes from `at` on are digits, points, blanks and path characters.
struct Classes {
  uint64_t digits, points, blanks, path;
};

#if HWY_TARGET != HWY_SCALAR
HWY_INLINE Classes Classify(const char* at) {
  const hn::CappedTag<uint8_t, 64> d;
  const hn::RebindToSigned<decltype(d)> di;
  Classes classes{};
  for (size_t i = 0; i < 64; i += hn::Lanes(d)) {
    const auto bytes = hn::LoadU(d, reinterpret_cast<const uint8_t*>(at) + i);
    // Moves the characters wanted to the largest numbers that a signed byte holds.
    const auto digit =
        hn::Gt(hn::BitCast(di, hn::Add(bytes, hn::Set(d, 127 - '9'))), hn::Set(di, 127 - 10));
    const auto letter =
        hn::Gt(hn::BitCast(di, hn::Add(bytes, hn::Set(d, 127 - 'z'))), hn::Set(di, 127 - 26));
    const auto point = hn::Eq(bytes, hn::Set(d, '.'));
    const auto blank = hn::Eq(bytes, hn::Set(d, ' '));
    const auto slash = hn::Eq(bytes, hn::Set(d, '/'));
    classes.digits |= MaskBits(di, digit) << i;
    classes.points |= MaskBits(d, point) << i;
    classes.blanks |= MaskBits(d, blank) << i;
    classes.path |= (MaskBits(di, letter) | MaskBits(d, slash)) << i;
  }
  classes.path |= classes.digits;
  return classes;
}

HWY_INLINE uint64_t Below(size_t k) { return (uint64_t{1} << k) - 1; }

// A line of up to 63 characters. What is where is read off masks of all of them: the first three
// points and the first four blanks end the numbers, and everything between must be of its class.
HWY_INLINE Record ParseShort(const char* line, const char* end) {
  const size_t length = static_cast<size_t>(end - line);
  const Classes classes = Classify(line);
  const uint64_t whole = Below(length);
  uint64_t points = classes.points & whole, blanks = classes.blanks & whole;
  if (std::popcount(points) != 3 || std::popcount(blanks) != 4) return kNoRecord;
  size_t ends[8];  // of each part, the last one's being the line's
  for (size_t i = 0; i < 3; ++i, points &= points - 1)
    ends[i] = static_cast<size_t>(std::countr_zero(points));
  for (size_t i = 3; i < 7; ++i, blanks &= blanks - 1)
    ends[i] = static_cast<size_t>(std::countr_zero(blanks));
  ends[7] = length;
  // Numbers of one to three digits, behind each other, so that no blank is before a point.
  Record record = kNoRecord;
  bool good = true;
  size_t begin = 0;
  for (size_t i = 0; i < 4; ++i) {
    const size_t digits = ends[i] - begin;
    good &= digits - 1 < 3;
    record.address[i] = static_cast<uint16_t>(
        eight_digits(eight_before(line + ends[i], static_cast<int64_t>(digits))));
    begin = ends[i] + 1;
  }
  // The method with its blank and the path's slash, as one number.
  const size_t method = begin, path = ends[4] + 1;
  uint64_t word = load_eight(line + method);
  const size_t word_size = path - method;  // with the blank
  good &= word_size - 4 < 2;
  constexpr uint64_t kGet = 0x20544547, kPut = 0x20545550, kPost = 0x2054534f50;
  word &= Below(8 * (word_size & 7));
  record.method = word == kGet    ? Method::kGet
                  : word == kPut  ? Method::kPut
                  : word == kPost ? Method::kPost
                                  : Method::kNone;
  good &= record.method != Method::kNone && line[path] == '/';
  record.path_begin = static_cast<uint16_t>(path);
  record.path_size = static_cast<uint32_t>(ends[5] - path);
  good &= ends[6] - ends[5] == 4;
  record.status = static_cast<uint16_t>(eight_digits(eight_before(line + ends[6], 3)));
  const size_t last = length - ends[6] - 1;
  good &= last - 1 < 9;
  const char* const bytes = line + length;
  record.bytes =
      static_cast<uint32_t>(eight_digits(eight_before(bytes, static_cast<int64_t>(last))));
  if (last == 9) record.bytes += 100'000'000 * static_cast<uint32_t>(bytes[-9] - '0');
  // Every character is of the class that its place asks for.
  const uint64_t in_path = Below(ends[5]) & ~Below(path);
  const uint64_t in_method = Below(path) & ~Below(method);
  const uint64_t in_numbers = whole & ~in_path & ~in_method;
  const uint64_t right = (in_path & classes.path) | in_method |
                         (in_numbers & (classes.digits | classes.points | classes.blanks));
  good &= right == whole;
  record.good = true;
  return good ? record : kNoRecord;
}
#endif

void ParseLines(const LineCall& in, Record* records) {
  for (size_t i = 0; i < in.count; ++i) {
#if HWY_TARGET != HWY_SCALAR
    if (in.end(i) - in.begin(i) < 64) {
      records[i] = ParseShort(in.begin(i), in.end(i));
      continue;
    }
#endif
    records[i] = parse_line(in.begin(i), in.end(i));
  }
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <charconv>
#include <regex>

#include "core/kernel.h"
#if HEADROOM_HAVE_RE2
#include <re2/re2.h>
#endif

namespace headroom {
namespace {

HWY_EXPORT(ParseLines);

constexpr char kPattern[] =
    R"(([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3}) (GET|POST|PUT) (/[a-z0-9/]*) ([0-9]{3}) ([0-9]{1,9}))";
constexpr std::size_t kCarried = std::size_t{1} << 14;  // lines; each is dozens of decisions
// What from() lets through: std::regex recurses for every character, and takes its time.
constexpr std::size_t kLongest = 200;  // characters of a line
constexpr std::size_t kMost = 2;       // lines

struct RegexLine {
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
    return lines.input(lines.count());
  }
  static void size(const Input& in, Output& out) { out = Output(in.n); }
  static absl::Status same(const LineCall&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Output = RegexLine::Output;

RegexLine::Input RegexLine::make(const Setting& setting, Rng& rng) {
  FastRng fast(rng());
  LineWriter lines;
  const std::size_t n = setting.n;
  const std::size_t count = n == 0   ? 0
                            : n < 64 ? 4 * n
                                     : std::max<std::size_t>(1, kCarried / n) * n;
  static constexpr const char* kMethods[] = {"GET", "GET", "POST", "PUT"};
  static constexpr std::string_view kPath = "abcdefghijklmnopqrstuvwxyz0123/";
  for (std::size_t i = 0; i < count; ++i) {
    std::string line;
    for (int k = 0; k < 4; ++k) line += std::to_string(bounded(fast, 256)) + (k == 3 ? " " : ".");
    line += kMethods[bounded(fast, 4)];
    line += " /";
    for (std::size_t k = bounded(fast, 25); k > 0; --k) line += kPath[bounded(fast, kPath.size())];
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
  return lines.input(n);
}

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

// One comparison a character, and nothing is remembered but where the parts begin.
void by_hand(const LineCall& in, Output& out) {
  for (std::size_t i = 0; i < in.count; ++i) out[i] = parse_line(in.begin(i), in.end(i));
}

// No loop over characters: all 64 of a line are classified at once (ParseShort, at the top).
void highway(const LineCall& in, Output& out) { HWY_DYNAMIC_DISPATCH(ParseLines)(in, out.data()); }

constexpr Variant<RegexLine> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "std::regex constructed for each line",
     .max_n = 1024},
    {.name = "constructed_once",
     .run = run<constructed_once>,
     .what = "std::regex constructed once; still backtracks by recursion and copies captures"},
    {.name = "re2",
     .run = kRe2Run,
     .what = "RE2: an automaton, with captures in one pass",
     .role = Role::kPeer,
     .needs = kNeedsRe2},
    {.name = "by_hand", .run = run<by_hand>, .what = "the form as code: a comparison a character"},
    {.name = "highway",
     .run = run<highway>,
     .what = "all 64 characters classified at once; parts and numbers read off masks, no loop"},
};

const Registrar kRegistrar({.name = "computation/regex_line",
                            .axis = Axis::kScalar,
                            .technique = "compile the expression once, or write out what it says",
                            .sizes = {64, 256, 16384, 262144},
                            .headline = {64, 256},
                            .demand =
                                [](const Setting& s) {
                                  constexpr std::size_t kLine = 45 + 4;
                                  return Demand{
                                      .items = static_cast<double>(s.n),
                                      .bytes = static_cast<double>((kLine + sizeof(Record)) * s.n),
                                      .working_set = (kLine + sizeof(Record)) * s.n,
                                      .memory =
                                          2 * kLine * (kCarried + s.n) + 5 * sizeof(Record) * s.n};
                                },
                            .test_sizes = {0, 1, 2, 3, 7, 8, 33, 63}},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
