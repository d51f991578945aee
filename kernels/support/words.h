// Words as English texts have them: how long they are, and of which letters, by Norvig's counts of
// Google's books ("English Letter Frequency Counts: Mayzner Revisited", 2013). The words themselves
// are random.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>

#include "core/random.h"

namespace headroom {

// Letters of a word drawn at random from a text: 4.8 on average, less than eight of five in six
// words.
inline std::size_t word_length(FastRng& rng) {
  // Of 1000 words so many have that many letters or fewer.
  static constexpr std::uint16_t kUpTo[] = {30,  206, 412, 559, 666, 750, 830, 889,
                                            933, 964, 982, 991, 996, 998, 1000};
  const std::uint64_t which = bounded(rng, 1000);
  std::size_t length = 1;
  while (kUpTo[length - 1] <= which) ++length;
  return length;
}

// 'a' to 'z', each as often as in a text.
inline char word_letter(FastRng& rng) {
  static constexpr std::array<char, 1024> kLetters = [] {
    constexpr char kOrder[] = "taoinsrhldcumfpgwybvkxjqz";  // the rest, one in eight, is e
    constexpr std::uint16_t kOf10000[] = {928, 804, 764, 757, 723, 651, 628, 505, 407,
                                          382, 334, 273, 251, 240, 214, 187, 168, 166,
                                          148, 105, 54,  23,  16,  12,  9};
    std::array<char, 1024> letters{};
    std::size_t at = 0;
    for (std::size_t i = 0; i < std::size(kOf10000); ++i)
      for (std::size_t k = 0; k < (kOf10000[i] * 1024u + 5000) / 10000; ++k)
        letters[at++] = kOrder[i];
    while (at < letters.size()) letters[at++] = 'e';
    return letters;
  }();
  return kLetters[rng() >> 54];
}

inline void append_word(std::string& text, FastRng& rng) {
  for (std::size_t left = word_length(rng); left != 0; --left) text += word_letter(rng);
}

}  // namespace headroom
