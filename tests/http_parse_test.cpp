// network/http_parse: the table-driven parser against RFC 9112, and every variant against the
// baseline for what is right and wrong, at every place around the edges of vectors.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#define HWY_WANT_AVX3_DL 1
#include "catch.h"
#include "core/agreement.h"
#include "hwy/targets.h"
#include "network/http_request.h"
#include "network/http_traffic.h"
#include "subset.h"

namespace headroom {
namespace {

using Answer = HttpAnswer;
constexpr std::size_t kEnd = ~std::size_t{0};  // of the request

// The variants agree; passes over a kernel that isn't built.
void agree(std::string_view text) {
  const Kernel* const kernel = built_kernel("network/http_parse");
  if (kernel == nullptr) return;
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  const absl::Status status = check_agreement(*kernel, bytes);
  if (status.ok()) return;
  INFO(std::string(status.message()));
  INFO(std::string(text));
  FAIL();
}

// Calls `body` with each SIMD target of this host as the best one.
template <class Body>
void on_every_target(Body body) {
  for (std::int64_t left = hwy::SupportedTargets() & HWY_TARGETS; left != 0; left &= left - 1) {
    hwy::DisableTargets((left & -left) - 1);
    body();
  }
  hwy::DisableTargets(0);
}

struct Parsed {
  HttpHead head;
  std::vector<std::string> strings;  // method, target, name, value, name ...
};
Parsed parse(std::string_view text) {
  HttpField fields[kMostFields];
  Parsed parsed{parse_http_head(text.data(), text.size(), fields), {}};
  if (parsed.head.answer != Answer::kComplete) return parsed;
  parsed.strings = {std::string(parsed.head.method.of(text.data())),
                    std::string(parsed.head.target.of(text.data()))};
  for (std::size_t i = 0; i < parsed.head.fields; ++i)
    for (const HttpSpan& span : {fields[i].name, fields[i].value})
      parsed.strings.emplace_back(span.of(text.data()));
  return parsed;
}

struct Right {
  std::string_view text;
  std::vector<std::string> strings;
  std::uint64_t body = 0;
  int minor = 1;
  std::size_t end = kEnd;
};
const std::vector<Right>& right() {
  static const std::vector<Right> all = {
      {"GET / HTTP/1.1\r\n\r\n", {"GET", "/"}},
      {"GET / HTTP/1.0\r\n\r\n", {"GET", "/"}, 0, 0},
      {"GET / HTTP/1.9\r\n\r\n", {"GET", "/"}, 0, 9},
      {"GET / HTTP/1.1\n\n", {"GET", "/"}},
      {"\r\nGET / HTTP/1.1\r\n\r\n", {"GET", "/"}},
      {"\nGET / HTTP/1.1\r\nA: b\n\r\n", {"GET", "/", "A", "b"}},
      {"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", {"OPTIONS", "*", "Host", "h"}},
      {"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", {"CONNECT", "h:80", "Host", "h"}},
      {"GET http://h/a?b=c%20d HTTP/1.1\r\n\r\n", {"GET", "http://h/a?b=c%20d"}},
      {"!#$%&'*+-.^_`|~09azAZ /~ HTTP/1.1\r\n!#$%&'*+-.^_`|~09azAZ:x\r\n\r\n",
       {"!#$%&'*+-.^_`|~09azAZ", "/~", "!#$%&'*+-.^_`|~09azAZ", "x"}},
      {"G / HTTP/1.1\r\na:\r\nb: \r\nc: \t \r\nd:e\r\nf: \t g h\ti \t\r\n\r\n",
       {"G", "/", "a", "", "b", "", "c", "", "d", "e", "f", "g h\ti"}},
      {"G / HTTP/1.1\r\na: b: c\r\nx: \xc3\xa9\xff\r\n\r\n",
       {"G", "/", "a", "b: c", "x", "\xc3\xa9\xff"}},
      {"G / HTTP/1.1\r\na: 1\r\na: 2\r\n\r\n", {"G", "/", "a", "1", "a", "2"}},
      {"P / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
       {"P", "/", "Content-Length", "5"},
       5,
       1,
       35},
      {"P / HTTP/1.1\r\ncontent-LENGTH:00042 \r\n\r\n", {"P", "/", "content-LENGTH", "00042"}, 42},
      {"P / HTTP/1.1\r\nContent-Length: 9223372036854775807\r\n\r\n",
       {"P", "/", "Content-Length", "9223372036854775807"},
       9223372036854775807u},
      // Names that are nearly those two.
      {"P / HTTP/1.1\r\nContent_Length: x\r\nContent-Lengths: x\r\nXontent-Length: x\r\n\r\n",
       {"P", "/", "Content_Length", "x", "Content-Lengths", "x", "Xontent-Length", "x"}},
      {"P / HTTP/1.1\r\nTransfer_Encoding: x\r\nTransferEncoding: x\r\nXransfer-Encoding: "
       "x\r\n\r\n",
       {"P", "/", "Transfer_Encoding", "x", "TransferEncoding", "x", "Xransfer-Encoding", "x"}},
      // Behind the head anything may stand.
      {std::string_view("GET / HTTP/1.1\r\n\r\n\0\r\x7f\n\n", 23), {"GET", "/"}, 0, 1, 18},
      {"GET / HTTP/1.1\n\r\nGET", {"GET", "/"}, 0, 1, 17},
  };
  return all;
}

struct Wrong {
  std::string_view text;
  Answer answer;
  std::size_t where;
};
const std::vector<Wrong>& wrong() {
  static const std::vector<Wrong> all = {
      {"\r\n\r\nGET / HTTP/1.1\r\n\r\n", Answer::kBadMethod, 2},
      {"\n\nGET / HTTP/1.1\r\n\r\n", Answer::kBadMethod, 1},
      {"\r\r\nGET / HTTP/1.1\r\n\r\n", Answer::kBadMethod, 0},
      {" GET / HTTP/1.1\r\n\r\n", Answer::kBadMethod, 0},
      {"GET\r\n", Answer::kBadMethod, 3},
      {"GET\n", Answer::kBadMethod, 3},
      {"GE(T / HTTP/1.1\r\n\r\n", Answer::kBadMethod, 2},
      {"GET\t/ HTTP/1.1\r\n\r\n", Answer::kBadMethod, 3},
      {"G\x80T / HTTP/1.1\r\n\r\n", Answer::kBadMethod, 1},
      {"GET  / HTTP/1.1\r\n\r\n", Answer::kBadTarget, 4},
      {"GET \r\n", Answer::kBadTarget, 4},
      {"GET /\r\n\r\n", Answer::kBadTarget, 5},  // HTTP/0.9
      {"GET /\x7f HTTP/1.1\r\n\r\n", Answer::kBadTarget, 5},
      {"GET /\xc3\xa9 HTTP/1.1\r\n\r\n", Answer::kBadTarget, 5},
      {"GET /\t HTTP/1.1\r\n\r\n", Answer::kBadTarget, 5},
      {"GET /a b HTTP/1.1\r\n\r\n", Answer::kBadVersion, 7},
      {"GET /  HTTP/1.1\r\n\r\n", Answer::kBadVersion, 6},
      {"GET / \r\n\r\n", Answer::kBadVersion, 6},
      {"GET / HTTP/1.1 \r\n\r\n", Answer::kBadVersion, 6},
      {"GET / HTTP/1.\r\n\r\n", Answer::kBadVersion, 6},
      {"GET / HTTP/1.10\r\n\r\n", Answer::kBadVersion, 6},
      {"GET / HTTP/1.x\r\n\r\n", Answer::kBadVersion, 6},
      {"GET / HTTP/2.0\r\n\r\n", Answer::kBadVersion, 6},
      {"GET / http/1.1\r\n\r\n", Answer::kBadVersion, 6},
      {"GET / HTTP/1.1\r\r\n\r\n", Answer::kBadVersion, 6},
      {"GET / ICE/1.1\r\n\r\n", Answer::kBadVersion, 6},
      {"G / HTTP/1.1\r\n: x\r\n\r\n", Answer::kBadName, 14},
      {"G / HTTP/1.1\r\nab\r\n\r\n", Answer::kBadName, 16},
      {"G / HTTP/1.1\r\nab\n\n", Answer::kBadName, 16},
      {"G / HTTP/1.1\r\nab\nc:d\n\n", Answer::kBadName, 16},
      {"G / HTTP/1.1\r\nab : c\r\n\r\n", Answer::kBadName, 16},
      {"G / HTTP/1.1\r\na b: c\r\n\r\n", Answer::kBadName, 15},
      {"G / HTTP/1.1\r\na\xc3\xa9: c\r\n\r\n", Answer::kBadName, 15},
      {"G / HTTP/1.1\r\n\ta: c\r\n\r\n", Answer::kBadName, 14},
      {"G / HTTP/1.1\r\na: b\r\n c\r\n\r\n", Answer::kBadName, 20},  // folded
      {"G / HTTP/1.1\r\na: \r\n c\r\n\r\n", Answer::kBadName, 19},
      {"G / HTTP/1.1\r\na:\n\tc\r\n\r\n", Answer::kBadName, 17},
      {"G / HTTP/1.1\r\n\ra: c\r\n\r\n", Answer::kBadName, 14},
      {"G / HTTP/1.1\r\na: b\rc\r\n\r\n", Answer::kBadValue, 18},
      {"G / HTTP/1.1\r\na: b\r\r\n\r\n", Answer::kBadValue, 18},
      {"G / HTTP/1.1\r\na: b\x7f\r\n\r\n", Answer::kBadValue, 18},
      {"G / HTTP/1.1\r\na: b\x0b\r\n\r\n", Answer::kBadValue, 18},
      {std::string_view("G / HTTP/1.1\r\na: \0\r\n\r\n", 22), Answer::kBadValue, 17},
      {"G / HTTP/1.1\r\na: b\r\n\r", Answer::kIncomplete, 21},
      {"G / HTTP/1.1\r\na: b\r\n\rx\n", Answer::kBadName, 20},
      {"G / HTTP/1.1\r\nContent-Length:\r\n\r\n", Answer::kBadLength, 14},
      {"G / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", Answer::kBadLength, 14},
      {"G / HTTP/1.1\r\nContent-Length: 1 1\r\n\r\n", Answer::kBadLength, 14},
      {"G / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", Answer::kBadLength, 14},
      {"G / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n", Answer::kBadLength, 14},
      {"G / HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n", Answer::kBadLength, 14},
      {"G / HTTP/1.1\r\nContent-Length: 18446744073709551617\r\n\r\n", Answer::kBadLength, 14},
      {"G / HTTP/1.1\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n", Answer::kBadLength, 33},
      {"G / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", Answer::kLengthRequired, 14},
      {"G / HTTP/1.1\r\na:b\r\ntransfer-ENCODING:\r\n\r\n", Answer::kLengthRequired, 19},
      // Nothing is wrong before its line has an end.
      {"", Answer::kIncomplete, 0},
      {"\r", Answer::kIncomplete, 1},
      {"\r\n", Answer::kIncomplete, 2},
      {"(((", Answer::kIncomplete, 3},
      {"G / HTTP/2.0", Answer::kIncomplete, 12},
      {"G / HTTP/1.1\r\na b\r", Answer::kIncomplete, 18},
      {"G / HTTP/1.1\r\nTransfer-Encoding: chunked", Answer::kIncomplete, 40},
  };
  return all;
}

TEST_CASE("http_parse: what RFC 9112 allows is parsed whole") {
  for (const Right& each : right()) {
    INFO(std::string(each.text));
    const Parsed parsed = parse(each.text);
    CHECK(parsed.head.answer == Answer::kComplete);
    CHECK(parsed.strings == each.strings);
    CHECK(parsed.head.body == each.body);
    CHECK(parsed.head.minor == each.minor);
    CHECK(parsed.head.end == (each.end == kEnd ? each.text.size() : each.end));
  }
}

TEST_CASE("http_parse: what is wrong is said, and where") {
  for (const Wrong& each : wrong()) {
    INFO(std::string(each.text));
    const Parsed parsed = parse(each.text);
    CHECK(static_cast<int>(parsed.head.answer) == static_cast<int>(each.answer));
    CHECK(parsed.head.end == each.where);
  }
  CHECK(parse(HttpTraffic::many_fields(kMostFields)).strings.size() == 2 + 2 * kMostFields);
  const Parsed parsed = parse(HttpTraffic::many_fields(kMostFields + 1));
  CHECK(parsed.head.answer == Answer::kTooManyFields);
  CHECK(parsed.head.end == 16 + 5 * kMostFields);
}

TEST_CASE("http_parse: a request is incomplete up to its last byte") {
  HttpTraffic traffic(1);
  for (int i = 0; i < 40; ++i) {
    std::string text;
    i % 2 == 0 ? traffic.browser(text) : traffic.api(text);
    const HttpHead whole = parse(text).head;
    REQUIRE(whole.answer == Answer::kComplete);
    REQUIRE(whole.end + whole.body == text.size());
    for (std::size_t size = 0; size < whole.end; ++size) {
      const HttpHead head = parse(std::string_view(text).substr(0, size)).head;
      REQUIRE(head.answer == Answer::kIncomplete);
      REQUIRE(head.end == size);
    }
  }
}

TEST_CASE("http_parse: variants agree on right and wrong requests, cut off anywhere") {
  on_every_target([] {
    std::vector<std::string_view> all;
    for (const Right& each : right()) all.push_back(each.text);
    for (const Wrong& each : wrong()) all.push_back(each.text);
    for (const std::string_view text : all)
      for (std::size_t size = 0; size <= text.size(); ++size) agree(text.substr(0, size));
    for (std::size_t count = kMostFields - 1; count <= kMostFields + 2; ++count)
      agree(HttpTraffic::many_fields(count));
    HttpTraffic traffic(2);
    std::string text;
    traffic.browser(text);
    for (std::size_t size = 0; size <= text.size(); ++size) agree(text.substr(0, size));
  });
}

TEST_CASE("http_parse: variants agree with any byte in any place") {
  on_every_target([] {
    const std::string text =
        "POST /a?b HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/8.1 (x)\r\nContent-Length: 12\r\n"
        "Transfer-Codings: c\r\nx:\r\n\r\nbody";
    const std::string_view values("\0\t\n\r \"(/0:@A[\\`{\x7f\x80\xff\x1f", 21);
    for (std::size_t at = 0; at < text.size(); ++at)
      for (const char value : values) {
        std::string changed = text;
        changed[at] = value;
        agree(changed);
      }
    // And each byte at the places that matter: in the method, target, name and value.
    for (const std::size_t at : {1u, 7u, 22u, 45u})
      for (int value = 0; value < 256; ++value) {
        std::string changed = text;
        changed[at] = static_cast<char>(value);
        agree(changed);
      }
  });
}

// Each end of a part at each place within two of the widest vectors.
TEST_CASE("http_parse: variants agree where parts end around the edges of vectors") {
  on_every_target([] {
    for (std::size_t size = 0; size <= 140; ++size) {
      const std::string fill(size, 'x'), blanks(size, ' ');
      for (const char* end : {"\r\n", "\n"}) {
        const std::string e(end);
        agree("G" + fill + " / HTTP/1.1" + e + "a: b" + e + e);
        agree("GET /" + fill + " HTTP/1.1" + e + "a: b" + e + e);
        agree("GET / HTTP/1.1" + e + "a" + fill + ": b" + e + "c: d" + e + e + "\x01");
        agree("GET / HTTP/1.1" + e + "a: " + fill + e + "c: d" + e + e);
        agree("GET / HTTP/1.1" + e + "a:" + blanks + "b" + blanks + e + "c: d" + e + e);
        agree("GET / HTTP/1.1" + e + "a: " + fill + "\x02" + e + "c: d" + e + e);
        agree("GET / HTTP/1.1" + e + "a: " + fill + "\rb" + e + e);
        agree("GET / HTTP/1.1" + e + "a: " + fill + e + "\rb: c" + e + e);
        agree("GET / HTTP/1.1" + e + "a: " + fill + e + "name" + e + "c: d" + e + e);
        agree("GET /" + fill + "\x80 HTTP/1.1" + e + e);
        agree("GET / HTTP/1.1" + e + "a: " + fill + e + "Content-Length: " + fill + "7" + e + e);
      }
    }
    for (const std::size_t size : {255u, 4096u, 70000u, 200000u}) {
      const std::string fill(size, 'y');
      agree("GET /" + fill + " HTTP/1.1\r\na: b\r\n\r\n");
      agree("GET / HTTP/1.1\r\n" + fill + ": b\r\n\r\n");
      agree("GET / HTTP/1.1\r\na: " + fill + "\r\n\r\n");
      agree("GET / HTTP/1.1\r\na: " + fill + "\x7f\r\n\r\n");
      agree("GET / HTTP/1.1\r\na: " + fill);
    }
  });
}

TEST_CASE("http_parse: variants agree on odd traffic") {
  const Kernel* const kernel = built_kernel("network/http_parse");
  if (kernel == nullptr) return;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const absl::Status status = check_agreement(*kernel, {129, "odd", seed}, 1);
    INFO(std::string(status.message()));
    CHECK(status.ok());
  }
  HttpTraffic traffic(3);
  std::size_t complete = 0, refused = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    traffic.odd(text);
    const Answer answer = parse(text).head.answer;
    complete += answer == Answer::kComplete;
    refused += answer > Answer::kIncomplete;
  }
  CHECK(complete > 400);  // of both kinds enough
  CHECK(refused > 400);
}

}  // namespace
}  // namespace headroom
