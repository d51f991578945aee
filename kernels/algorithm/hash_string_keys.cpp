// algorithm/hash_string_keys: look up words of a text in a hash map from strings to integers.
//
// In: n random words of 8 to 40 letters with their 64-bit values, and a batch of 1024 queries a
// call, each one of the words, as a std::string_view into a text (as a tokenizer hands them out);
// the batches rotate through 2^18 queries. After the text come 64 bytes of padding, as simdjson
// asks for them. Every map has been told n before it was filled. Out: the value of each query.
// Exact.
//
// A std::string key that doesn't fit its object is one more miss, behind those of the map; a
// std::unordered_map of std::string wants a std::string to look for, so one is made and freed for
// every query (C++20 has a way around it, `transparent`). Hashing and comparing byte strings of
// many lengths costs wrong guesses at those lengths. The ceiling: one line a find.
//
// Links: boost_flat_map
#include "algorithm/hash_maps.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/hash_string_keys.cpp"
#include "hwy/cache_control.h"
#include "support/mask_bits-inl.h"

#ifndef HEADROOM_ALGORITHM_HASH_STRING_KEYS_SHARED
#define HEADROOM_ALGORITHM_HASH_STRING_KEYS_SHARED
#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>

namespace headroom {
namespace {

constexpr std::size_t kInline = 48;  // bytes of a key that lie in its record
constexpr std::size_t kWords = kInline / 8;
constexpr std::size_t kGroupSlots = 16;

// A key of up to kInline bytes as six numbers, zero beyond its end; a longer one as numbers that
// stand for it. Reads kInline bytes from the key's first, however short it is.
struct Padded {
  std::uint64_t words[kWords];

  explicit Padded(std::string_view key) {
    static constexpr auto kMask = [] {
      std::array<std::uint8_t, 2 * kInline> mask{};
      for (std::size_t i = 0; i < kInline; ++i) mask[i] = 0xff;
      return mask;
    }();
    // Which of the bytes count is looked up, not branched on. (GCC 12 would find the place in the
    // table anew for each word.)
    const std::uint8_t* const mask = opaque(kMask.data() + kInline - std::min(key.size(), kInline));
    for (std::size_t i = 0; i < kWords; ++i) {
      std::uint64_t text, bits;
      std::memcpy(&text, key.data() + 8 * i, 8);
      std::memcpy(&bits, mask + 8 * i, 8);
      words[i] = text & bits;
    }
  }
};

inline std::uint64_t folded(std::uint64_t a, std::uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// Three wide products side by side, whatever the length (as Yi's wyhash folds them); for keys that
// are longer than kInline the rest goes through std::hash.
inline std::uint64_t hash_of(const Padded& key, std::string_view text) {
  std::uint64_t hash =
      folded(key.words[0] ^ 0xa0761d6478bd642f, key.words[1] ^ 0xe7037ed1a0b428db) ^
      folded(key.words[2] ^ 0x8ebc6af09c88c6e3, key.words[3] ^ 0x589965cc75374cc3) ^
      folded(key.words[4] ^ 0x1d8e4e27c47d124f, key.words[5] ^ 0xeb44accab455d165) ^ text.size();
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
  bool is(const Record& record, const Padded& key, std::string_view text) const {
    std::uint64_t different = record.size ^ text.size();
    for (std::size_t i = 0; i < kWords; ++i) different |= record.words[i] ^ key.words[i];
    if (different != 0) return false;
    return text.size() <= kInline || rest_of(record, text);
  }

  // Only while there is room, and only keys that are not there.
  void insert(std::string_view text, std::uint64_t value) {
    const Padded key(text);
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

}  // namespace
}  // namespace headroom
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// A bit for each of the 16 slots whose byte is `tag`.
HWY_INLINE uint32_t TagMatches(const uint8_t* HWY_RESTRICT tags, uint8_t tag) {
  const hn::CappedTag<uint8_t, kGroupSlots> d;
  const auto wanted = hn::Set(d, tag);
  uint32_t matches = 0;
  for (size_t i = 0; i < kGroupSlots; i += hn::Lanes(d)) {
    const auto same = hn::Eq(hn::LoadU(d, tags + i), wanted);
    matches |= static_cast<uint32_t>(MaskBits(d, same)) << i;
  }
  return matches;
}

HWY_INLINE uint64_t FindString(const StringTable& table, std::string_view text, const Padded& key,
                               StringTable::Place at) {
  for (size_t group = at.group;; group = table.after(group)) {
    const uint8_t* HWY_RESTRICT tags = table.tags(group);
    for (uint32_t matches = TagMatches(tags, at.tag); matches != 0; matches &= matches - 1) {
      const size_t slot = hwy::Num0BitsBelowLS1Bit_Nonzero32(matches);
      const StringTable::Record& record = table.record(group * kGroupSlots + slot);
      if (HWY_LIKELY(table.is(record, key, text))) return record.value;
    }
    if (TagMatches(tags, 0) != 0) return 0;
  }
}

}  // namespace

void FindStrings(const StringTable& table, const std::string_view* HWY_RESTRICT texts, size_t count,
                 uint64_t* HWY_RESTRICT out) {
  for (size_t i = 0; i < count; ++i) {
    const Padded key(texts[i]);
    out[i] = FindString(table, texts[i], key, table.place(hash_of(key, texts[i])));
  }
}

// In passes over a group: hashes, with the bytes of hash asked for where they are far; the first
// slot that may be the one, with its record asked for; then the finds.
void FindStringGroups(const StringTable& table, size_t l2_bytes,
                      const std::string_view* HWY_RESTRICT texts, size_t count,
                      uint64_t* HWY_RESTRICT out) {
  constexpr size_t kStep = 64;
  StringTable::Place places[kStep];
  for (size_t i = 0; i < count; i += kStep) {
    const size_t group = HWY_MIN(kStep, count - i);
    for (size_t j = 0; j < group; ++j) {
      places[j] = table.place(hash_of(Padded(texts[i + j]), texts[i + j]));
      if (table.tag_bytes() > l2_bytes) hwy::Prefetch(table.tags(places[j].group));
    }
    for (size_t j = 0; j < group; ++j) {
      // The end mark: a slot of some kind where there is none.
      const uint32_t matches = TagMatches(table.tags(places[j].group), places[j].tag) | 0x8000;
      const size_t slot = hwy::Num0BitsBelowLS1Bit_Nonzero32(matches);
      hwy::Prefetch(&table.record(places[j].group * kGroupSlots + slot));
    }
    for (size_t j = 0; j < group; ++j)
      out[i + j] = FindString(table, texts[i + j], Padded(texts[i + j]), places[j]);
  }
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "core/cpu.h"
#include "core/kernel.h"

namespace headroom {
namespace {

HWY_EXPORT(FindStrings);
HWY_EXPORT(FindStringGroups);

constexpr std::size_t kStringQueries = std::size_t{1} << 18;
constexpr std::size_t kSlack = 64;

struct HashStringKeys {
  using Call = std::span<const std::string_view>;
  struct Input {
    std::string words;                   // one after the other, with kSlack bytes after the last
    std::vector<std::string_view> keys;  // into `words`
    Buffer<std::uint64_t> values;
    std::string text;                       // the queries
    std::vector<std::string_view> queries;  // into `text`
    Input() = default;
    Input(const Input&) = delete;
    Input(Input&&) = default;
    Call at(std::size_t turn) const {
      if (queries.empty()) return {};
      return {queries.data() + (turn & (queries.size() / kBatch - 1)) * kBatch, kBatch};
    }
  };
  using Output = Buffer<std::uint64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t n = setting.n;
    FastRng fast(rng());
    Input in;
    std::vector<std::size_t> starts(n + 1);
    for (std::size_t i = 0; i < n; ++i) starts[i + 1] = starts[i] + 8 + bounded(fast, 33);
    in.words.resize(starts[n] + kSlack);
    for (std::size_t i = 0; i < starts[n]; ++i)
      in.words[i] = static_cast<char>('a' + (fast() >> 32) * 26 / (std::uint64_t{1} << 32));
    in.values = Buffer<std::uint64_t>(n);
    for (std::size_t i = 0; i < n; ++i) {
      in.keys.emplace_back(in.words.data() + starts[i], starts[i + 1] - starts[i]);
      in.values[i] = fast() | 1;
    }
    const std::size_t count = n == 0 ? 0 : n < kSmallest ? kTestQueries : kStringQueries;
    std::vector<std::uint32_t> wanted(count);
    std::size_t bytes = kSlack;
    for (std::uint32_t& which : wanted) {
      which = static_cast<std::uint32_t>(bounded(fast, n));
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

struct FilledTable {
  StringTable map;
  explicit FilledTable(const HashStringKeys::Input& in) : map(in.keys.size()) {
    for (std::size_t i = 0; i < in.keys.size(); ++i) map.insert(in.keys[i], in.values[i]);
  }
};

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
     .what = "std::unordered_map<std::string>: makes a std::string to look for, then walks nodes"},
    {.name = "transparent",
     .run = run<find_strings<StdStringsTransparent, std::string_view>>,
     .what = "the same map with a transparent hash: looks for the view itself, nothing allocated"},
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
     .what = "key and value in one line, hashed and compared as six numbers whatever the length"},
    {.name = "string_table_batched",
     .run = run<string_table_batched>,
     .what = "64 queries hashed, their records fetched together"},
};

const Registrar kRegistrar(
    {.name = "algorithm/hash_string_keys",
     .axis = Axis::kMemoryLatency,
     .technique = "no temporary string, no pointer to the key, no guess at lengths",
     .sizes = {1'000, 10'000, 100'000, 1'000'000},
     .headline = {10'000, 100'000},
     .ceiling = {"machine/miss_throughput"},
     .demand =
         [](const Setting& s) {
           return Demand{.items = kBatch,
                         .accesses = kBatch,
                         .working_set = 32 * s.n,
                         .memory = 900 * s.n + 48 * kStringQueries};
         }},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
