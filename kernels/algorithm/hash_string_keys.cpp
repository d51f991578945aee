// algorithm/hash_string_keys: look up words of a text in a hash map from strings to integers.
//
// In: n keys with their 64-bit values, and a batch of 1024 queries per
// call, each one of the words, as a std::string_view into a text (as a tokenizer hands them out);
// the batches rotate through 2^18 queries. After the text come 64 bytes of padding, as simdjson
// asks for them. Every map has been told n before it was filled. Out: the value of each query.
// Exact.
//
// Inputs: words is the vocabulary of a text, the shortest words the most frequent (Zipf, "Human
// Behavior and the Principle of Least Effort", 1949: the word of rank r comes with a frequency in
// proportion to 1/r, and the longer the rarer): queries have four letters on average, nine in ten
// of them fewer than eight; long has random words of 8 to 40 letters, each queried as often as any.
//
// To be learned, of long: a std::string key that doesn't fit its object is one more miss, behind
// those of the map; a std::unordered_map of std::string wants a std::string to look for, so one is
// made and freed for every query (C++20 has a way around it, `transparent`). Words fit the object,
// so that nothing is allocated, and the frequent ones are in a cache. Hashing and comparing byte
// strings of many lengths mispredicts at those lengths. The ceiling: one line per find.
//
// Links: boost_flat_map
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "algorithm/hash_maps.h"
#include "core/cpu.h"
#include "core/kernel.h"
#include "core/opaque.h"
#include "support/slices.h"
#include "support/words.h"

namespace headroom {
namespace {

constexpr std::size_t kStringQueries = std::size_t{1} << 18;
constexpr std::size_t kSlack = 64;

struct HashStringKeys {
  static constexpr auto kInputs = inputs("words", "long");
  using Call = std::span<const std::string_view>;
  struct Input {
    std::string words;                   // one after the other, with kSlack bytes after the last
    std::vector<std::string_view> keys;  // into `words`
    Buffer<std::uint64_t> values;
    Slices slices;                          // of kBatch queries
    std::string text;                       // the queries
    std::vector<std::string_view> queries;  // into `text`
    Input() = default;
    Input(const Input&) = delete;
    Input(Input&&) = default;
    Call at(std::size_t turn) const { return slices.of(queries, turn); }
  };
  using Output = Buffer<std::uint64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t n = setting.n;
    FastRng fast(rng());
    Input in;
    const bool words = setting.input == kInputs["words"];
    std::vector<std::size_t> starts(n + 1);
    if (words) {
      make_vocabulary(n, fast, in.words, starts);
    } else {
      for (std::size_t i = 0; i < n; ++i) starts[i + 1] = starts[i] + 8 + bounded(fast, 33);
      in.words.resize(starts[n] + kSlack);
      for (std::size_t i = 0; i < starts[n]; ++i)
        in.words[i] = static_cast<char>('a' + (fast() >> 32) * 26 / (std::uint64_t{1} << 32));
    }
    in.values = Buffer<std::uint64_t>(n);
    for (std::size_t i = 0; i < n; ++i) {
      in.keys.emplace_back(in.words.data() + starts[i], starts[i + 1] - starts[i]);
      in.values[i] = fast() | 1;
    }
    if (n != 0) in.slices = Slices::within(n < kSmallest ? kTestQueries : kStringQueries, kBatch);
    std::vector<std::uint32_t> wanted(in.slices.items());
    std::size_t bytes = kSlack;
    for (std::uint32_t& which : wanted) {
      which = static_cast<std::uint32_t>(words ? zipf(n, fast) : bounded(fast, n));
      bytes += in.keys[which].size();
    }
    in.text.reserve(bytes);
    for (const std::uint32_t which : wanted) {
      const char* const start = in.text.data() + in.text.size();
      in.text += in.keys[which];
      in.queries.emplace_back(start, in.keys[which].size());
    }
    in.text.append(kSlack, ' ');
    return in;
  }
  // n different words. Their length grows with the logarithm of their rank: one to five letters in
  // the first dozen, six to nine in the millionth.
  static void make_vocabulary(std::size_t n, FastRng& rng, std::string& words,
                              std::vector<std::size_t>& starts) {
    std::unordered_set<std::string> taken;
    taken.reserve(n);
    for (std::size_t i = 0; i < n; ++i) {
      std::size_t length =
          static_cast<std::size_t>(std::bit_width(i + 1)) * 2 / 7 + bounded(rng, 4);
      std::string word;
      do {
        word.clear();
        for (std::size_t k = 0; k <= length; ++k) word += word_letter(rng);
        length += bounded(rng, 4) == 0;  // there may be no shorter one left
      } while (!taken.insert(word).second);
      words += word;
      starts[i + 1] = words.size();
    }
    words.resize(words.size() + kSlack);
  }
  // A rank below n, in proportion to 1 / (rank + 1) for each power of two of them.
  static std::size_t zipf(std::size_t n, FastRng& rng) {
    while (true) {
      const std::uint64_t octave = bounded(rng, static_cast<std::uint64_t>(std::bit_width(n)));
      const std::uint64_t rank =
          (std::uint64_t{1} << octave) - 1 + bounded(rng, std::uint64_t{1} << octave);
      if (rank < n) return rank;
    }
  }
  static void size(const Input& in, Output& out) { out = Output(in.queries.empty() ? 0 : kBatch); }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Call = HashStringKeys::Call;
using Output = HashStringKeys::Output;

struct HashText {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};
using StdStrings = std::unordered_map<std::string, std::uint64_t>;
using StdStringsTransparent =
    std::unordered_map<std::string, std::uint64_t, HashText, std::equal_to<>>;
using AbslStrings = absl::flat_hash_map<std::string, std::uint64_t>;
using RobinStrings = tsl::robin_map<std::string, std::uint64_t, HashText, std::equal_to<>>;
using RobinStringsHash =
    tsl::robin_map<std::string, std::uint64_t, HashText, std::equal_to<>,
                   std::allocator<std::pair<std::string, std::uint64_t>>, true>;

template <class Map>
struct FilledStrings {
  Map map;
  explicit FilledStrings(const HashStringKeys::Input& in) {
    map.reserve(in.keys.size());
    for (std::size_t i = 0; i < in.keys.size(); ++i)
      map.emplace(std::string(in.keys[i]), in.values[i]);
  }
};

template <class Map, class Key>
void find_strings(const FilledStrings<Map>& state, const Call& queries, Output& out) {
  for (std::size_t i = 0; i < queries.size(); ++i)
    out[i] = state.map.find(Key(queries[i].data(), queries[i].size()))->second;
}

constexpr std::size_t kInline = 48;  // bytes of a key that lie in its record
constexpr std::size_t kWords = kInline / 8;
constexpr std::size_t kGroupSlots = 16;

// A key of up to 8 kCount bytes as so many numbers, zero beyond its end; a longer one as numbers
// that stand for it. Reads all these bytes from the key's first on, however short it is.
template <std::size_t kCount>
struct Padded {
  std::uint64_t words[kCount];

  [[gnu::always_inline]] explicit Padded(std::string_view key) {
    constexpr std::size_t kBytes = 8 * kCount;
    static constexpr auto kMask = [] {
      std::array<std::uint8_t, 2 * kBytes> mask{};
      for (std::size_t i = 0; i < kBytes; ++i) mask[i] = 0xff;
      return mask;
    }();
    // Which of the bytes count is looked up, not branched on. (GCC 12 would find the place in the
    // table anew for each word, and gather the words in vectors, only to spread them again.)
    const std::uint8_t* const mask = opaque(kMask.data() + kBytes - std::min(key.size(), kBytes));
    for (std::size_t i = 0; i < kCount; ++i) {
      std::uint64_t text, bits;
      std::memcpy(&text, key.data() + 8 * i, 8);
      std::memcpy(&bits, mask + 8 * i, 8);
      words[i] = opaque(text & bits);
    }
  }
};
using PaddedKey = Padded<kWords>;
// Of a key of up to kShort bytes, as nearly all words of a text are: the same hash, less work.
constexpr std::size_t kShort = 16;
using PaddedShort = Padded<kShort / 8>;

constexpr std::uint64_t folded(std::uint64_t a, std::uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// Three wide products side by side (folded as in Wang Yi's wyhash), of which a short key knows two
// beforehand; for keys that are longer than kInline the rest goes through std::hash.
template <std::size_t kCount>
[[gnu::always_inline]] inline std::uint64_t hash_of(const Padded<kCount>& key,
                                                    std::string_view text) {
  constexpr std::uint64_t kFactors[kWords] = {0xa0761d6478bd642f, 0xe7037ed1a0b428db,
                                              0x8ebc6af09c88c6e3, 0x589965cc75374cc3,
                                              0x1d8e4e27c47d124f, 0xeb44accab455d165};
  std::uint64_t hash = text.size();
  for (std::size_t i = 0; i < kWords; i += 2)
    hash ^= i < kCount ? folded(key.words[i] ^ kFactors[i], key.words[i + 1] ^ kFactors[i + 1])
                       : folded(kFactors[i], kFactors[i + 1]);
  if (text.size() > kInline) [[unlikely]]
    hash ^= std::hash<std::string_view>()(text.substr(kInline));
  hash = (hash ^ (hash >> 32)) * 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 29);
}

// A table of records of one cache line, each a key with its value, and a byte of hash for each in
// an array of its own, 64 times as small. The bytes of 16 slots are compared at once (as in
// Google's SwissTable), so a find has one far miss: the record, key and all.
class StringTable {
 public:
  struct alignas(64) Record {
    std::uint64_t value;
    std::uint64_t size;
    std::uint64_t words[kWords];
  };
  struct Place {
    std::size_t group;
    std::uint8_t tag;  // never 0, which marks a free slot
  };

  explicit StringTable(std::size_t expected)
      : groups_(expected / 12 + 1), tags_(groups_ * kGroupSlots), records_(groups_ * kGroupSlots) {}

  std::size_t bytes() const { return records_.size() * sizeof(Record); }
  std::size_t tag_bytes() const { return tags_.size(); }
  const std::uint8_t* tags(std::size_t group) const { return tags_.data() + group * kGroupSlots; }
  const Record& record(std::size_t slot) const { return records_[slot]; }
  std::size_t after(std::size_t group) const { return group + 1 == groups_ ? 0 : group + 1; }
  Place place(std::uint64_t hash) const {
    return {static_cast<std::size_t>(((hash >> 32) * groups_) >> 32),
            static_cast<std::uint8_t>(std::max<std::uint64_t>(hash & 0xff, 1))};
  }
  // Whether the record is that of the key; one comparison of all there is, one branch.
  template <std::size_t kCount>
  bool is(const Record& record, const Padded<kCount>& key, std::string_view text) const {
    std::uint64_t different = record.size ^ text.size();
    for (std::size_t i = 0; i < kCount; ++i) different |= record.words[i] ^ key.words[i];
    if (different != 0) return false;
    return kCount < kWords || text.size() <= kInline || rest_of(record, text);
  }

  // Only while there is room, and only keys that are not there.
  void insert(std::string_view text, std::uint64_t value) {
    const PaddedKey key(text);
    const Place at = place(hash_of(key, text));
    std::size_t group = at.group, slot = 0;
    while (tags_[group * kGroupSlots + slot] != 0)
      if (++slot == kGroupSlots) group = after(group), slot = 0;
    slot += group * kGroupSlots;
    tags_[slot] = at.tag;
    records_[slot].value = value;
    records_[slot].size = text.size();
    std::copy_n(key.words, kWords, records_[slot].words);
    if (text.size() > kInline) rest_.emplace(&records_[slot], text.substr(kInline));
  }

 private:
  bool rest_of(const Record& record, std::string_view text) const {
    return rest_.at(&record) == text.substr(kInline);
  }
  std::size_t groups_;
  Buffer<std::uint8_t> tags_;
  Buffer<Record> records_;
  std::unordered_map<const Record*, std::string> rest_;  // of keys longer than kInline
};

struct FilledTable {
  StringTable map;
  explicit FilledTable(const HashStringKeys::Input& in) : map(in.keys.size()) {
    for (std::size_t i = 0; i < in.keys.size(); ++i) map.insert(in.keys[i], in.values[i]);
  }
};

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/hash_string_keys-inl.h"
#include "algorithm/hash_string_keys-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(FindStrings);
HWY_EXPORT(FindStringGroups);

void string_table(const FilledTable& state, const Call& queries, Output& out) {
  HWY_DYNAMIC_DISPATCH(FindStrings)(state.map, queries.data(), queries.size(), out.data());
}

void string_table_batched(const FilledTable& state, const Call& queries, Output& out) {
  HWY_DYNAMIC_DISPATCH(FindStringGroups)
  (state.map, l2_bytes(), queries.data(), queries.size(), out.data());
}

constexpr Variant<HashStringKeys> kVariants[] = {
    {.name = "naive",
     .run = run<find_strings<StdStrings, std::string>>,
     .what =
         "std::unordered_map<std::string>: constructs a std::string per look-up, then walks nodes"},
    {.name = "transparent",
     .run = run<find_strings<StdStringsTransparent, std::string_view>>,
     .what = "the same map with a transparent hash: looks for the view itself, no string is made"},
    {.name = "absl_flat_hash_map",
     .run = run<find_strings<AbslStrings, absl::string_view>>,
     .what = "absl::flat_hash_map: a byte of hash decides which key is compared",
     .role = Role::kPeer},
    {.name = "robin_map",
     .run = run<find_strings<RobinStrings, std::string_view>>,
     .what = "tsl::robin_map: compares each key on its probe",
     .role = Role::kPeer},
    {.name = "robin_map_stored_hash",
     .run = run<find_strings<RobinStringsHash, std::string_view>>,
     .what = "tsl::robin_map with stored hashes: compares no key in vain",
     .role = Role::kPeer},
    {.name = "string_table",
     .run = run<string_table>,
     .what = "key and value in one line, hashed and compared as two numbers, or six if it is long",
     .promise_note = "48 bytes must be readable from where a query starts"},
    {.name = "string_table_batched",
     .run = run<string_table_batched>,
     .what = "64 queries hashed, their records fetched together",
     .promise_note = "48 bytes must be readable from where a query starts"},
};

const Registrar kRegistrar(
    {.name = "algorithm/hash_string_keys",
     .axis = Axis::kMemoryLatency,
     .technique = "no temporary string, no pointer to the key, no branch on lengths",
     .sizes = {1'000, 10'000, 100'000, 1'000'000},
     .headline = {10'000, 100'000},
     .ceiling = {"machine/miss_throughput"},
     .demand =
         [](const Setting& s) {
           const bool words = s.input == HashStringKeys::kInputs["words"];
           return Demand{.items = kBatch,
                         .accesses = kBatch,
                         .working_set = (words ? 16 : 32) * s.n,
                         .memory = 900 * s.n + 48 * kStringQueries};
         }},
    kVariants);

}  // namespace
}  // namespace headroom
