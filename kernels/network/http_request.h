// The head of an HTTP/1.1 request (RFC 9112): what a parser answers, and one that decides byte by
// byte. In a header so that the tests can hold it against the RFC, and since the faster variants
// leave to it whatever is out of the ordinary.
//
// What is accepted: one empty line at most before the request line; a method of token characters,
// one blank, a target of visible ASCII, one blank, "HTTP/1." and a digit; then up to kMostFields
// fields, a name of token characters, a colon and a value of visible characters, blanks, tabs and
// bytes from 0x80 on, without the blanks and tabs around it; an empty line. A line ends with CRLF
// or LF alone, as RFC 9112 section 2.2 allows; a CR elsewhere is wrong, and so is a line that
// begins with a blank (obs-fold). The length of the body comes from at most one Content-Length, a
// number below 2^63; a Transfer-Encoding is answered with kLengthRequired (411), as section 6.3
// allows.
//
// What is wrong is said of the first wrong line, as soon as that line has its end; without it the
// answer is kIncomplete.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

namespace headroom {

inline constexpr std::size_t kMostFields = 100;  // of a request, as Apache's httpd has it

enum class HttpAnswer : std::uint8_t {
  kComplete,
  kIncomplete,      // end: how many bytes there are
  kBadMethod,       // end: the first byte that is wrong
  kBadTarget,       // end: likewise
  kBadVersion,      // end: where the version begins
  kBadName,         // end: the first byte that is wrong
  kBadValue,        // end: likewise
  kTooManyFields,   // end: where the line begins
  kBadLength,       // end: likewise
  kLengthRequired,  // end: likewise
};

// Places count from where the request begins.
struct HttpSpan {
  std::uint32_t begin = 0;
  std::uint32_t size = 0;
  std::string_view of(const char* text) const { return {text + begin, size}; }
  bool operator==(const HttpSpan&) const = default;
};

struct HttpField {
  HttpSpan name, value;
  bool operator==(const HttpField&) const = default;
};

// Of a request that isn't complete or right there is only the answer and where.
struct HttpHead {
  HttpSpan method, target;
  std::uint64_t body = 0;    // bytes that follow the head: Content-Length
  std::uint32_t end = 0;     // bytes of the head
  std::uint16_t fields = 0;  // how many
  std::uint8_t minor = 0;    // of the version
  HttpAnswer answer = HttpAnswer::kIncomplete;
  bool operator==(const HttpHead&) const = default;
};

// Kinds of bytes.
inline constexpr std::uint8_t kHttpToken = 1;    // tchar, RFC 9110 section 5.6.2
inline constexpr std::uint8_t kHttpVisible = 2;  // what a target consists of
inline constexpr std::uint8_t kHttpText = 4;     // what a value may have in it
inline constexpr std::array<std::uint8_t, 256> kHttpKinds = [] {
  std::array<std::uint8_t, 256> kinds{};
  for (unsigned c = 0; c < 256; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    const bool mark =
        std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
    if (letter || mark) kinds[c] |= kHttpToken;
    if (c > 0x20 && c < 0x7f) kinds[c] |= kHttpVisible;
    if (c == '\t' || (c >= 0x20 && c != 0x7f)) kinds[c] |= kHttpText;
  }
  return kinds;
}();
inline bool is_http(char c, std::uint8_t kind) {
  return (kHttpKinds[static_cast<std::uint8_t>(c)] & kind) != 0;
}
inline bool is_http_blank(char c) { return c == ' ' || c == '\t'; }

// Eight bytes, letters in lower case; what else changes is no character of a name.
inline std::uint64_t lower_eight(const char* text) {
  std::uint64_t bytes;
  std::memcpy(&bytes, text, 8);
  return bytes | 0x2020202020202020;
}

// Of the fields of one request in turn: what they say of the length of its body.
class HttpBody {
 public:
  static constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();

  // kComplete, or why the request must be refused. At least 8 bytes stand before the name's end.
  // One comparison tells nearly all names from the two that matter, without a branch for their
  // length.
  HttpAnswer add(const char* text, const HttpField& field) {
    const std::uint64_t last = lower_eight(text + field.name.begin + field.name.size - 8);
    const bool length = (last == lower_eight("t-length")) & (field.name.size == 14);
    const bool coding = (last == lower_eight("encoding")) & (field.name.size == 17);
    return (length | coding) ? judge(text, field) : HttpAnswer::kComplete;
  }
  std::uint64_t size() const { return size_; }

 private:
  HttpAnswer judge(const char* text, const HttpField& field) {
    const char* const name = text + field.name.begin;
    if (field.name.size == 17) {
      const bool coding = lower_eight(name) == lower_eight("transfer") && name[8] == '-';
      return coding ? HttpAnswer::kLengthRequired : HttpAnswer::kComplete;
    }
    if (lower_eight(name) != lower_eight("content-")) return HttpAnswer::kComplete;
    if (known_ || field.value.size == 0) return HttpAnswer::kBadLength;
    known_ = true;
    for (const char c : field.value.of(text)) {
      const std::uint64_t digit = static_cast<std::uint8_t>(c) - std::uint64_t{'0'};
      if (digit > 9 || size_ > (kMost - digit) / 10) return HttpAnswer::kBadLength;
      size_ = size_ * 10 + digit;
    }
    return HttpAnswer::kComplete;
  }
  std::uint64_t size_ = 0;
  bool known_ = false;
};

// The head at the beginning of `size` bytes: one pass, a look-up in a table for each byte. `fields`
// has room for kMostFields.
inline HttpHead parse_http_head(const char* text, std::size_t size, HttpField* fields) {
  const auto span = [](std::size_t begin, std::size_t end) {
    return HttpSpan{static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end - begin)};
  };
  std::size_t at = 0, line = 0;
  const auto skip = [&](std::uint8_t kind) {
    while (at < size && is_http(text[at], kind)) ++at;
  };
  const auto stands = [&](char c) { return at < size && text[at] == c; };
  const auto skip_end_of_line = [&] {
    const std::size_t lf = at + (stands('\r') ? 1 : 0);
    if (lf >= size || text[lf] != '\n') return false;
    at = lf + 1;
    return true;
  };
  const auto wrong = [&](HttpAnswer answer, std::size_t where) {
    const bool ended = line < size && std::memchr(text + line, '\n', size - line) != nullptr;
    HttpHead head;
    head.end = static_cast<std::uint32_t>(ended ? where : size);
    head.answer = ended ? answer : HttpAnswer::kIncomplete;
    return head;
  };

  HttpHead head;
  skip_end_of_line();
  line = at;
  skip(kHttpToken);
  if (at == line || !stands(' ')) return wrong(HttpAnswer::kBadMethod, at);
  head.method = span(line, at);
  const std::size_t target = ++at;
  skip(kHttpVisible);
  if (at == target || !stands(' ')) return wrong(HttpAnswer::kBadTarget, at);
  head.target = span(target, at);
  const std::size_t version = ++at;
  if (size - at < 9 || std::memcmp(text + at, "HTTP/1.", 7) != 0)
    return wrong(HttpAnswer::kBadVersion, version);
  const unsigned digit = static_cast<std::uint8_t>(text[at + 7]) - unsigned{'0'};
  at += 8;
  if (digit > 9 || !skip_end_of_line()) return wrong(HttpAnswer::kBadVersion, version);
  head.minor = static_cast<std::uint8_t>(digit);

  HttpBody body;
  for (std::size_t count = 0;; ++count) {
    line = at;
    if (skip_end_of_line()) {
      head.body = body.size();
      head.end = static_cast<std::uint32_t>(at);
      head.fields = static_cast<std::uint16_t>(count);
      head.answer = HttpAnswer::kComplete;
      return head;
    }
    if (count == kMostFields) return wrong(HttpAnswer::kTooManyFields, line);
    HttpField field;
    skip(kHttpToken);
    if (at == line || !stands(':')) return wrong(HttpAnswer::kBadName, at);
    field.name = span(line, at);
    for (++at; at < size && is_http_blank(text[at]);) ++at;
    const std::size_t value = at;
    skip(kHttpText);
    std::size_t end = at;
    if (!skip_end_of_line()) return wrong(HttpAnswer::kBadValue, end);
    while (end > value && is_http_blank(text[end - 1])) --end;
    field.value = span(value, end);
    fields[count] = field;
    const HttpAnswer answer = body.add(text, field);
    if (answer != HttpAnswer::kComplete) return wrong(answer, line);
  }
}

}  // namespace headroom
