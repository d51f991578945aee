// computation/early_exit: conditions of different prices, all of which must hold.
//
// In: n offers as columns (whether in stock, a price, 64 features of 16 bits), and a query: the
// most to pay, the features wanted, and how far from them an offer may be, squared. Queries rotate,
// so that 10^6 decisions pass before one comes back. Out: the indexes of the offers that are in
// stock, cheap and near, in order. Integers, exact.
//
// Naive evaluates all three for each offer, then joins them, and nobody ships that: what one writes
// is && with the cheap ones first, the standard.
//
// An offer is in stock one time in two, and cheap one in eight; the distance costs 64 subtractions
// and multiplications, and sixteen times as many bytes. Conditions joined by "and" are cheapest in
// the order of cost / P(false) (Hellerstein and Stonebraker, "Predicate migration", 1993). A
// distance can stop when it is too large already (Bei and Gray, "An improvement of the minimum
// distortion encoding algorithm for vector quantization", 1985). Where outcomes are random a branch
// on each is mispredicted: the cheap conditions for all offers first, without a branch, leave a
// list of candidates (Ross, "Selection conditions in main memory", 2004).
#include <algorithm>
#include <cstdint>

#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kFeatures = 64;

struct Query {
  std::uint32_t most;
  std::int32_t radius2;
  std::int16_t features[kFeatures];
};
struct Offers {
  const std::uint8_t* stock;
  const std::uint32_t* prices;
  const std::int16_t* features;  // kFeatures of each offer
  std::size_t n;
  const Query& query;
};

struct EarlyExit {
  using Call = Offers;
  struct Input {
    Buffer<std::uint8_t> stock;
    Buffer<std::uint32_t> prices;
    Buffer<std::int16_t> features;
    std::vector<Query> queries;
    Offers at(std::size_t turn) const {
      return {stock.data(), prices.data(), features.data(), stock.size(),
              queries[turn % queries.size()]};
    }
  };
  struct Output {
    Buffer<std::uint32_t> selected;  // `count` of them
    std::size_t count = 0;
    void poison() {
      headroom::poison(selected);
      count = selected.size() + 1;
    }
    bool spoil(Spoil how) { return spoil_counted(how, selected.data(), count); }
    std::span<const std::uint32_t> list() const {
      return {selected.data(), std::min(count, selected.size())};
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t n = setting.n;
    Input in{
        Buffer<std::uint8_t>(n), Buffer<std::uint32_t>(n), Buffer<std::int16_t>(n * kFeatures), {}};
    FastRng fast(rng());
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t bits = fast();
      in.stock[i] = bits >> 63;
      in.prices[i] = static_cast<std::uint32_t>(bits & 0xffff);
      // Offers lie around the wanted features, one in eight near, the others ever farther.
      static constexpr int kAway[8] = {0, 10, 20, 30, 40, 60, 80, 120};
      const int away = kAway[bits >> 16 & 7];
      for (std::size_t k = 0; k < kFeatures; k += 8) {
        std::uint64_t eight = fast();
        for (std::size_t j = 0; j < 8; ++j, eight >>= 8)
          in.features[i * kFeatures + k + j] =
              static_cast<std::int16_t>(static_cast<int>(eight & 63) - 32 + away);
      }
    }
    const std::size_t queries = n < 256 ? 4 : std::max<std::size_t>(4, (std::size_t{1} << 20) / n);
    for (std::size_t i = 0; i < queries; ++i) {
      Query query{static_cast<std::uint32_t>(bounded(fast, 0x4000)),
                  50000 + static_cast<std::int32_t>(bounded(fast, 20000)),
                  {}};
      for (std::int16_t& feature : query.features)
        feature = static_cast<std::int16_t>(static_cast<int>(bounded(fast, 64)) - 32);
      in.queries.push_back(query);
    }
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.selected = Buffer<std::uint32_t>(in.stock.size() + 1);
  }
  static absl::Status same(const Offers&, const Output& want, const Output& got) {
    if (want.count != got.count) return exact(want.count, got.count);
    return exact(want.list(), got.list());
  }
};
using Output = EarlyExit::Output;

std::int32_t distance2(const std::int16_t* features, const Query& query) {
  std::int32_t sum = 0;
  for (std::size_t k = 0; k < kFeatures; ++k) {
    const std::int32_t apart = features[k] - query.features[k];
    sum += apart * apart;
  }
  return sum;
}

void naive(const Offers& in, Output& out) {
  out.count = 0;
  for (std::size_t i = 0; i < in.n; ++i) {
    const bool is_near = distance2(in.features + i * kFeatures, in.query) <= in.query.radius2;
    const bool is_cheap = in.prices[i] <= in.query.most;
    const bool is_there = in.stock[i] != 0;
    if (is_near && is_cheap && is_there) out.selected[out.count++] = static_cast<std::uint32_t>(i);
  }
}

// Stops at the first condition that doesn't hold, but the first is the expensive one.
void dear_first(const Offers& in, Output& out) {
  out.count = 0;
  for (std::size_t i = 0; i < in.n; ++i)
    if (distance2(in.features + i * kFeatures, in.query) <= in.query.radius2 &&
        in.prices[i] <= in.query.most && in.stock[i] != 0)
      out.selected[out.count++] = static_cast<std::uint32_t>(i);
}

// Fifteen of sixteen offers need no distance, and their features are not even read.
void cheap_first(const Offers& in, Output& out) {
  out.count = 0;
  for (std::size_t i = 0; i < in.n; ++i)
    if (in.prices[i] <= in.query.most && in.stock[i] != 0 &&
        distance2(in.features + i * kFeatures, in.query) <= in.query.radius2)
      out.selected[out.count++] = static_cast<std::uint32_t>(i);
}

// Whether an offer is near; gives up between two groups of 16 features, where it is too far
// already.
bool near(const std::int16_t* features, const Query& query) {
  std::int32_t sum = 0;
  for (std::size_t begin = 0; begin < kFeatures; begin += 16) {
    for (std::size_t k = begin; k < begin + 16; ++k) {
      const std::int32_t apart = features[k] - query.features[k];
      sum += apart * apart;
    }
    if (sum > query.radius2) return false;
  }
  return true;
}

// A distance that is too large after 16 features will not shrink. But asking is a branch more, and
// the compiler's vectors have the rest of a distance soon.
void cheap_first_abandon(const Offers& in, Output& out) {
  out.count = 0;
  for (std::size_t i = 0; i < in.n; ++i)
    if (in.prices[i] <= in.query.most && in.stock[i] != 0 &&
        near(in.features + i * kFeatures, in.query))
      out.selected[out.count++] = static_cast<std::uint32_t>(i);
}

constexpr std::size_t kBlock = 2048;  // offers: a list of them stays in L1

Offers block_of(const Offers& in, std::size_t begin) {
  return {in.stock + begin, in.prices + begin, in.features + begin * kFeatures,
          std::min(kBlock, in.n - begin), in.query};
}

// A list of candidates without a branch: each index is written, and overwritten by the next unless
// both conditions hold. (For a few hundred offers the list costs more than the branches; the rungs
// below make more of it.)
void filter_first(const Offers& in, Output& out) {
  std::uint32_t candidates[kBlock];
  out.count = 0;
  for (std::size_t begin = 0; begin < in.n; begin += kBlock) {
    const std::size_t end = std::min(in.n, begin + kBlock);
    std::size_t found = 0;
    for (std::size_t i = begin; i < end; ++i) {
      candidates[found] = static_cast<std::uint32_t>(i);
      found += (in.prices[i] <= in.query.most) & (in.stock[i] != 0);
    }
    for (std::size_t k = 0; k < found; ++k)
      if (near(in.features + candidates[k] * kFeatures, in.query))
        out.selected[out.count++] = candidates[k];
  }
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "computation/early_exit-inl.h"
#include "computation/early_exit-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(Filter);
HWY_EXPORT(SelectInOrder);
HWY_EXPORT(SelectAhead);

// The list by SIMD; the rest is filter_first's.
void highway_filter(const Offers& in, Output& out) {
  std::uint32_t candidates[kBlock];
  out.count = 0;
  for (std::size_t begin = 0; begin < in.n; begin += kBlock) {
    const std::size_t found = HWY_DYNAMIC_DISPATCH(Filter)(block_of(in, begin), candidates);
    for (std::size_t k = 0; k < found; ++k) {
      const std::size_t i = begin + candidates[k];
      if (near(in.features + i * kFeatures, in.query))
        out.selected[out.count++] = static_cast<std::uint32_t>(i);
    }
  }
}

// The distance by SIMD too, and its outcome without a branch.
void highway_distance(const Offers& in, Output& out) {
  out.count = HWY_DYNAMIC_DISPATCH(SelectInOrder)(in, out.selected.data());
}

// A list of candidates says which features are needed next: they are asked for in time.
void highway(const Offers& in, Output& out) {
  out.count = HWY_DYNAMIC_DISPATCH(SelectAhead)(in, out.selected.data());
}

constexpr Variant<EarlyExit> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "evaluates all three conditions, then joins them: nobody ships it"},
    {.name = "dear_first",
     .run = run<dear_first>,
     .what = "&& in the order written, the expensive condition first: saves nothing, adds a "
             "mispredicted branch"},
    {.name = "cheap_first",
     .run = run<cheap_first>,
     .what = "cheap conditions first: most offers need no distance, nor their features read",
     .role = Role::kStandard},
    {.name = "cheap_first_abandon",
     .run = run<cheap_first_abandon>,
     .what = "and a distance stops as soon as it is too large: a branch more, which costs "
             "more than it saves here"},
    {.name = "filter_first",
     .run = run<filter_first>,
     .what =
         "cheap conditions of all offers first, into a list, without a branch: pays where offers "
         "are many"},
    {.name = "highway_filter",
     .run = run<highway_filter>,
     .what = "the list by SIMD comparisons and compress"},
    {.name = "highway_distance",
     .run = run<highway_distance>,
     .what = "and the distance by SIMD, its outcome added to a count: no branch on it"},
    {.name = "highway",
     .run = run<highway>,
     .what = "and the features of candidates prefetched, as the list says which come next"},
};

const Registrar kRegistrar({.name = "computation/early_exit",
                            .axis = Axis::kScalar,
                            .technique = "the cheap condition that fails most often first",
                            .sizes = {256, 4096, 32768, 400000},
                            .headline = {256, 32768},
                            .promise = Promise::kExact | Promise::kOrdered,
                            .demand =
                                [](const Setting& s) {
                                  constexpr std::size_t kOffer = 1 + 4 + 2 * kFeatures;
                                  return Demand{
                                      .items = static_cast<double>(s.n),
                                      .bytes = 5 * static_cast<double>(s.n),
                                      .working_set = kOffer * s.n,
                                      .memory = kOffer * s.n + 8 * 4 * (s.n + 1) + (4 << 20)};
                                },
                            .test_sizes = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 65, 127,
                                           255, 2047, 2049}},
                           kVariants);

}  // namespace
}  // namespace headroom
