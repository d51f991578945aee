// text/reverse_words: the words of a sentence in reverse order ("a bc d" -> "d bc a").
//
// Out: the sentence, exact. What it teaches: a vector of strings copies each word twice and
// allocates for many of them, where a view of the text knows all that is needed.
#include <string>
#include <string_view>
#include <vector>

#include "core/kernel.h"

namespace {

using namespace headroom;

struct ReverseWords {
  using Input = std::string;
  using Output = std::string;
  static constexpr auto kInputs = inputs("words", "long_words");

  static Input make(const Setting& setting, Rng& rng) {
    const std::uint64_t longest = setting.input == kInputs["long_words"] ? 60 : 9;
    std::string text;
    for (std::size_t word = 0; word < setting.n; ++word) {
      if (word != 0) text += ' ';
      const std::uint64_t length = 1 + bounded(rng, longest);
      for (std::uint64_t i = 0; i < length; ++i) text += static_cast<char>('a' + bounded(rng, 26));
    }
    return text;
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

void naive(const std::string& text, std::string& out) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    if (c == ' ') {
      words.push_back(word);
      word.clear();
    } else {
      word += c;
    }
  }
  words.push_back(word);
  out.clear();
  for (std::size_t i = words.size(); i-- > 0;) {
    out += words[i];
    if (i != 0) out += ' ';
  }
}

// One pass from the end, each word copied once, into memory that was allocated before.
void from_the_end(const std::string& text, std::string& out) {
  out.clear();
  out.reserve(text.size());
  std::string_view left = text;
  for (;;) {
    const std::size_t blank = left.rfind(' ');
    if (blank == std::string_view::npos) break;
    out += left.substr(blank + 1);
    out += ' ';
    left = left.substr(0, blank);
  }
  out += left;
}

constexpr Variant<ReverseWords> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "a vector of strings, put together in reverse"},
    {.name = "from_the_end",
     .run = run<from_the_end>,
     .what = "each word copied once, from the end"},
};

const Registrar kRegistrar({.name = "text/reverse_words",
                            .axis = Axis::kScalar,
                            .technique = "views instead of copies",
                            .sizes = {100, 10'000},
                            .headline = {100, 10'000},
                            .demand =
                                [](const Setting& setting) {
                                  const std::size_t bytes = 6 * setting.n;
                                  return Demand{.items = static_cast<double>(setting.n),
                                                .bytes = 2.0 * static_cast<double>(bytes),
                                                .working_set = 2 * bytes,
                                                .memory = 80 * setting.n};
                                },
                            .test_sizes = {0, 1, 2, 7, 100}},
                           kVariants);

}  // namespace
