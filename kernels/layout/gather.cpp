// layout/gather: fetch the rows that an index names, and add them up by group.
//
// A table of n 64-bit numbers, and n / 8 requests (at least 8192), each a random row and one of 256
// groups. Out: the total of each group, modulo 2^64. The rows are random 64-bit numbers, so a row
// that is left out, taken twice or given to another group shows in a total. Totals don't depend on
// the order of the requests, so variants may sort them (as a database sorts the row numbers from an
// index before it fetches the rows: PostgreSQL's bitmap heap scan).
//
// The fetches are independent, so even the naive loop has many misses under way. What remains to be
// gained: more of them at once, and each line fetched once, in the order in which memory delivers
// it fastest.
#include <algorithm>
#include <array>
#include <vector>

#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kGroups = 256;
constexpr std::size_t kPool = std::size_t{1} << 20;  // requests that rotate
constexpr unsigned kGroupBits = 8;

std::size_t request_count(std::size_t n) { return std::max<std::size_t>(n / 8, 8192); }

struct Gather {
  struct Call {
    std::size_t slice;
    std::span<const std::uint32_t> requests;  // row << kGroupBits | group
    std::span<const std::uint64_t> table;
  };
  struct Input {
    Buffer<std::uint64_t> table;
    Buffer<std::uint32_t> requests;
    std::size_t count = 0;  // a call
    std::size_t slices() const { return requests.size() / count; }
    Call at(std::size_t turn) const {
      const std::size_t slice = requests.empty() ? 0 : turn % slices();
      return {slice,
              {requests.data() + slice * count, requests.empty() ? 0 : count},
              {table.data(), table.size()}};
    }
  };
  using Output = std::array<std::uint64_t, kGroups>;

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t n = setting.n, count = request_count(n);
    // For tests a few slices will do.
    const std::size_t all = n == 0 ? 0 : n < 4096 ? 2 * count : std::max(kPool, count);
    Input in{Buffer<std::uint64_t>(n), Buffer<std::uint32_t>(all / count * count), count};
    FastRng fast(rng());
    for (std::uint64_t& row : in.table) row = fast();
    for (std::uint32_t& request : in.requests)
      request = static_cast<std::uint32_t>(bounded(fast, n) << kGroupBits | fast() >> 56);
    return in;
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Call = Gather::Call;
using Output = Gather::Output;

void add(std::uint32_t request, const std::uint64_t* table, Output& totals) {
  totals[request & (kGroups - 1)] += table[request >> kGroupBits];
}

// In the order of the requests.
void naive(const Call& call, Output& totals) {
  totals.fill(0);
  for (const std::uint32_t request : call.requests) add(request, call.table.data(), totals);
}

// The row wanted so many requests later is asked for now.
constexpr std::size_t kAhead = 128;

void prefetch_ahead(std::span<const std::uint32_t> requests, const std::uint64_t* table,
                    Output& totals) {
  totals.fill(0);
  std::size_t i = 0;
  for (; i + kAhead < requests.size(); ++i) {
    __builtin_prefetch(table + (requests[i + kAhead] >> kGroupBits));
    add(requests[i], table, totals);
  }
  for (; i < requests.size(); ++i) add(requests[i], table, totals);
}

// More misses are under way than fit the core's window of instructions, which also holds the
// additions.
void prefetch(const Call& call, Output& totals) {
  prefetch_ahead(call.requests, call.table.data(), totals);
}

// Space for the requests in another order, and where the bucket of each part of the table begins.
struct Buckets {
  static constexpr std::size_t kPart = 32768;  // rows: 256 KiB, a part of L2
  explicit Buckets(const Gather::Input& in)
      : requests(in.count), begins((in.table.size() + kPart - 1) / kPart + 1) {}
  Buffer<std::uint32_t> requests;
  std::vector<std::uint32_t> begins;
};

// One pass of a radix sort deals the requests to buckets, one for each part of the table that fits
// L2. While one part is gathered from, the next streams into L2, line by line in order.
void bucketed(Buckets& buckets, const Call& call, Output& totals) {
  constexpr unsigned kShift = kGroupBits + 15;
  static_assert(Buckets::kPart == std::size_t{1} << (kShift - kGroupBits));
  totals.fill(0);
  std::vector<std::uint32_t>& begins = buckets.begins;
  std::fill(begins.begin(), begins.end(), 0);
  for (const std::uint32_t request : call.requests) ++begins[(request >> kShift) + 1];
  for (std::size_t b = 1; b < begins.size(); ++b) begins[b] += begins[b - 1];
  std::uint32_t* const dealt = buckets.requests.data();
  // Dealing moves the start of each bucket to its end, the start of the next one.
  for (const std::uint32_t request : call.requests) dealt[begins[request >> kShift]++] = request;
  const std::size_t lines = call.table.size() / 8;
  std::uint32_t begin = 0;
  for (std::size_t b = 0; b + 1 < begins.size(); ++b) {
    const std::uint32_t end = begins[b];
    const std::size_t first = std::min(lines, (b + 1) * Buckets::kPart / 8);
    const std::size_t last = std::min(lines, (b + 2) * Buckets::kPart / 8);
    std::size_t line = first;
    for (std::uint32_t i = begin; i < end; ++i) {
      if (line < last) __builtin_prefetch(call.table.data() + 8 * line++, 0, 2);
      add(dealt[i], call.table.data(), totals);
    }
    begin = end;
  }
}

// The requests of each slice, sorted by row; made untimed.
struct Sorted {
  explicit Sorted(const Gather::Input& in) : requests(in.requests) {
    const std::size_t n = requests.size(), count = in.count;
    Buffer<std::uint32_t> spare(n == 0 ? 0 : count);
    for (std::size_t slice = 0; slice < n; slice += count) {
      std::uint32_t* from = requests.data() + slice;
      std::uint32_t* to = spare.data();
      // By rows of up to 24 bits, in two passes (an even number, so that they end where they
      // began).
      for (unsigned shift = kGroupBits; shift < 32; shift += 12) {
        std::vector<std::uint32_t> next(4097);
        for (std::size_t i = 0; i < count; ++i) ++next[(from[i] >> shift & 4095) + 1];
        for (std::size_t b = 1; b < next.size(); ++b) next[b] += next[b - 1];
        for (std::size_t i = 0; i < count; ++i) to[next[from[i] >> shift & 4095]++] = from[i];
        std::swap(from, to);
      }
    }
  }
  Buffer<std::uint32_t> requests;
};

std::span<const std::uint32_t> slice_of(const Sorted& state, const Call& call) {
  return {state.requests.data() + call.slice * call.requests.size(), call.requests.size()};
}

// Rows in ascending order: a line that is wanted twice is fetched once, and the next one is near or
// the next, where the prefetcher and the open page of the memory already are.
void sorted(const Sorted& state, const Call& call, Output& totals) {
  totals.fill(0);
  for (const std::uint32_t request : slice_of(state, call)) add(request, call.table.data(), totals);
}

// The same with rows asked for ahead.
void sorted_prefetch(const Sorted& state, const Call& call, Output& totals) {
  prefetch_ahead(slice_of(state, call), call.table.data(), totals);
}

// Where most lines are wanted anyway, the whole table in one stream: as many lines a request as it
// takes to end together, a few KiB ahead.
void sorted_streamed(const Sorted& state, const Call& call, Output& totals) {
  totals.fill(0);
  const std::span<const std::uint32_t> requests = slice_of(state, call);
  const std::size_t lines = call.table.size() / 8;
  const std::size_t each = requests.empty() ? 0 : lines / requests.size();
  if (each == 0) return sorted(state, call, totals);  // less than a line a request: in a cache
  std::size_t line = kAhead * each;
  for (const std::uint32_t request : requests) {
    for (std::size_t k = 0; k < each && line < lines; ++k, ++line)
      __builtin_prefetch(call.table.data() + 8 * line);
    add(request, call.table.data(), totals);
  }
}

constexpr Variant<Gather> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what =
         "in the order of the requests: independent misses, as many as the core's window holds"},
    {.name = "prefetch",
     .run = run<prefetch>,
     .what = "the row of 128 requests later is prefetched: more misses in flight; a loss in L2"},
    {.name = "bucketed",
     .run = run<bucketed>,
     .what = "dealt (timed) to parts of the table that fit L2, the next streams in meanwhile; a "
             "loss in L2"},
    {.name = "sorted",
     .run = run<sorted>,
     .what = "sorted by row beforehand (untimed): each line once, in memory's order; too sparse "
             "for the prefetcher, misses fill the window as before"},
    {.name = "sorted_prefetch",
     .run = run<sorted_prefetch>,
     .what = "requests sorted beforehand (untimed), and rows prefetched"},
    {.name = "sorted_streamed",
     .run = run<sorted_streamed>,
     .what = "requests sorted beforehand, and all lines of the table asked for in one stream"},
};

const Registrar kRegistrar({.name = "layout/gather",
                            .axis = Axis::kMemoryLatency,
                            .technique = "choose the order of independent accesses",
                            .sizes = {4096, 65536, 384 << 10, 8 << 20},
                            .headline = {65536, 8 << 20},
                            .ceiling = {"machine/read"},
                            .demand =
                                [](const Setting& s) {
                                  const double requests = static_cast<double>(request_count(s.n));
                                  // Of random rows with a request for every line, 1 - 1/e of the
                                  // lines are wanted.
                                  const double lines =
                                      s.n <= 4096 ? requests / 8 : 0.632 * requests;
                                  return Demand{
                                      .items = requests,
                                      .bytes = 4 * requests + 64 * lines,
                                      .working_set = 8 * s.n + 4 * request_count(s.n),
                                      .memory = 8 * s.n + 24 * std::max(kPool, request_count(s.n))};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
