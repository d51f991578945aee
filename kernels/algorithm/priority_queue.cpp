// algorithm/priority_queue: take out the least, put in something larger, again and again.
//
// In: a queue of n entries with random 64-bit keys, and n random increments; a call takes out the
// entry with the least key n times, and each time puts in one whose key is that plus an increment
// (the hold model of event simulations: Vaucher and Duval, "A Comparison of Simulation Event List
// Algorithms", 1975; Dijkstra's algorithm does the like). The increments rotate through 2^20 or
// more. An entry also has a value, which follows from its key, so that it doesn't matter which of
// two equal keys comes first. Out: key and value of each entry taken out, in order. Exact.
//
// To be learned: a binary heap walks log2(n) levels down for each pop, each step waiting for the
// comparison before it, and beyond the caches for a miss. Fewer levels; one walk for two; or, since
// no key is less than the last one taken out, hardly any order at all.
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <queue>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/kernel.h"
#include "support/bytes.h"
#include "support/slices.h"

namespace headroom {
namespace {

constexpr std::size_t kIncrements = std::size_t{1} << 20;

struct Entry {
  std::uint64_t key = 0;
  std::uint64_t value = 0;
};
Entry entry_of(std::uint64_t key) { return {key, key * 0x9e3779b97f4a7c15}; }

struct PriorityQueue {
  using Call = std::span<const std::uint64_t>;  // the increments
  struct Input {
    Buffer<std::uint64_t> keys;
    Slices slices;  // of n increments
    Buffer<std::uint64_t> increments;
    Call at(std::size_t turn) const { return slices.of(increments, turn); }
  };
  using Output = Buffer<Entry>;

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t n = setting.n;
    Input in{.keys = Buffer<std::uint64_t>(n),
             .slices = Slices::covering(n < 1000 ? 4096 : kIncrements, n)};
    in.increments = Buffer<std::uint64_t>(in.slices.items());
    FastRng fast(rng());
    for (std::uint64_t& key : in.keys) key = fast() >> 24;
    for (std::uint64_t& increment : in.increments) increment = fast() >> 23;
    return in;
  }
  // Keys, and as many increments; of no more bits than make() gives them, for no key may wrap.
  static Input from(std::span<const std::uint8_t> bytes) {
    const std::size_t n = bytes.size() / 16;
    Input in{.keys = elements_of<std::uint64_t>(bytes, n), .slices = Slices::within(n, n)};
    in.increments = elements_of<std::uint64_t>(bytes.subspan(8 * n), n);
    for (std::uint64_t& key : in.keys) key >>= 24;
    for (std::uint64_t& increment : in.increments) increment >>= 23;
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.slices.size()); }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    for (std::size_t i = 0; i < want.size(); ++i) {
      if (want[i].key != got[i].key || want[i].value != got[i].value)
        return absl::FailedPreconditionError("at index " + std::to_string(i) + ": want key " +
                                             std::to_string(want[i].key) + ", got key " +
                                             std::to_string(got[i].key) + " (or another value)");
    }
    return absl::OkStatus();
  }
};
using Output = PriorityQueue::Output;

// A queue filled with the input; each call has a copy of it.
template <class Queue>
struct Work {
  Queue filled, queue;
  PriorityQueue::Call increments;
  explicit Work(const PriorityQueue::Input& in) {
    for (const std::uint64_t key : in.keys) filled.push(entry_of(key));
  }
  void refill(const PriorityQueue::Call& call) {
    queue = filled;
    increments = call;
  }
};

struct Later {
  bool operator()(const Entry& a, const Entry& b) const { return a.key > b.key; }
};
using BinaryHeap = std::priority_queue<Entry, std::vector<Entry>, Later>;

template <class Queue>
void pop_push(Work<Queue>& work, Output& out) {
  for (std::size_t i = 0; i < work.increments.size(); ++i) {
    out[i] = work.queue.top();
    work.queue.pop();
    work.queue.push(entry_of(out[i].key + work.increments[i]));
  }
}

// Half as many levels as a binary heap has, and the four children of a node, one cache line,
// compared without a branch (LaMarca and Ladner, "The Influence of Caches on the Performance of
// Heaps", 1996). Places count from kRoot on, so that children start a line; behind the
// last entry lie keys that no entry is above, so that no node has fewer than four children.
class FourAryHeap {
 public:
  const Entry& top() const { return at_[kRoot]; }
  void push(const Entry& entry) {
    if (end_ + kArity >= at_.size()) grow();
    std::size_t hole = end_++;
    for (; hole != kRoot && entry.key < at_[parent(hole)].key; hole = parent(hole))
      at_[hole] = at_[parent(hole)];
    at_[hole] = entry;
  }
  void pop() {
    const Entry last = at_[--end_];
    at_[end_] = kHighest;
    if (end_ != kRoot) sink_from_root(last);
  }
  // pop and push in one walk. There must be an entry.
  void replace_top(const Entry& entry) { sink_from_root(entry); }

 private:
  static constexpr std::size_t kArity = 4, kRoot = 3;
  static constexpr Entry kHighest = {~std::uint64_t{0}, 0};
  static std::size_t parent(std::size_t i) { return i / kArity + kRoot - 1; }
  static std::size_t first_child(std::size_t i) { return (i - kRoot + 1) * kArity; }

  void sink_from_root(const Entry& entry) {
    std::size_t hole = kRoot;
    for (std::size_t child; (child = first_child(hole)) < end_;) {
      const Entry* const c = &at_[child];
      // The children of these four lie one after the other: four lines, of which one is needed.
      const Entry* const next = at_.data() + first_child(child);
      for (std::size_t line = 0; line < kArity; ++line) __builtin_prefetch(next + kArity * line);
      // The lesser keys are carried along, not loaded again by what was found.
      const bool second = c[1].key < c[0].key, fourth = c[3].key < c[2].key;
      const std::uint64_t low = second ? c[1].key : c[0].key;
      const std::uint64_t high = fourth ? c[3].key : c[2].key;
      const bool upper = high < low;
      const std::uint64_t key = upper ? high : low;
      const std::size_t least = upper ? std::size_t{2} + fourth : std::size_t{second};
      if (entry.key <= key) break;
      at_[hole] = {key, c[least].value};
      hole = child + least;
    }
    at_[hole] = entry;
  }
  void grow() {
    Buffer<Entry> larger(std::max<std::size_t>(64, 2 * at_.size()));
    std::fill(std::copy(at_.begin(), at_.end(), larger.begin()), larger.end(), kHighest);
    at_ = std::move(larger);
  }
  Buffer<Entry> at_;
  std::size_t end_ = kRoot;
};

// What comes in takes the place of what went out, and sinks from the top: one walk instead of a
// walk down with the last entry and one up with the new.
void four_ary_replace(Work<FourAryHeap>& work, Output& out) {
  for (std::size_t i = 0; i < work.increments.size(); ++i) {
    out[i] = work.queue.top();
    work.queue.replace_top(entry_of(out[i].key + work.increments[i]));
  }
}

// A radix heap (Ahuja, Mehlhorn, Orlin and Tarjan, "Faster Algorithms for the Shortest Path
// Problem", 1990). Entries lie by the highest bit in which their key differs from the last one
// taken out: no order within, and no comparison. Only when the lower buckets are empty is the next
// one spread over them, so an entry moves once per bit at most, and always by appending.
class RadixHeap {
 public:
  void push(const Entry& entry) {
    const std::size_t b = bucket(entry.key);
    buckets_[b].push_back(entry);
    taken_ |= b == 0 ? 0 : std::uint64_t{1} << (b - 1);
  }
  const Entry& top() {
    if (buckets_[0].empty()) refill();
    return buckets_[0].back();
  }
  void pop() { buckets_[0].pop_back(); }

 private:
  // 0 for the last key itself.
  std::size_t bucket(std::uint64_t key) const {
    return static_cast<std::size_t>(std::bit_width(key ^ last_));
  }
  void refill() {
    const std::size_t b = static_cast<std::size_t>(std::countr_zero(taken_)) + 1;
    std::vector<Entry>& from = buckets_[b];
    last_ = std::min_element(from.begin(), from.end(), [](const Entry& x, const Entry& y) {
              return x.key < y.key;
            })->key;
    taken_ &= taken_ - 1;
    for (const Entry& entry : from) push(entry);
    from.clear();
  }
  std::array<std::vector<Entry>, 65> buckets_;
  std::uint64_t taken_ = 0;  // a bit for each bucket from 1 on that is not empty
  std::uint64_t last_ = 0;
};

// The same with 64 buckets per level, one for each value of the highest 6 bits that differ, so that
// an entry moves as often as its key has such digits, not bits (Denardo and Fox, "Shortest-Route
// Methods", 1979; Cherkassky, Goldberg and Silverstein, "Buckets, Heaps, Lists, and Monotone
// Priority Queues", 1999). Buckets of kFew entries or fewer are searched where they are, not
// spread.
class BucketQueue {
 public:
  void push(const Entry& entry) {
    const std::uint64_t different = entry.key ^ last_;
    const std::size_t level =
        static_cast<std::size_t>(std::bit_width(different | 1) - 1) / kDigitBits;
    const std::size_t digit = entry.key >> (kDigitBits * level) & (kDigits - 1);
    levels_[level].buckets[digit].push_back(entry);
    levels_[level].taken |= std::uint64_t{1} << digit;
    taken_ |= std::uint32_t{1} << level;
  }
  const Entry& top() {
    for (;;) {
      const std::size_t level = static_cast<std::size_t>(std::countr_zero(taken_));
      const std::size_t digit = static_cast<std::size_t>(std::countr_zero(levels_[level].taken));
      std::vector<Entry>& bucket = levels_[level].buckets[digit];
      if (level == 0 || bucket.size() <= kFew) {
        from_ = {level, digit};
        std::size_t least = 0;
        for (std::size_t i = 1; level != 0 && i < bucket.size(); ++i)
          least = bucket[i].key < bucket[least].key ? i : least;
        std::swap(bucket[least], bucket.back());
        return bucket.back();
      }
      spread(level, digit);
    }
  }
  // Takes out what top() has just returned.
  void pop() {
    std::vector<Entry>& bucket = levels_[from_.level].buckets[from_.digit];
    bucket.pop_back();
    if (bucket.empty()) mark_empty(from_.level, from_.digit);
  }

 private:
  static constexpr std::size_t kDigitBits = 6, kDigits = 64, kLevels = 11, kFew = 8;
  struct Level {
    std::uint64_t taken = 0;  // a bit for each bucket that is not empty
    std::array<std::vector<Entry>, kDigits> buckets;
  };
  struct Place {
    std::size_t level = 0, digit = 0;
  };

  void mark_empty(std::size_t level, std::size_t digit) {
    levels_[level].taken &= ~(std::uint64_t{1} << digit);
    if (levels_[level].taken == 0) taken_ &= ~(std::uint32_t{1} << level);
  }
  // All that lies in it has the higher digits in common, so it goes to lower levels.
  void spread(std::size_t level, std::size_t digit) {
    std::vector<Entry>& from = levels_[level].buckets[digit];
    last_ = std::min_element(from.begin(), from.end(), [](const Entry& x, const Entry& y) {
              return x.key < y.key;
            })->key;
    mark_empty(level, digit);
    for (const Entry& entry : from) push(entry);
    from.clear();
  }
  std::array<Level, kLevels> levels_;
  std::uint32_t taken_ = 0;  // a bit for each level that has something
  std::uint64_t last_ = 0;   // no key is less
  Place from_;
};

constexpr Variant<PriorityQueue> kVariants[] = {
    {.name = "naive",
     .run = run<pop_push<BinaryHeap>>,
     .what = "std::priority_queue: a binary heap, log2(n) levels down and some up again"},
    {.name = "four_ary",
     .run = run<pop_push<FourAryHeap>>,
     .what = "four children in one line: half the levels, compared without a branch"},
    {.name = "four_ary_replace",
     .run = run<four_ary_replace>,
     .what = "the new entry replaces the top and sinks: one walk for pop and push"},
    {.name = "radix_heap",
     .run = run<pop_push<RadixHeap>>,
     .what = "keys never go back: buckets by highest changed bit, appended to, hardly compared",
     .promise_note = "no key less than the last one taken out"},
    {.name = "bucket_queue",
     .run = run<pop_push<BucketQueue>>,
     .what =
         "64 buckets per level, by the highest changed digit: an entry moves two or three times",
     .promise_note = "no key less than the last one taken out"},
};

const Registrar kRegistrar(
    {.name = "algorithm/priority_queue",
     .axis = Axis::kMemoryLatency,
     .technique = "fewer levels, one cache line each; or no order where none is needed yet",
     .sizes = {1'000, 10'000, 100'000, 1'000'000},
     .headline = {10'000, 100'000},
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(s.n),
                         .working_set = 16 * s.n,
                         .memory = 600 * s.n + 8 * kIncrements + (256 << 20)};
         }},
    kVariants);

}  // namespace
}  // namespace headroom
