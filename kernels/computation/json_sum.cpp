// computation/json_sum: three numbers out of every record of a JSON text.
//
// In: an array of n objects, each with "id" and "quantity" (whole numbers of up to nine digits) and
// "price" (a decimal of up to eight), once each, among other members of any kind. The text is valid
// JSON. In which order members come and where blanks are is not known; the three names are written
// without escapes, but occur in nested values too. The texts of consecutive calls differ (2^15
// records rotate).
//
// Inputs: documents is what services send: a record has nested objects, long strings with escapes
// and links, scripts of several bytes a character, integers of 18 digits. It follows twitter.json
// without its blanks, the document that parsers are compared by most (Langdale and Lemire, below,
// tabulate what it consists of): one colon per 30 to 40 bytes, where the records of compact, names
// and short values, have one per 15. pretty is compact with a member per line.
//
// Out: how many records, the sum of price * quantity (prices are multiples of a quarter, so that it
// is exact in any order), and a hash of all three numbers in order. Exact.
//
// A DOM allocates a node for every value and a string for every name, to use three of a dozen. The
// on-demand interface of simdjson (Keiser and Lemire, "On-demand JSON", 2024) reads values where
// they are asked for, behind an index of all structural characters (Langdale and Lemire, "Parsing
// gigabytes of JSON per second", 2019). A scanner that knows what it looks for needs no index: of
// the masks of 64 bytes only the colons behind certain letters are visited, and a name is one
// comparison of eight bytes.
//
// Links: simdjson
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "computation/digits.h"
#include "core/kernel.h"
#if HEADROOM_HAVE_SIMDJSON
#include <simdjson.h>
#endif

namespace headroom {
namespace {

constexpr std::size_t kRecords = std::size_t{1} << 15;  // carried; each is dozens of decisions
constexpr std::size_t kPad = 128;                       // blanks behind a text, and before it

struct Totals {
  std::uint64_t records = 0;
  std::uint64_t hash = 0;
  double value = 0;
  void add(std::uint64_t id, double price, std::uint64_t quantity) {
    ++records;
    value += price * static_cast<double>(quantity);
    hash = (hash ^ id ^ quantity << 32) * 0x9e3779b97f4a7c15 + std::bit_cast<std::uint64_t>(price);
  }
  bool operator==(const Totals&) const = default;
};

struct JsonSum {
  static constexpr auto kInputs = inputs("documents", "compact", "pretty").for_tests("odd");
  using Call = std::string_view;  // kPad blanks before it and behind it may be read
  struct Input {
    std::vector<Buffer<char>> texts;
    Call at(std::size_t turn) const {
      const Buffer<char>& text = texts[turn % texts.size()];
      return {text.data() + kPad, text.size() - 2 * kPad};
    }
    void add(std::string_view text) {
      Buffer<char> padded(text.size() + 2 * kPad);
      std::memset(padded.data(), ' ', padded.size());
      std::memcpy(padded.data() + kPad, text.data(), text.size());
      texts.push_back(std::move(padded));
    }
  };
  using Output = Totals;

  static Input make(const Setting& setting, Rng& rng);
  static Input from(std::span<const std::uint8_t> bytes);
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    if (want.records != got.records) return exact(want.records, got.records);
    return want.hash != got.hash ? exact(want.hash, got.hash) : exact(want.value, got.value);
  }
};
using Call = JsonSum::Call;

void naive(const Call& text, Totals& out) {
  const nlohmann::json document = nlohmann::json::parse(text);
  Totals totals;
  for (const auto& record : document)
    totals.add(record["id"].get<std::uint64_t>(), record["price"].get<double>(),
               record["quantity"].get<std::uint64_t>());
  out = totals;
}

// ------------------------------------------------------------------------------------------------
// By hand: one pass over the text, which is trusted to be what the problem says.

// The whole number of up to nine digits that begins at `at`, which moves behind its last digit; 0
// where there is no digit. Eight digits are one step, whatever their number: the bytes before them
// become '0' by a shift.
//
// This and read_decimal are inlined always: whether a compiler does so on its own depends on what
// else stands in this file.
[[gnu::always_inline]] inline std::uint64_t read_whole(const char*& at) {
  const std::uint64_t bytes = load_eight(at);
  // The high bit of each byte that is no digit: above '9' or below '0'. Only the lowest such bit is
  // used: a borrow or a carry goes upwards, so that it is right.
  const std::uint64_t above = bytes + 0x4646464646464646, below = bytes - 0x3030303030303030;
  const std::uint64_t others = (above | below) & 0x8080808080808080;
  if (others != 0) {
    const int digits = std::countr_zero(others) / 8;
    at += digits;
    if (digits == 0) return 0;
    const int shift = 8 * (8 - digits);
    return eight_digits(bytes << shift | (0x3030303030303030 & ~(~std::uint64_t{0} << shift)));
  }
  std::uint64_t value = eight_digits(bytes);
  for (at += 8; is_digit(*at); ++at) value = value * 10 + static_cast<std::uint64_t>(*at - '0');
  return value;
}

// The decimal of up to eight digits that begins at `at`. Right to the last bit: the digits are a
// whole number below 2^53 and the power of ten is exact as well, so that there is one rounding.
[[gnu::always_inline]] inline double read_decimal(const char* at) {
  static constexpr double kPowers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};
  static constexpr std::uint64_t kWhole[] = {1,      10,      100,      1000,     10000,
                                             100000, 1000000, 10000000, 100000000};
  const std::uint64_t whole = read_whole(at);
  if (*at != '.') return static_cast<double>(whole);
  const char* const fraction = ++at;
  const std::uint64_t behind = read_whole(at);
  const std::size_t digits = static_cast<std::size_t>(at - fraction);
  return static_cast<double>(whole * kWhole[digits] + behind) / kPowers[digits];
}

inline const char* skip_blanks(const char* at) {
  while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t') ++at;
  return at;
}

// `at` is behind a string's first quote; returns the place behind its last one.
inline const char* skip_string(const char* at) {
  while (*at != '"') at += *at == '\\' ? 2 : 1;
  return at + 1;
}

// `at` is where a value begins; returns the place of the comma or bracket that ends it.
inline const char* skip_value(const char* at) {
  int depth = 0;
  do {
    const char c = *at++;
    if (c == '"') {
      at = skip_string(at);
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  } while (depth > 0 || (*at != ',' && *at != '}' && *at != ']'));
  return at;
}

// Names are compared, and values that nobody asks for are skipped, a byte at a time.
inline Totals scan_by_hand(const char* text) {
  Totals totals;
  const char* at = skip_blanks(skip_blanks(text) + 1);  // behind '['
  while (*at == '{') {
    std::uint64_t id = 0, quantity = 0;
    double price = 0;
    at = skip_blanks(at + 1);
    while (*at == '"') {
      const char* const name = at + 1;
      const char* const name_end = skip_string(name);
      at = skip_blanks(skip_blanks(name_end) + 1);  // behind ':'
      const std::string_view key(name, static_cast<std::size_t>(name_end - 1 - name));
      if (key == "id")
        id = read_whole(at);
      else if (key == "quantity")
        quantity = read_whole(at);
      else if (key == "price")
        price = read_decimal(at);
      at = skip_blanks(at);
      if (*at != ',' && *at != '}') at = skip_blanks(skip_value(at));
      if (*at == ',') at = skip_blanks(at + 1);
    }
    totals.add(id, price, quantity);
    at = skip_blanks(at + 1);
    if (*at == ',') at = skip_blanks(at + 1);
  }
  return totals;
}

// No tree and no index.
void by_hand(const Call& text, Totals& out) { out = scan_by_hand(text.data()); }

#if HEADROOM_HAVE_SIMDJSON
struct DomParser {
  explicit DomParser(const JsonSum::Input&) {}
  simdjson::dom::parser parser;
  simdjson::ondemand::parser for_large_integers;
};
struct OnDemandParser {
  explicit OnDemandParser(const JsonSum::Input&) {}
  simdjson::ondemand::parser parser;
};

inline Totals read_on_demand(simdjson::ondemand::parser& parser, const Call& text) {
  Totals totals;
  auto document = parser.iterate(text.data(), text.size(), text.size() + kPad);
  for (auto record : document.get_array()) {
    const std::uint64_t id = record["id"];
    const double price = record["price"];
    const std::uint64_t quantity = record["quantity"];
    totals.add(id, price, quantity);
  }
  return totals;
}

// The parser keeps its memory, as simdjson's manual advises. A tape has 64 bits for an integer:
// where a member that nobody asks for has a larger one, the DOM refuses the text, and what remains
// is to read it on demand.
void simdjson_dom(DomParser& state, const Call& text, Totals& out) {
  simdjson::dom::element document;
  const simdjson::error_code error =
      state.parser.parse(text.data(), text.size(), false).get(document);
  if (error == simdjson::NUMBER_ERROR) {
    out = read_on_demand(state.for_large_integers, text);
    return;
  }
  if (error != simdjson::SUCCESS) throw simdjson::simdjson_error(error);
  Totals totals;
  for (const simdjson::dom::element record : document.get_array())
    totals.add(record["id"], record["price"], record["quantity"]);
  out = totals;
}

void simdjson_ondemand(OnDemandParser& state, const Call& text, Totals& out) {
  out = read_on_demand(state.parser, text);
}
constexpr auto kDomRun = run<simdjson_dom>;
constexpr auto kOnDemandRun = run<simdjson_ondemand>;
#else
constexpr auto kDomRun = kNotBuilt, kOnDemandRun = kNotBuilt;
#endif
constexpr Need kNeedsSimdjson[] = {kSimdjson};

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "computation/json_sum-inl.h"
#include "computation/json_sum-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(Scan);

// Only colons are visited, and of those only such as names that are asked for may end before
// (json_sum-inl.h).
void highway(const Call& text, Totals& out) {
  out = HWY_DYNAMIC_DISPATCH(Scan)(text.data(), text.size());
}

// ------------------------------------------------------------------------------------------------
// The texts.

// Writes records, with choices from `choose(k)`, a number below k.
template <class Choose>
class Writer {
 public:
  Writer(Choose choose, bool pretty) : choose_(choose), pretty_(pretty) {}

  // Members in their usual order, or in any.
  void record(std::string& text, bool shuffled) {
    int order[] = {0, 1, 2, 3, 4, 5, 6};
    if (shuffled)
      for (std::size_t i = 6; i > 0; --i) std::swap(order[i], order[choose_(i + 1)]);
    text += '{';
    for (int i = 0; i < 7; ++i) {
      if (i != 0) text += ',';
      blanks(text, 2);
      member(text, order[i], shuffled);
    }
    blanks(text, 1);
    text += '}';
  }
  // Of its 25 members about as many as in twitter.json have strings (a third), null, true or false
  // (a third), numbers (a fifth), objects and arrays (a twelfth each) as their values.
  void document(std::string& text) {
    text += R"({"id":)";
    id(text);
    text += R"(,"created_at":")";
    letters(text, 30, kLower);
    text += R"(","id_str":")";
    letters(text, 18, kDigits);
    text += R"(","text":")";
    prose(text, 20 + choose_(100));
    text += R"(","source":"<a href=\")";
    link(text, 8 + choose_(25));
    text += R"(\" rel=\"nofollow\">)";
    letters(text, 4 + choose_(16), kLower);
    text += R"(<\/a>","reply_to":)";
    maybe(text, "null");
    text += R"(,"user":{"id":)";
    text += static_cast<char>('1' + choose_(9));
    letters(text, 8 + choose_(10), kDigits);
    text += R"(,"name":")";
    prose(text, 4 + choose_(16));
    text += R"(","description":")";
    prose(text, choose_(4) == 0 ? 0 : choose_(160));
    text += R"(","price":null,"protected":false,"url":)";
    if (choose_(2) == 0) {
      text += '"';
      link(text, 10 + choose_(50));
      text += R"(","verified":)";
    } else {
      text += R"(null,"verified":)";
    }
    text += choose_(8) == 0 ? "true" : "false";
    text += R"(,"quantity":)";
    text += std::to_string(choose_(100'000) >> choose_(16));
    text += R"(},"price":)";
    price(text);
    text += R"(,"geo":null,"place":null,"truncated":false,"quantity":)";
    quantity(text);
    text += R"(,"entities":{"tags":[)";
    for (std::uint64_t k = choose_(4) == 0 ? 1 + choose_(3) : 0; k > 0; --k) {
      text += '"';
      prose(text, 4 + choose_(12));
      text += k == 1 ? "\"" : "\",";
    }
    text += R"(],"urls":[]},"favorited":)";
    maybe(text, "true");
    text += R"(,"lang":"en"})";
  }
  void blanks(std::string& text, std::size_t depth) {
    if (!pretty_) return;
    text += '\n';
    text.append(2 * depth, ' ');
  }

 private:
  static constexpr std::string_view kDigits = "0123456789";
  static constexpr std::string_view kLower =
      "etaoinshrdlcumwfgypbvkjxqzetaoinshrdleeeetttaaaooiinnssrr";

  void letters(std::string& text, std::uint64_t count, std::string_view from) {
    for (; count > 0; --count) text += from[choose_(from.size())];
  }
  void link(std::string& text, std::uint64_t length) {
    text += R"(http:\/\/)";
    letters(text, length / 2, kLower);
    text += ".com\\/";
    letters(text, length / 2, kLower);
  }
  // Of so many characters. One text in four is of three bytes per character, one word in 16 is
  // followed by an escape, one in 32 is a link.
  void prose(std::string& text, std::uint64_t length) {
    static constexpr std::string_view kEscapes[] = {"\\n", "\\\"", "\\u2026", "\\n\\n"};
    const bool wide = choose_(4) == 0;
    while (length > 0) {
      const std::uint64_t word = std::min<std::uint64_t>(length, 1 + choose_(9));
      if (wide) {
        for (std::uint64_t k = 0; k < word; ++k) {
          text += static_cast<char>(0xe3 + choose_(6));
          text += static_cast<char>(0x80 + choose_(64));
          text += static_cast<char>(0x80 + choose_(64));
        }
      } else if (choose_(32) == 0) {
        link(text, 16);
      } else {
        letters(text, word, kLower);
      }
      if (choose_(16) == 0)
        text += kEscapes[choose_(std::size(kEscapes))];
      else if (!wide)
        text += choose_(10) == 0 ? ", " : choose_(40) == 0 ? ": " : " ";
      length -= word;
    }
  }
  void maybe(std::string& text, std::string_view otherwise) {
    if (choose_(4) == 0)
      letters(text += static_cast<char>('1' + choose_(9)), 17, kDigits);
    else
      text += otherwise;
  }
  void id(std::string& text) { text += std::to_string(choose_(1'000'000'000) >> choose_(24)); }
  void price(std::string& text) {
    static constexpr const char* kQuarters[] = {"", ".0", ".25", ".5", ".75", ".50"};
    const char* const quarters = kQuarters[choose_(6)];
    text += std::to_string(choose_(100'000) >> choose_(12)) + quarters;
  }
  void quantity(std::string& text) { text += std::to_string(choose_(10'000) >> choose_(12)); }
  // Deeply nested, as texts are that are made to break parsers.
  void nested(std::string& text) {
    const std::uint64_t depth = choose_(4) == 0 ? choose_(200) : choose_(4);
    for (std::uint64_t k = 0; k < depth; ++k) text += k % 2 == 0 ? R"({"id":)" : "[";
    text += "1";
    for (std::uint64_t k = depth; k > 0; --k) text += k % 2 == 1 ? '}' : ']';
  }

  void string(std::string& text, bool odd) {
    static constexpr std::string_view kParts[] = {"a",
                                                  "bolt",
                                                  "nut M8",
                                                  ", ",
                                                  ": ",
                                                  "{[",
                                                  "]}",
                                                  "id",
                                                  "price",
                                                  "price\\\":",
                                                  "\\\"",
                                                  "\\\\",
                                                  "\\\"id\\\":7,",
                                                  "\\n",
                                                  "\\u00e9",
                                                  "\xc3\xa9"};
    text += '"';
    for (std::uint64_t k = choose_(odd ? 12 : 4); k > 0; --k)
      text += kParts[choose_(odd || choose_(8) == 0 ? std::size(kParts) : 4)];
    text += '"';
  }
  void name(std::string& text, std::string_view name, bool odd) {
    text += '"';
    text += name;
    text += odd && choose_(4) == 0 ? "\" \n:" : "\":";
    if (pretty_ || (odd && choose_(4) == 0)) text += ' ';
  }
  void member(std::string& text, int which, bool odd) {
    switch (which) {
      case 0:
        name(text, "id", odd);
        id(text);
        break;
      case 1:
        name(text, "name", odd);
        string(text, odd);
        break;
      case 2:
        name(text, "price", odd);
        price(text);
        break;
      case 3:
        name(text, "tags", odd);
        text += '[';
        for (std::uint64_t k = choose_(3); k > 0; --k) {
          string(text, odd);
          text += k == 1 ? "" : ",";
        }
        text += ']';
        break;
      case 4:
        name(text, "size", odd);
        if (odd && choose_(4) == 0)
          nested(text);
        else
          text += R"({"id":3,"price":[4.5,{"quantity":6}]})";
        break;
      case 5:
        name(text, odd ? "q\\\"id" : "stock_id", odd);
        if (odd && choose_(8) == 0) {                 // of up to 40 digits, which is valid
          const std::uint64_t further = choose_(40);  // drawn first by whichever compiler
          letters(text += static_cast<char>('1' + choose_(9)), further, kDigits);
        } else {
          text += choose_(2) == 0 ? "null" : "-1.5e3";
        }
        break;
      default:
        name(text, "quantity", odd);
        quantity(text);
    }
  }
  Choose choose_;
  bool pretty_;
};

// Here, for clang 14 takes no look-up at compile time within a template.
constexpr InputName kDocuments = JsonSum::kInputs["documents"], kOdd = JsonSum::kInputs["odd"],
                    kPretty = JsonSum::kInputs["pretty"];

template <class Choose>
std::string array_of(std::size_t n, Choose choose, InputName input) {
  const bool odd = input == kOdd;
  Writer<Choose> writer(choose, input == kPretty);
  std::string text = "[";
  for (std::size_t i = 0; i < n; ++i) {
    if (i != 0) text += ',';
    writer.blanks(text, 1);
    if (input == kDocuments || (odd && choose(8) == 0))
      writer.document(text);
    else
      writer.record(text, odd);
  }
  return text + ']';
}

JsonSum::Input JsonSum::make(const Setting& setting, Rng& rng) {
  FastRng fast(rng());
  Input in;
  const std::size_t n = setting.n;
  const std::size_t slices = n < 100 ? 4 : std::max<std::size_t>(1, kRecords / n);
  for (std::size_t slice = 0; slice < slices; ++slice)
    in.add(array_of(
        n, [&fast](std::uint64_t k) { return bounded(fast, k); }, setting.input));
  return in;
}

// The bytes are choices of what to write: any of them make a valid text.
JsonSum::Input JsonSum::from(std::span<const std::uint8_t> bytes) {
  std::size_t at = 0;
  const auto choose = [&](std::uint64_t k) {
    std::uint64_t value = 0;
    for (std::uint64_t range = 1; range < k && at < bytes.size(); range *= 256)
      value = value * 256 + bytes[at++];
    return value % k;
  };
  Input in;
  std::string text;
  bool pretty = choose(2) == 1;
  Writer<decltype(choose)> writer(choose, pretty);
  while (at < bytes.size()) {
    if (!text.empty()) text += ',';
    writer.blanks(text, 1);
    if (choose(8) == 0)
      writer.document(text);
    else
      writer.record(text, true);
  }
  in.add('[' + text + ']');
  return in;
}

constexpr Variant<JsonSum> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "a DOM (nlohmann::json): a node for each value, a string for each name"},
    {.name = "simdjson_dom",
     .run = kDomRun,
     .what = "simdjson's DOM: an index of structural characters by SIMD, then a flat tape",
     .role = Role::kPeer,
     .promise_note = "integers below 2^64; texts with larger ones are read on demand",
     .needs = kNeedsSimdjson},
    {.name = "simdjson_ondemand",
     .run = kOnDemandRun,
     .what = "simdjson on demand: the index, and values read where they are asked for",
     .role = Role::kPeer,
     .promise = Promise::kExact,
     .promise_note = "validates only what it reads",
     .needs = kNeedsSimdjson},
    {.name = "by_hand",
     .run = run<by_hand>,
     .what = "one pass that knows three names, and skips the rest byte by byte",
     .promise = Promise::kExact},
    {.name = "highway",
     .run = run<highway>,
     .what = "64 bytes per step by masks, no index: only colons behind the three names are visited",
     .promise = Promise::kExact},
};

const Registrar kRegistrar(
    {.name = "computation/json_sum",
     .axis = Axis::kScalar,
     .technique = "read only what is asked for, build nothing",
     .sizes = {100, 2000, 8000, 400000},
     .headline = {100, 8000},
     .promise = Promise::kExact | Promise::kValidating,
     .demand =
         [](const Setting& s) {
           const std::size_t record = s.input == JsonSum::kInputs["documents"] ? 650
                                      : s.input == JsonSum::kInputs["pretty"]  ? 230
                                                                               : 150;
           return Demand{.items = static_cast<double>(s.n),
                         .bytes = static_cast<double>(record * s.n),
                         .working_set = record * s.n,
                         // The texts; a DOM of small nodes; simdjson's indexes and tapes.
                         .memory = record * (kRecords + s.n) + 2000 * s.n + 3 * 12 * record * s.n};
         },
     .test_sizes = {0, 1, 2, 3, 7, 8, 33, 129}},
    kVariants);

}  // namespace
}  // namespace headroom
