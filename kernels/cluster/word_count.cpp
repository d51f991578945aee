// cluster/word_count: how often each word occurs in a text of n words that lies on all ranks.
//
// Out: on the first rank all words with their counts, by word; nothing on the others. Words occur
// as in a text (Zipf's law with exponent 1, 20,000 different ones): some very often, so that a
// count for each word is far shorter than the text. n is the number of all words: with more ranks
// each has fewer (strong scaling).
//
// Links: mpi
#include <string>
#include <utility>
#include <vector>

#include "core/kernel.h"
#include "support/ranks.h"
#include "support/words.h"

#if HEADROOM_HAVE_MPI
#include <algorithm>
#include <cstring>
#include <numeric>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "support/mpi/session.h"
#endif

namespace headroom {
namespace {

constexpr std::size_t kDifferentWords = 20000;

struct WordCount {
  struct Input {
    cluster::Place place;
    Buffer<char> text;  // this rank's words, a blank after each
  };
  struct Output {
    std::vector<std::string> words;
    std::vector<std::uint64_t> counts;
    void poison() {
      headroom::poison(words);
      headroom::poison(counts);
    }
    bool spoil(Spoil how) { return spoil_parts(how, counts, words); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    const std::uint64_t seed = rng();
    FastRng fast(seed);
    std::vector<std::string> words(kDifferentWords);
    for (std::string& word : words) append_word(word, fast);
    static const Zipf zipf(kDifferentWords, 1.0);
    Input in{cluster::place(setting), {}};
    const Share own = in.place.share_of(setting.n);
    std::string text;
    for (std::size_t i = own.begin; i < own.end; ++i) {
      FastRng at(cluster::bits_at(seed, i));
      text += words[zipf(at)];
      text += ' ';
    }
    in.text = Buffer<char>(text.size());
    std::copy(text.begin(), text.end(), in.text.begin());
    return in;
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    if (absl::Status words = exact(want.words, got.words); !words.ok()) return words;
    return exact(want.counts, got.counts);
  }
};

#if HEADROOM_HAVE_MPI
using Output = WordCount::Output;
using Counts = absl::flat_hash_map<std::string_view, std::uint64_t>;

void count_words(std::string_view text, Counts& counts) {
  for (std::size_t begin = 0, end; (end = text.find(' ', begin)) != text.npos; begin = end + 1)
    ++counts[text.substr(begin, end - begin)];
}

// By word.
void list(const Counts& counts, Output& out) {
  std::vector<std::pair<std::string_view, std::uint64_t>> all(counts.begin(), counts.end());
  std::sort(all.begin(), all.end());
  out.words.clear();
  out.counts.clear();
  for (const auto& [word, count] : all) {
    out.words.emplace_back(word);
    out.counts.push_back(count);
  }
}

// As bytes: of each the count, the word's length, the word.
std::vector<char> written(const Counts& counts) {
  std::vector<char> bytes;
  for (const auto& [word, count] : counts) {
    const std::uint64_t head[2] = {count, word.size()};
    const std::size_t at = bytes.size();
    bytes.resize(at + sizeof head + word.size());
    std::memcpy(bytes.data() + at, head, sizeof head);
    std::memcpy(bytes.data() + at + sizeof head, word.data(), word.size());
  }
  return bytes;
}

// Adds what written() wrote. The words stay in `bytes`.
void add(std::string_view bytes, Counts& counts) {
  while (!bytes.empty()) {
    std::uint64_t head[2];
    std::memcpy(head, bytes.data(), sizeof head);
    counts[bytes.substr(sizeof head, head[1])] += head[0];
    bytes.remove_prefix(sizeof head + head[1]);
  }
}

// All ranks' bytes, one after the other, on the first rank.
std::vector<char> gathered(const char* bytes, std::size_t size, int ranks, MPI_Comm comm) {
  const int own = static_cast<int>(size);
  std::vector<int> sizes(static_cast<std::size_t>(ranks)), starts(sizes.size());
  MPI_Gather(&own, 1, MPI_INT, sizes.data(), 1, MPI_INT, 0, comm);
  std::exclusive_scan(sizes.begin(), sizes.end(), starts.begin(), 0);
  std::vector<char> all(static_cast<std::size_t>(starts.back() + sizes.back()));
  MPI_Gatherv(bytes, own, MPI_CHAR, all.data(), sizes.data(), starts.data(), MPI_CHAR, 0, comm);
  return all;
}

std::string_view text_of(const WordCount::Input& in) { return {in.text.data(), in.text.size()}; }

// The text goes where it is counted: every word of it travels.
void naive(const Setting& setting, const WordCount::Input& in, Output& out) {
  const std::vector<char> all =
      gathered(in.text.data(), in.text.size(), in.place.ranks, cluster::comm_of(setting));
  if (in.place.rank != 0) return;
  Counts counts;
  count_words({all.data(), all.size()}, counts);
  list(counts, out);
}

// Each rank counts its own words, and only counts travel, a word once a rank: the combiner of
// MapReduce (Dean and Ghemawat, 2004).
void combine_first(const Setting& setting, const WordCount::Input& in, Output& out) {
  Counts counts;
  count_words(text_of(in), counts);
  if (in.place.rank != 0) {
    const std::vector<char> own = written(counts);
    gathered(own.data(), own.size(), in.place.ranks, cluster::comm_of(setting));
    return;
  }
  const std::vector<char> all = gathered(nullptr, 0, in.place.ranks, cluster::comm_of(setting));
  add({all.data(), all.size()}, counts);
  list(counts, out);
}

// Pairs of ranks, then pairs of pairs: the first rank merges log2(p) tables and not p - 1, of which
// the others merged the most. More steps, one after the other: for many ranks.
void combine_tree(const Setting& setting, const WordCount::Input& in, Output& out) {
  MPI_Comm comm = cluster::comm_of(setting);
  Counts counts;
  count_words(text_of(in), counts);
  std::vector<std::vector<char>> kept;  // what words of `counts` lie in
  for (int apart = 1; apart < in.place.ranks; apart *= 2) {
    if (in.place.rank % (2 * apart) != 0) {
      const std::vector<char> own = written(counts);
      MPI_Send(own.data(), static_cast<int>(own.size()), MPI_CHAR, in.place.rank - apart, 0, comm);
      return;
    }
    if (in.place.rank + apart >= in.place.ranks) continue;
    MPI_Status status;
    int size = 0;
    MPI_Probe(in.place.rank + apart, 0, comm, &status);
    MPI_Get_count(&status, MPI_CHAR, &size);
    std::vector<char>& came = kept.emplace_back(static_cast<std::size_t>(size));
    MPI_Recv(came.data(), size, MPI_CHAR, in.place.rank + apart, 0, comm, MPI_STATUS_IGNORE);
    add({came.data(), came.size()}, counts);
  }
  list(counts, out);
}
constexpr auto kNaive = run<naive>;
constexpr auto kCombine = run<combine_first>;
constexpr auto kTree = run<combine_tree>;
#else
constexpr auto kNaive = kNotBuilt, kCombine = kNotBuilt, kTree = kNotBuilt;
#endif

constexpr Variant<WordCount> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "the text to the first rank by MPI_Gatherv, which counts all of it",
     .needs = cluster::kNeedsRanks},
    {.name = "combine_first",
     .run = kCombine,
     .what = "each rank counts its own words, and only counts travel",
     .needs = cluster::kNeedsRanks},
    {.name = "combine_tree",
     .run = kTree,
     .what = "the same, and ranks merge in pairs, then pairs of pairs: no rank merges all",
     .needs = cluster::kNeedsRanks},
};

const Registrar kRegistrar({.name = "cluster/word_count",
                            .axis = Axis::kNetwork,
                            .technique = "send results and not data: combine where the data are",
                            .sizes = {1 << 12, 1 << 16, 1 << 17, 1 << 18, 1 << 19},
                            .headline = {1 << 16, 1 << 18},
                            .params = {{cluster::kRanks, cluster::rank_counts(1)}},
                            .one_group = true,
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = 6 * static_cast<double>(s.n),
                                                .working_set = 6 * s.n,
                                                .memory = 6 * s.n * (2 + 2 * std::size(kVariants)) +
                                                          (4 << 20)};
                                },
                            .test_sizes = {0, 1, 2, 3, 5, 100, 1000, 4097, 20000}},
                           kVariants);

}  // namespace
}  // namespace headroom
