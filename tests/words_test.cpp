// support/words.h: words are as long, and of such letters, as its comment says.
#include "support/words.h"

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "catch.h"

namespace headroom {
namespace {

TEST_CASE("words: lengths and letters as Norvig counted") {
  FastRng rng(1);
  constexpr int kWords = 100'000;
  std::array<int, 16> lengths{};
  std::array<int, 256> letters{};
  std::size_t all = 0;
  for (int i = 0; i < kWords; ++i) {
    std::string word;
    append_word(word, rng);
    REQUIRE((!word.empty() && word.size() < lengths.size()));
    ++lengths[word.size()];
    all += word.size();
    for (const char letter : word) ++letters[static_cast<unsigned char>(letter)];
  }
  const auto within = [](double value, double low, double high) {
    INFO(value << " in " << low << " .. " << high);
    CHECK((low < value && value < high));
  };
  within(static_cast<double>(all) / kWords, 4.7, 4.9);
  int below_eight = 0;
  for (std::size_t length = 0; length < 8; ++length) below_eight += lengths[length];
  within(static_cast<double>(below_eight) / kWords, 0.82, 0.84);
  within(static_cast<double>(lengths[3]) / kWords, 0.20, 0.21);  // the most frequent length
  for (const auto& [letter, share] :
       {std::pair{'e', 0.125}, {'t', 0.093}, {'a', 0.080}, {'h', 0.051}, {'z', 0.001}})
    within(letters[static_cast<unsigned char>(letter)] / static_cast<double>(all), share - 0.004,
           share + 0.004);
  for (int c = 0; c < 256; ++c)
    CHECK((letters[static_cast<std::size_t>(c)] != 0) == (c >= 'a' && c <= 'z'));
}

}  // namespace
}  // namespace headroom
