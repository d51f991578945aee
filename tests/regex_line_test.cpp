// computation/regex_line: lines around the lengths that are classified together, and what is wrong
// with a long one at any place.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "catch.h"
#include "core/agreement.h"

namespace headroom {
namespace {

void check_line(const std::string& line) {
  const Kernel* kernel = find_kernel("computation/regex_line");
  REQUIRE(kernel != nullptr);
  const std::vector<std::uint8_t> bytes(line.begin(), line.end());
  const absl::Status status = check_agreement(*kernel, bytes);
  if (status.ok()) return;
  INFO(line << ": " << std::string(status.message()));
  FAIL();
}

// A line of which only the path's length varies.
std::string line_of(std::size_t path, Rng& rng) {
  std::string line;
  for (int k = 0; k < 4; ++k) line += std::to_string(bounded(rng, 256)) + (k == 3 ? ' ' : '.');
  static constexpr const char* kMethods[] = {"GET", "POST", "PUT"};
  line += kMethods[bounded(rng, 3)];
  line += " /";
  for (; path > 0; --path) line += "abcxyz0189//"[bounded(rng, 12)];
  line += ' ' + std::to_string(100 + bounded(rng, 900)) + ' ';
  for (std::size_t digits = 1 + bounded(rng, 9); digits > 0; --digits)
    line += static_cast<char>('0' + bounded(rng, 10));
  return line;
}

TEST_CASE("regex_line: paths of any length") {
  Rng rng(1);
  for (std::size_t path = 0; path < 160; ++path)
    for (int k = 0; k < 3; ++k) check_line(line_of(path, rng));
}

TEST_CASE(
    "regex_line: a character changed, dropped, doubled or added at any place of a long line") {
  Rng rng(2);
  for (const std::size_t path : {30, 34, 40, 90, 98, 104, 150}) {
    for (std::size_t at = 0; at < path + 30; ++at) {
      std::string line = line_of(path, rng);
      const std::size_t place = std::min(at, line.size() - 1);
      switch (bounded(rng, 4)) {
        case 0:
          line[place] = "x. /A0\t\xb1:G"[bounded(rng, 10)];
          break;
        case 1:
          line.erase(place, 1);
          break;
        case 2:
          line.insert(place, 1, line[place]);
          break;
        default:
          line.insert(place, 1, " ./9"[bounded(rng, 4)]);
      }
      check_line(line);
    }
  }
}

TEST_CASE("regex_line: long lines that have too much or too little of what ends a part") {
  const std::string path(80, 'a');
  for (const std::string& line : {"1.2.3.4 GET /" + path,
                                  "1.2.3.4 GET /" + path + " 200",
                                  "1.2.3.4 GET /" + path + " 200 ",
                                  "1.2.3.4 GET /" + path + " 200 1 ",
                                  "1.2.3.4 GET /" + path + " 20 15",
                                  "1.2.3.4 GET /" + path + " 2000 15",
                                  "1.2.3.4 GET /" + path + " 200 1234567890",
                                  "1.2.3.4 GET /" + path + "  200 15",
                                  "1.2.3.4 GET  /" + path + " 200 15",
                                  "1.2.3.4  GET /" + path + " 200 15",
                                  "1.2.3 GET /" + path + " 200 15",
                                  "1.2.3.4.5 GET /" + path + " 200 15",
                                  "1.2.3. GET /" + path + " 200 15",
                                  ".2.3.4 GET /" + path + " 200 15",
                                  "1.2.3.4 GET " + path + " 200 15",
                                  "1.2.3.4 " + path + " 200 15",
                                  path + path,
                                  path + " " + path + " 200 15",
                                  "1.2.3.4 GET / " + path + " 200 15",
                                  "1.2.3.4 GET /" + path + ". 200 15",
                                  std::string(64, ' '),
                                  std::string(100, '.'),
                                  std::string(150, '1'),
                                  std::string(128, '/'),
                                  "1.2.3.4 GET /" + path + " 200 15"})
    check_line(line);
}

}  // namespace
}  // namespace headroom
