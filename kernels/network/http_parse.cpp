// network/http_parse: the heads of n HTTP/1.1 requests, as a server receives them.
//
// In: n requests, each with its size. Out, of each: method, target, version, every field's name and
// value, where the head ends and how long the body is; or that it is incomplete or wrong, and
// where. What is right and wrong is RFC 9112's, and http_request.h says what of it is a choice.
// Exact: whole strings in order. All variants validate, and no byte behind a request's end is read.
//
// Inputs: browser (a dozen fields, long ones), api (a few short ones), mixed (one as often as the
// other). 2^14 requests rotate, each with some hundred decisions, since branch prediction learns
// how long names and values are. They are all well-formed, as nearly all that come are; where a
// peer refuses a request, or can't tell where it is wrong, the table-driven parser is asked again.
//
// A string for each part is an allocation and a copy; places in the text are neither. Then a
// look-up and a branch per byte is what is left, and a misprediction at the end of each part. A
// vector finds the end of a part in one step (Oku's picohttpparser does so with SSE4.2), but still
// mispredicts at each. Masks of 64 bytes at a time know all ends at once: an addition carries from
// where each line begins through its name to the colon (Cameron's bit-parallel Parabix; Langdale
// and Lemire, "Parsing gigabytes of JSON per second", 2019, for the masks).
//
// Links: http_parser llhttp picohttpparser
#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/kernel.h"
#include "network/http_answers.h"
#include "network/http_peers.h"
#include "network/http_request.h"
#include "network/http_traffic.h"
#include "support/slices.h"

namespace headroom {
namespace {

constexpr std::size_t kCarried = std::size_t{1} << 14;  // requests
constexpr std::size_t kSmallest = 16;                   // requests a call that are measured

struct HttpParse {
  static constexpr auto kInputs = inputs("mixed", "browser", "api").for_tests("odd");
  using Call = HttpMessages;
  struct Input {
    Buffer<char> text;
    std::vector<HttpMessage> messages;
    Slices slices;
    std::size_t most_fields = 0;  // of the requests of one call
    Call at(std::size_t turn) const { return {text.data(), slices.of(messages, turn)}; }
  };
  using Output = HttpAnswers;

  static Input make(const Setting& setting, Rng& rng);
  static Input from(std::span<const std::uint8_t> bytes);
  static void size(const Input& in, Output& out) { out.size(in.slices.size(), in.most_fields); }
  static absl::Status same(const Call& in, const Output& want, const Output& got) {
    return exact(want.strings(in), got.strings(in));
  }
};
using Call = HttpParse::Call;
using Output = HttpParse::Output;

// ------------------------------------------------------------------------------------------------
// Line by line, each part a string of its own.

bool is_token_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         (c != '\0' && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr);
}
bool is_visible(char c) { return c > ' ' && c < 0x7f; }
bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7f;
}

bool parse_length(const std::string& text, std::uint64_t& length) {
  if (text.empty()) return false;
  length = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (length > (HttpBody::kMost - digit) / 10) return false;
    length = length * 10 + digit;
  }
  return true;
}

HttpStrings parse_strings(std::string_view text) {
  HttpStrings request;
  std::size_t begin = 0, next = 0;  // of the line
  std::string line;
  const auto read_line = [&] {
    const std::size_t end = text.find('\n', next);
    if (end == std::string_view::npos) return false;
    line = text.substr(next, end - next);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    begin = next;
    next = end + 1;
    return true;
  };
  const auto answer = [&](HttpAnswer what, std::size_t where) {
    HttpStrings answered;
    answered.answer = what;
    answered.end = where;
    return answered;
  };
  if (!read_line()) return answer(HttpAnswer::kIncomplete, text.size());
  if (line.empty() && !read_line()) return answer(HttpAnswer::kIncomplete, text.size());

  std::size_t at = 0;
  while (at < line.size() && is_token_character(line[at])) ++at;
  if (at == 0 || at == line.size() || line[at] != ' ')
    return answer(HttpAnswer::kBadMethod, begin + at);
  request.method = line.substr(0, at);
  const std::size_t target = ++at;
  while (at < line.size() && is_visible(line[at])) ++at;
  if (at == target || at == line.size() || line[at] != ' ')
    return answer(HttpAnswer::kBadTarget, begin + at);
  request.target = line.substr(target, at - target);
  const std::string version = line.substr(at + 1);
  if (version.size() != 8 || version.substr(0, 7) != "HTTP/1." || version[7] < '0' ||
      version[7] > '9')
    return answer(HttpAnswer::kBadVersion, begin + at + 1);
  request.minor = version[7] - '0';

  bool has_length = false;
  while (read_line()) {
    if (line.empty()) {
      request.answer = HttpAnswer::kComplete;
      request.end = next;
      return request;
    }
    if (request.fields.size() == kMostFields) return answer(HttpAnswer::kTooManyFields, begin);
    const std::size_t bad = static_cast<std::size_t>(
        std::find_if_not(line.begin(), line.end(), is_token_character) - line.begin());
    if (bad == 0 || bad == line.size() || line[bad] != ':')
      return answer(HttpAnswer::kBadName, begin + bad);
    std::string name = line.substr(0, bad);
    std::string value;
    if (const std::size_t first = line.find_first_not_of(" \t", bad + 1); first != line.npos)
      value = line.substr(first, line.find_last_not_of(" \t") + 1 - first);
    if (const auto control = std::find_if(line.begin(), line.end(), is_control);
        control != line.end())
      return answer(HttpAnswer::kBadValue,
                    begin + static_cast<std::size_t>(control - line.begin()));
    std::string lower = name;
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (lower == "transfer-encoding") return answer(HttpAnswer::kLengthRequired, begin);
    if (lower == "content-length") {
      if (has_length || !parse_length(value, request.body))
        return answer(HttpAnswer::kBadLength, begin);
      has_length = true;
    }
    request.fields.emplace_back(std::move(name), std::move(value));
  }
  return answer(HttpAnswer::kIncomplete, text.size());
}

void naive(const Call& in, Output& out) {
  std::vector<HttpStrings> requests;
  for (std::size_t i = 0; i < in.size(); ++i) requests.push_back(parse_strings(in[i]));
  out.set(std::move(requests));
}

// ------------------------------------------------------------------------------------------------
// Places in the text.

// Line by line too, with the library's searches, but a part is a view of the text.
HttpHead parse_views(std::string_view text, HttpField* fields) {
  std::size_t next = 0;
  std::string_view line;
  const auto read_line = [&] {
    const std::size_t end = text.find('\n', next);
    if (end == std::string_view::npos) return false;
    line = text.substr(next, end - next);
    if (line.ends_with('\r')) line.remove_suffix(1);
    next = end + 1;
    return true;
  };
  const auto place = [&](std::string_view part) {
    return static_cast<std::uint32_t>(part.data() - text.data());
  };
  const auto span = [&](std::string_view part) {
    return HttpSpan{place(part), static_cast<std::uint32_t>(part.size())};
  };
  const auto answer = [](HttpAnswer what, std::size_t where) {
    HttpHead head;
    head.answer = what;
    head.end = static_cast<std::uint32_t>(where);
    return head;
  };
  // How many characters of that kind a text begins with.
  const auto leading = [](std::string_view part, std::uint8_t kind) {
    const auto end =
        std::find_if_not(part.begin(), part.end(), [kind](char c) { return is_http(c, kind); });
    return static_cast<std::size_t>(end - part.begin());
  };
  const HttpHead incomplete = answer(HttpAnswer::kIncomplete, text.size());
  if (!read_line() || (line.empty() && !read_line())) return incomplete;

  HttpHead head;
  const std::string_view method = line.substr(0, leading(line, kHttpToken));
  std::string_view rest = line.substr(method.size());
  if (method.empty() || !rest.starts_with(' ')) return answer(HttpAnswer::kBadMethod, place(rest));
  rest.remove_prefix(1);
  const std::string_view target = rest.substr(0, leading(rest, kHttpVisible));
  rest.remove_prefix(target.size());
  if (target.empty() || !rest.starts_with(' ')) return answer(HttpAnswer::kBadTarget, place(rest));
  rest.remove_prefix(1);
  if (rest.size() != 8 || !rest.starts_with("HTTP/1.") || rest[7] < '0' || rest[7] > '9')
    return answer(HttpAnswer::kBadVersion, place(rest));
  head.method = span(method);
  head.target = span(target);
  head.minor = static_cast<std::uint8_t>(rest[7] - '0');

  HttpBody body;
  for (std::size_t count = 0; read_line(); ++count) {
    if (line.empty()) {
      head.body = body.size();
      head.end = static_cast<std::uint32_t>(next);
      head.fields = static_cast<std::uint16_t>(count);
      head.answer = HttpAnswer::kComplete;
      return head;
    }
    if (count == kMostFields) return answer(HttpAnswer::kTooManyFields, place(line));
    const std::string_view name = line.substr(0, leading(line, kHttpToken));
    std::string_view value = line.substr(name.size());
    if (name.empty() || !value.starts_with(':')) return answer(HttpAnswer::kBadName, place(value));
    value.remove_prefix(1);
    const std::size_t good = leading(value, kHttpText);
    if (good != value.size()) return answer(HttpAnswer::kBadValue, place(value) + good);
    value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
    value.remove_suffix(value.size() - (value.find_last_not_of(" \t") + 1));
    fields[count] = {span(name), span(value)};
    const HttpAnswer answered = body.add(text.data(), fields[count]);
    if (answered != HttpAnswer::kComplete) return answer(answered, place(line));
  }
  return incomplete;
}

void views(const Call& in, Output& out) {
  out.parse(in, [](std::string_view text, HttpField* fields) { return parse_views(text, fields); });
}

// One pass instead of a search for the end of a line and then of its parts.
void table(const Call& in, Output& out) {
  out.parse(in, [](std::string_view text, HttpField* fields) {
    return parse_http_head(text.data(), text.size(), fields);
  });
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "network/http_parse-inl.h"
#include "network/http_parse-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(ParseByParts);
HWY_EXPORT(ParseByMasks);

void by_parts(const Call& in, Output& out) {
  out.parse(in,
            [parse = HWY_DYNAMIC_DISPATCH(ParseByParts)](std::string_view text, HttpField* fields) {
              return parse(text.data(), text.size(), fields);
            });
}

void highway(const Call& in, Output& out) {
  out.parse(in,
            [parse = HWY_DYNAMIC_DISPATCH(ParseByMasks)](std::string_view text, HttpField* fields) {
              return parse(text.data(), text.size(), fields);
            });
}

HttpParse::Input input_of(std::string_view text, std::vector<HttpMessage> messages, Slices slices) {
  HttpParse::Input in{Buffer<char>(text.size()), std::move(messages), slices};
  std::copy(text.begin(), text.end(), in.text.begin());
  std::vector<std::size_t> fields(slices.count());
  for (std::size_t i = 0; i < in.messages.size(); ++i) {
    HttpField unused[kMostFields];
    const HttpMessage& message = in.messages[i];
    fields[slices.size() == 0 ? 0 : i / slices.size()] +=
        parse_http_head(in.text.data() + message.begin, message.size, unused).fields;
  }
  in.most_fields = *std::max_element(fields.begin(), fields.end());
  return in;
}

HttpParse::Input HttpParse::make(const Setting& setting, Rng& rng) {
  const Slices slices =
      Slices::covering(setting.n < kSmallest ? 4 * setting.n : kCarried, setting.n);
  HttpTraffic traffic(rng());
  std::string text;
  std::vector<HttpMessage> messages(slices.items());
  for (HttpMessage& message : messages) {
    message.begin = text.size();
    if (setting.input == kInputs["odd"])
      traffic.odd(text);
    else if (setting.input == kInputs["browser"] ||
             (setting.input == kInputs["mixed"] && (rng() >> 63) != 0))
      traffic.browser(text);
    else
      traffic.api(text);
    message.size = text.size() - message.begin;
  }
  return input_of(text, std::move(messages), slices);
}

// Any bytes are a request, right or wrong; with nothing behind them.
HttpParse::Input HttpParse::from(std::span<const std::uint8_t> bytes) {
  const std::string text(bytes.begin(), bytes.end());
  return input_of(text, {{0, text.size()}}, Slices::covering(1, 1));
}

constexpr Need kNeedsHttpParser[] = {kHttpParser}, kNeedsLlhttp[] = {kLlhttp},
               kNeedsPico[] = {kPico};

constexpr Variant<HttpParse> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "line by line, a std::string for each name and value"},
    {.name = "views",
     .run = run<views>,
     .what = "line by line, a std::string_view for each: nothing is allocated or copied",
     .role = Role::kStandard},
    {.name = "table",
     .run = run<table>,
     .what = "one pass, a look-up in a table of the kinds of bytes for each byte"},
    {.name = "by_parts",
     .run = run<by_parts>,
     .what = "one pass, a vector at a time to the end of each name and value"},
    {.name = "highway",
     .run = run<highway>,
     .what =
         "masks of 64 bytes: all ends of lines and names at once, an addition finds the colons"},
    {.name = "http_parser",
     .run = kHttpParserRun,
     .what = "Node.js's http_parser, byte by byte through a state machine, a callback per part",
     .role = Role::kPeer,
     .needs = kNeedsHttpParser},
    {.name = "llhttp",
     .run = kLlhttpRun,
     .what = "llhttp, its successor: the state machine unrolled into generated C",
     .role = Role::kPeer,
     .needs = kNeedsLlhttp},
    {.name = "picohttpparser",
     .run = kPicoRun,
     .what = "H2O's picohttpparser as its library has it: one pass, no callbacks, no SIMD",
     .role = Role::kPeer,
     .needs = kNeedsPico},
};

const Registrar kRegistrar({.name = "network/http_parse",
                            .axis = Axis::kSimd,
                            .technique = "all ends of parts at once by masks, not byte by byte",
                            .sizes = {16, 128, 1024, 8192},
                            .headline = {16, 1024},
                            .ceiling = {"machine/read"},
                            .promise = Promise::kExact | Promise::kValidating,
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t size =
                                      s.input == HttpParse::kInputs["browser"] ? 800
                                      : s.input == HttpParse::kInputs["api"]   ? 200
                                                                               : 500;
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = static_cast<double>(size * s.n),
                                                .working_set = size * s.n,
                                                .memory = size * (kCarried + s.n) + 5000 * s.n};
                                },
                            .test_sizes = {0, 1, 2, 3, 7, 8, 33, 129}},
                           kVariants);

}  // namespace
}  // namespace headroom
