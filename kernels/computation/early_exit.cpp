// computation/early_exit: conditions of different prices, all of which must hold.
//
// In: n offers as columns (whether in stock, a price, 64 features of 16 bits), and a query: the
// most to pay, the features wanted, and how far from them an offer may be, squared. Queries rotate,
// so that 10^6 decisions pass before one comes back. Out: the indexes of the offers that are in
// stock, cheap and near, in order. Integers, exact.
//
// An offer is in stock one time in two, and cheap one in eight; the distance costs 64 subtractions
// and multiplications, and sixteen times as many bytes. Conditions joined by "and" are cheapest in
// the order of cost / P(false) (Hellerstein and Stonebraker, "Predicate migration", 1993). A
// distance can stop when it is too large already (Bei and Gray, "An improvement of the minimum
// distortion encoding algorithm for vector quantization", 1985). Where outcomes are random a branch
// on each is mispredicted: the cheap conditions for all offers first, without a branch, leave a
// list of candidates (Ross, "Selection conditions in main memory", 2004).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "computation/early_exit.cpp"
#include <cstdint>

#include "support/simd.h"

#ifndef HEADROOM_COMPUTATION_EARLY_EXIT_ONCE_
#define HEADROOM_COMPUTATION_EARLY_EXIT_ONCE_
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
}  // namespace
}  // namespace headroom
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR
// At most 32 features at a time; stops between them.
HWY_INLINE bool Near(const int16_t* HWY_RESTRICT features, const Query& query) {
  const hn::CappedTag<int16_t, 32> d;
  const hn::Repartition<int32_t, decltype(d)> d32;
  int32_t sum = 0;
  for (size_t half = 0; half < kFeatures; half += 32) {
    auto even = hn::Zero(d32), odd = even;
    for (size_t k = half; k < half + 32; k += hn::Lanes(d)) {
      const auto apart = hn::Sub(hn::LoadU(d, features + k), hn::LoadU(d, query.features + k));
      even = hn::ReorderWidenMulAccumulate(d32, apart, apart, even, odd);
    }
    sum += hn::GetLane(hn::SumOfLanes(d32, hn::Add(even, odd)));
    if (sum > query.radius2) return false;
  }
  return true;
}

// Appends the indexes of offers that are in stock and cheap: a vector of comparisons, and the
// indexes of those that hold moved together.
size_t FilterSimd(const Offers& in, uint32_t* HWY_RESTRICT candidates) {
  const hn::ScalableTag<uint32_t> d;
  const hn::Rebind<uint8_t, decltype(d)> d8;
  const size_t lanes = hn::Lanes(d);
  size_t count = 0, i = 0;
  const auto most = hn::Set(d, in.query.most);
  for (; i + lanes <= in.n; i += lanes) {
    const auto stock = hn::PromoteTo(d, hn::LoadU(d8, in.stock + i));
    const auto prices = hn::LoadU(d, in.prices + i);
    // Also no more than the most to pay: the larger of both is that.
    const auto good = hn::And(hn::Ne(stock, hn::Zero(d)), hn::Eq(hn::Max(prices, most), most));
    // To a register, then stored: a compressing store is slow on Zen 4.
    hn::StoreU(hn::Compress(hn::Iota(d, static_cast<uint32_t>(i)), good), d, candidates + count);
    count += hn::CountTrue(d, good);
  }
  for (; i < in.n; ++i) {
    candidates[count] = static_cast<uint32_t>(i);
    count += (in.stock[i] != 0) & (in.prices[i] <= in.query.most);
  }
  return count;
}

// Blocks of offers, so that the list stays in L1. Candidates' features are asked for some time
// before they are needed: the list knows them, and no branch stands before it.
size_t Select(const Offers& in, uint32_t* HWY_RESTRICT selected) {
  constexpr size_t kBlock = 2048;
  uint32_t candidates[kBlock + hn::MaxLanes(hn::ScalableTag<uint32_t>())];
  size_t count = 0;
  for (size_t begin = 0; begin < in.n; begin += kBlock) {
    const int16_t* const features = in.features + begin * kFeatures;
    const Offers block{in.stock + begin, in.prices + begin, features, HWY_MIN(kBlock, in.n - begin),
                       in.query};
    const size_t found = FilterSimd(block, candidates);
    for (size_t k = 0; k < found; ++k) {
      constexpr size_t kAhead = 8;
      const auto* const next = features + candidates[HWY_MIN(k + kAhead, found - 1)] * kFeatures;
      __builtin_prefetch(next);
      __builtin_prefetch(next + kFeatures / 2);
      selected[count] = static_cast<uint32_t>(begin) + candidates[k];
      count += Near(features + candidates[k] * kFeatures, in.query);
    }
  }
  return count;
}
#else
size_t Select(const Offers& in, uint32_t* HWY_RESTRICT selected) {
  size_t count = 0;
  for (size_t i = 0; i < in.n; ++i) {
    if (in.stock[i] == 0 || in.prices[i] > in.query.most) continue;
    int32_t sum = 0;
    for (size_t k = 0; k < kFeatures && sum <= in.query.radius2; ++k) {
      const int32_t apart = in.features[i * kFeatures + k] - in.query.features[k];
      sum += apart * apart;
    }
    if (sum <= in.query.radius2) selected[count++] = static_cast<uint32_t>(i);
  }
  return count;
}
#endif

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "core/kernel.h"

namespace headroom {
namespace {

HWY_EXPORT(Select);

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

// Stops after each 16 features.
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

void naive(const Offers& in, Output& out) {
  out.count = 0;
  for (std::size_t i = 0; i < in.n; ++i) {
    const bool is_near = distance2(in.features + i * kFeatures, in.query) <= in.query.radius2;
    const bool is_cheap = in.prices[i] <= in.query.most;
    const bool is_there = in.stock[i] != 0;
    if (is_near && is_cheap && is_there) out.selected[out.count++] = static_cast<std::uint32_t>(i);
  }
}

// Stops at the first condition that doesn't hold, but the first is the dear one.
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

// A distance that is too large after 16 features will not shrink.
void cheap_first_abandon(const Offers& in, Output& out) {
  out.count = 0;
  for (std::size_t i = 0; i < in.n; ++i)
    if (in.prices[i] <= in.query.most && in.stock[i] != 0 &&
        near(in.features + i * kFeatures, in.query))
      out.selected[out.count++] = static_cast<std::uint32_t>(i);
}

// A list of candidates without a branch: each index is written, and overwritten by the next unless
// both conditions hold.
void filter_first(const Offers& in, Output& out) {
  constexpr std::size_t kBlock = 2048;
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

void highway(const Offers& in, Output& out) {
  out.count = HWY_DYNAMIC_DISPATCH(Select)(in, out.selected.data());
}

constexpr Variant<EarlyExit> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "evaluates all three conditions, then joins them"},
    {.name = "dear_first",
     .run = run<dear_first>,
     .what = "&& in the order written, the dear condition first: saves nothing, adds a "
             "mispredicted branch"},
    {.name = "cheap_first",
     .run = run<cheap_first>,
     .what = "cheap conditions first: most offers need no distance, nor their features read"},
    {.name = "cheap_first_abandon",
     .run = run<cheap_first_abandon>,
     .what = "and a distance stops when it is too large already"},
    {.name = "filter_first",
     .run = run<filter_first>,
     .what = "cheap conditions of all offers first, into a list, without a branch"},
    {.name = "highway",
     .run = run<highway>,
     .what = "the list by SIMD comparisons and compress, its features prefetched, SIMD distance"},
};

const Registrar kRegistrar({.name = "computation/early_exit",
                            .axis = Axis::kScalar,
                            .technique = "the cheap condition that fails most often first",
                            .sizes = {256, 4096, 32768, 400000},
                            .headline = {256, 32768},
                            .demand =
                                [](const Setting& s) {
                                  constexpr std::size_t kOffer = 1 + 4 + 2 * kFeatures;
                                  return Demand{
                                      .items = static_cast<double>(s.n),
                                      .bytes = 5 * static_cast<double>(s.n),
                                      .working_set = kOffer * s.n,
                                      .memory = kOffer * s.n + 6 * 4 * (s.n + 1) + (4 << 20)};
                                },
                            .test_sizes = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 65, 127,
                                           255, 2047, 2049}},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
