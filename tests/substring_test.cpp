// algorithm/substring: hard cases. Bytes as an input are the needle's length, the needle, the text.
#include <cstdint>
#include <string>
#include <vector>

#define HWY_WANT_AVX3_DL 1
#include "catch.h"
#include "core/agreement.h"
#include "hwy/targets.h"

namespace headroom {
namespace {

void check(const std::string& needle, const std::string& text) {
  const Kernel* kernel = find_kernel("algorithm/substring");
  REQUIRE(kernel != nullptr);
  REQUIRE(needle.size() < 256);
  std::vector<std::uint8_t> bytes = {static_cast<std::uint8_t>(needle.size())};
  bytes.insert(bytes.end(), needle.begin(), needle.end());
  bytes.insert(bytes.end(), text.begin(), text.end());
  for (std::size_t offset : {0, 1, 7}) {
    const ScopedMisalignment misaligned(offset);
    const absl::Status status = check_agreement(*kernel, bytes);
    INFO(std::string(status.message()));
    REQUIRE(status.ok());
  }
}

TEST_CASE("substring: empty texts and needles, needles longer than the text") {
  check("", "");
  check("", "a");
  check("", std::string(200, 'a'));
  check("a", "");
  check("ab", "a");
  check(std::string(100, 'a'), std::string(99, 'a'));
  check(std::string(255, 'a'), std::string(64, 'a'));
}

// A buffer ends where its bytes end, so that the sanitizer sees a read beyond, as a page's end
// would.
TEST_CASE("substring: a needle at the very start and the very end, in texts of every length") {
  for (std::size_t m : {1, 2, 3, 4, 5, 8, 15, 16, 17, 33, 64, 65})
    for (std::size_t n = m; n < 700; n += n < 140 ? 1 : 41) {
      std::string needle(m, 'x');
      needle.back() = 'y';
      std::string text(n, '.');
      text.replace(0, m, needle);
      text.replace(n - m, m, needle);
      check(needle, text);
      check(needle, text.substr(0, n - 1));  // cut off by one
    }
}

TEST_CASE("substring: overlapping occurrences") {
  for (std::size_t n : {3, 20, 63, 64, 65, 127, 128, 129, 300, 2000}) {
    check("a", std::string(n, 'a'));
    check("aa", std::string(n, 'a'));
    check(std::string(70, 'a'), std::string(n, 'a'));
    std::string text;
    while (text.size() < n) text += "aba";
    check("aba", text);
    check("abaaba", text);
  }
}

TEST_CASE("substring: bytes that are zero, or whose top bit is set") {
  const std::string zeros(3, '\0');
  check(zeros, std::string(300, '\0'));
  check(zeros, std::string(298, 'a') + std::string(2, '\0'));  // nearly, at the end
  check(std::string(1, '\0') + "b", std::string(100, 'a') + std::string(1, '\0') + "b");
  check("\xff\x80", std::string(200, '\x7f') + "\xff\x80" + std::string(70, '\xff'));
}

// A search that changes what it looks for must neither lose a place nor report one twice where it
// does: dense and empty stretches of every length about a block by turns, the needle across each
// seam, on every target that this machine has.
TEST_CASE("substring: the needle wherever the search changes its way") {
  for (std::int64_t left = hwy::SupportedTargets() & HWY_TARGETS; left != 0; left &= left - 1) {
    hwy::DisableTargets((left & -left) - 1);
    for (const std::string needle : {"the queue", "eta", "zz", "antidisestablishmentarianism"}) {
      std::string text;
      for (std::size_t stretch = 50; stretch < 30'000; stretch = stretch * 2 + 17) {
        for (std::size_t i = 0; i < stretch; ++i) text += needle[i * 7 % needle.size()];
        text += needle;
        text += std::string(stretch + stretch / 3, '-');
        text += needle;
        for (std::size_t i = 0; i < stretch; ++i) text += needle[i % (needle.size() - 1)];
        for (std::size_t i = 0; i < stretch / 40; ++i) text += std::string(37, '+') + needle;
      }
      check(needle, text);
    }
  }
  hwy::DisableTargets(0);
}

// Nearly matches everywhere: the search gives up on looking at vectors, and goes on in linear time.
TEST_CASE("substring: texts on which searches are quadratic") {
  const std::string run(250, 'a');
  std::string text;
  while (text.size() < 40'000) text += run.substr(0, 248) + 'b';
  check(run, text);
  check(run, text + run + text + run);
  check(run.substr(0, 124) + "b" + run.substr(0, 124), text);
  check("b" + run.substr(0, 248) + "b", text);
}

}  // namespace
}  // namespace headroom
