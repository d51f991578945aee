// simd/base64_encode and simd/base64_decode: the baselines against RFC 4648, and every decoder
// against the baseline for every kind of wrong text at every place.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#define HWY_WANT_AVX3_DL 1
#include "catch.h"
#include "core/agreement.h"
#include "hwy/targets.h"
#include "simd/base64.h"
#include "subset.h"

namespace headroom {
namespace {

std::vector<std::uint8_t> bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

std::string encoded(std::string_view bytes) {
  const std::vector<std::uint8_t> from = bytes_of(bytes);
  std::vector<std::uint8_t> to(base64_encoded_size(from.size()));
  base64_encode(from.data(), from.size(), to.data());
  return {to.begin(), to.end()};
}

struct Result {
  std::string bytes;
  std::size_t bad;
};
Result decoded(std::string_view text) {
  const std::vector<std::uint8_t> from = bytes_of(text);
  std::vector<std::uint8_t> to(from.size() / 4 * 3);
  const Base64Decoded result = base64_decode(from.data(), from.size(), to.data());
  to.resize(result.bytes);
  return {{to.begin(), to.end()}, result.bad};
}

void agree(const char* name, std::string_view text) {
  const Kernel* const kernel = built_kernel(name);
  if (kernel == nullptr) return;
  const absl::Status status = check_agreement(*kernel, bytes_of(text));
  if (status.ok()) return;
  INFO(std::string(status.message()));
  FAIL();
}

template <class Body>
void on_every_target(Body body) {
  for (std::int64_t left = hwy::SupportedTargets() & HWY_TARGETS; left != 0; left &= left - 1) {
    hwy::DisableTargets((left & -left) - 1);
    body();
  }
  hwy::DisableTargets(0);
}

TEST_CASE("base64: the baselines give the vectors of RFC 4648, section 10") {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    CHECK(encoded(bytes) == text);
    CHECK(decoded(text).bytes == bytes);
    CHECK(decoded(text).bad == Base64Decoded::kNone);
  }
  CHECK(encoded("\xfb\xff\xbf") == "+/+/");
  CHECK(decoded("+/+/").bytes == "\xfb\xff\xbf");
}

TEST_CASE("base64: the baseline rejects what the RFC does, and says where") {
  const std::pair<const char*, std::size_t> wrong[] = {
      {"Z", 1},        {"Zg", 2},    {"Zg=", 3},         {"Zm9vY", 5},    {"====", 0},
      {"Z===", 1},     {"Zg=x", 3},  {"Zh==", 1},        {"Zm9=", 2},     {"Zg==Zg==", 2},
      {"Zm8=Zm9v", 3}, {"Zm9v=", 4}, {"Zm9v ", 4},       {" Zm9v", 0},    {"Zm9-", 3},
      {"Zm_v", 2},     {"Z\n9v", 1}, {"Zm9vZm\x80v", 6}, {"Zm9v\xff", 4}, {"Zg=.", 3},
      {"=Zg=", 0},     {"Zg", 2},    {"Zm9vZg=", 7},     {"/", 1},        {"?", 0}};
  for (const auto& [text, bad] : wrong) {
    INFO(text);
    CHECK(decoded(text).bad == bad);
    agree("simd/base64_decode", text);
  }
}

TEST_CASE("base64: every character at every place around the edges of vectors") {
  std::string text;
  for (std::size_t i = 0; i < 600; ++i) text += kBase64Alphabet[(i * 29 + i / 64) % 64];
  on_every_target([&] {
    for (std::size_t n : {4, 20, 24, 68, 92, 280, 288, 600}) {
      for (std::size_t at = 0; at < n; at += n < 100 || at < 70 || at + 30 > n ? 1 : 13) {
        for (const char* character : {"=",    "-", "_", " ", "\n",   ".",    "*",    ",",    ":",
                                      "@",    "[", "`", "{", "\x7f", "\x80", "\xab", "\xaf", "\xc1",
                                      "\xff", "A", "Z", "a", "z",    "0",    "9",    "+",    "/"}) {
          std::string changed = text.substr(0, n);
          changed[at] = *character;
          agree("simd/base64_decode", changed);
        }
      }
      for (std::size_t less = 0; less < 4; ++less)
        agree("simd/base64_decode", std::string_view(text).substr(0, n - less));
    }
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = text.substr(0, 400);
      changed[static_cast<std::size_t>(byte) % 300] = static_cast<char>(byte);
      agree("simd/base64_decode", changed);
    }
  });
}

TEST_CASE("base64: a wrong character anywhere in a long text, on memory of any alignment") {
  std::string text;
  for (std::size_t i = 0; i < 9000; ++i) text += kBase64Alphabet[(i * 29 + i / 64) % 64];
  on_every_target([&] {
    for (std::size_t offset : {0, 1, 16}) {
      const ScopedMisalignment misaligned(offset);
      for (std::size_t at = 0; at < text.size(); at += 61) {
        std::string changed = text;
        changed[at] = '*';
        agree("simd/base64_decode", changed);
      }
    }
  });
}

TEST_CASE("base64: every value at every place of a group is encoded and decoded") {
  on_every_target([] {
    for (unsigned shift = 0; shift < 4; ++shift) {
      std::string bytes(shift, '\x55');
      for (unsigned value = 0; value < 256; ++value)
        for (unsigned next : {0x00u, 0xffu, value, 255 - value}) {
          bytes += static_cast<char>(value);
          bytes += static_cast<char>(next);
        }
      agree("simd/base64_encode", bytes);
      agree("simd/base64_decode", encoded(bytes));
      CHECK(decoded(encoded(bytes)).bytes == bytes);
    }
  });
}

}  // namespace
}  // namespace headroom
