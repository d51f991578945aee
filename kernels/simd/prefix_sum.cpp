// simd/prefix_sum: out[i] = x[0] + ... + x[i], for uint32 that wrap.
//
// Exact: addition modulo 2^32 is associative, so any order gives the same bits.
//
// The naive loop is a chain of adds, one number a cycle at best. A vector of L numbers can be
// summed up in log2(L) steps of shifting and adding, which are independent from vector to vector;
// the chain that is left is one add a vector. After Hillis and Steele, "Data Parallel Algorithms"
// (1986), and Zhang, Wang and Ross, "Parallel Prefix Sum with SIMD" (2020).
#include "support/prefetch-inl.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/prefix_sum.cpp"
#include "hwy/cache_control.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR
uint32_t ScanWords(const uint32_t* x, size_t n, uint32_t sum, uint32_t* out) {
  for (size_t i = 0; i < n; ++i) out[i] = sum += x[i];
  return sum;
}
void ScanStored(const uint32_t* x, size_t n, uint32_t* out) { ScanWords(x, n, 0, out); }
void ScanStreamed(const uint32_t* x, size_t n, uint32_t* out) { ScanWords(x, n, 0, out); }
void ScanTwoPass(const uint32_t* x, size_t n, uint32_t* out) { ScanWords(x, n, 0, out); }
#else

// What scanning one vector needs, made once: for each lane the last lane of the 128-bit block
// `kBlocks` before its own, and a mask of the lanes that have one.
template <class D>
struct Scan {
  static constexpr size_t kBlock = 4;  // lanes of 128 bits
  D d;
  size_t lanes = hn::Lanes(d);

  // Moves the sum of each block (its last lane) to all lanes of the block `blocks` later, and zero
  // into the first ones.
  HWY_INLINE hn::Vec<D> LaterBlock(hn::Vec<D> v, size_t blocks) const {
    const auto lane = hn::Iota(d, 0);
    const auto shift = hn::Set(d, static_cast<uint32_t>(kBlock * blocks));
    const auto last = hn::Or(hn::Sub(lane, shift), hn::Set(d, uint32_t{kBlock - 1}));
    const hn::RebindToSigned<D> di;
    const auto before = hn::Set(di, static_cast<int32_t>(kBlock * blocks) - 1);
    const auto have = hn::RebindMask(d, hn::Gt(hn::BitCast(di, lane), before));
    // In range where there is none: any lane will do.
    const auto index = hn::IfThenElseZero(have, last);
    return hn::IfThenElseZero(have, hn::TableLookupLanes(v, hn::IndicesFromVec(d, index)));
  }

  // The sums of each vector on its own. Within blocks of 128 bits lanes are shifted by an
  // instruction; then whole blocks get the sums of the one, two, four ... before.
  HWY_INLINE hn::Vec<D> Local(hn::Vec<D> v) const {
    v = hn::Add(v, hn::ShiftLeftLanes<1>(d, v));
    v = hn::Add(v, hn::ShiftLeftLanes<2>(d, v));
    for (size_t blocks = 1; kBlock * blocks < lanes; blocks *= 2)
      v = hn::Add(v, LaterBlock(v, blocks));
    return v;
  }
  // The last lane in all lanes.
  HWY_INLINE hn::Vec<D> Last(hn::Vec<D> v) const {
    const auto index = hn::Set(d, static_cast<uint32_t>(lanes - 1));
    return hn::TableLookupLanes(v, hn::IndicesFromVec(d, index));
  }
};

// `store(vector, i)` gets the sums of x[0, i] and so on, with `carry` added, vector by vector.
// Lines of x are asked for kAhead bytes before they are read (0: not).
template <std::ptrdiff_t kAhead, class Store>
HWY_INLINE uint32_t ScanVectors(const uint32_t* HWY_RESTRICT x, size_t n, uint32_t before,
                                uint32_t* HWY_RESTRICT out, const Store& store) {
  const hn::ScalableTag<uint32_t> d;
  const Scan<decltype(d)> scan{d};
  const size_t lanes = scan.lanes;
  auto carry = hn::Set(d, before);
  size_t i = 0;
  // The carry's chain has one add a vector: what is added to it does not depend on it.
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    if constexpr (kAhead != 0) prefetch_lines(x + i, kAhead, 4 * lanes * sizeof(uint32_t));
    const auto v0 = scan.Local(hn::LoadU(d, x + i));
    const auto v1 = scan.Local(hn::LoadU(d, x + i + lanes));
    const auto v2 = scan.Local(hn::LoadU(d, x + i + 2 * lanes));
    const auto v3 = scan.Local(hn::LoadU(d, x + i + 3 * lanes));
    store(hn::Add(v0, carry), out + i);
    carry = hn::Add(carry, scan.Last(v0));
    store(hn::Add(v1, carry), out + i + lanes);
    carry = hn::Add(carry, scan.Last(v1));
    store(hn::Add(v2, carry), out + i + 2 * lanes);
    carry = hn::Add(carry, scan.Last(v2));
    store(hn::Add(v3, carry), out + i + 3 * lanes);
    carry = hn::Add(carry, scan.Last(v3));
  }
  for (; i + lanes <= n; i += lanes) {
    const auto v = scan.Local(hn::LoadU(d, x + i));
    store(hn::Add(v, carry), out + i);
    carry = hn::Add(carry, scan.Last(v));
  }
  uint32_t sum = hn::GetLane(carry);
  for (; i < n; ++i) out[i] = sum += x[i];
  return sum;
}

void ScanStored(const uint32_t* HWY_RESTRICT x, size_t n, uint32_t* HWY_RESTRICT out) {
  const hn::ScalableTag<uint32_t> d;
  ScanVectors<0>(x, n, 0, out, [d](auto v, uint32_t* to) HWY_ATTR { hn::StoreU(v, d, to); });
}

void ScanStreamed(const uint32_t* HWY_RESTRICT x, size_t n, uint32_t* HWY_RESTRICT out) {
  const hn::ScalableTag<uint32_t> d;
  const size_t head = items_to_alignment(out, n, hn::Lanes(d) * sizeof(uint32_t));
  uint32_t sum = 0;
  for (size_t i = 0; i < head; ++i) out[i] = sum += x[i];
  ScanVectors<kStreamAhead>(x + head, n - head, sum, out + head,
                            [d](auto v, uint32_t* to) HWY_ATTR { hn::Stream(v, d, to); });
  hwy::FlushStream();
}

// Blocks that fit L1: first each one's total, then its sums, from the total of all before it.
void ScanTwoPass(const uint32_t* HWY_RESTRICT x, size_t n, uint32_t* HWY_RESTRICT out) {
  constexpr size_t kItems = 2048;  // 8 KiB
  const hn::ScalableTag<uint32_t> d;
  const size_t lanes = hn::Lanes(d);
  uint32_t before = 0;
  for (size_t from = 0; from < n; from += kItems) {
    const size_t count = HWY_MIN(kItems, n - from);
    const uint32_t* HWY_RESTRICT block = x + from;
    auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 4 * lanes <= count; i += 4 * lanes) {
      s0 = hn::Add(s0, hn::LoadU(d, block + i));
      s1 = hn::Add(s1, hn::LoadU(d, block + i + lanes));
      s2 = hn::Add(s2, hn::LoadU(d, block + i + 2 * lanes));
      s3 = hn::Add(s3, hn::LoadU(d, block + i + 3 * lanes));
    }
    s0 = hn::Add(hn::Add(s0, s1), hn::Add(s2, s3));
    HWY_ALIGN uint32_t sums[hn::MaxLanes(d)];
    hn::Store(s0, d, sums);
    uint32_t total = before;
    for (size_t k = 0; k < lanes; ++k) total += sums[k];
    for (; i < count; ++i) total += block[i];
    ScanVectors<0>(block, count, before, out + from,
                   [d](auto v, uint32_t* to) HWY_ATTR { hn::StoreU(v, d, to); });
    before = total;
  }
}

#endif  // HWY_SCALAR

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <numeric>

#include "core/kernel.h"

namespace headroom {
namespace {

HWY_EXPORT(ScanStored);
HWY_EXPORT(ScanStreamed);
HWY_EXPORT(ScanTwoPass);

struct PrefixSum {
  using Input = Buffer<std::uint32_t>;
  using Output = Buffer<std::uint32_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input x(setting.n);
    FastRng fast(rng());
    for (std::uint32_t& item : x) item = static_cast<std::uint32_t>(fast() >> 32);
    return x;
  }
  static void size(const Input& x, Output& out) { out = Output(x.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

void naive(const PrefixSum::Input& x, Buffer<std::uint32_t>& out) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = sum += x[i];
}

// Four numbers a step: their own sums first, which need not wait for the total, then the total
// added to each: the chain has one add for four numbers. More work, but in parallel.
void fours(const PrefixSum::Input& in, Buffer<std::uint32_t>& output) {
  const std::uint32_t* const x = in.data();
  std::uint32_t* const out = output.data();
  const std::size_t n = in.size();
  std::uint32_t sum = 0;
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const std::uint32_t s1 = x[i] + x[i + 1], s3 = x[i + 2] + x[i + 3];
    out[i] = sum + x[i];
    out[i + 1] = sum + s1;
    out[i + 2] = sum + (s1 + x[i + 2]);
    out[i + 3] = sum += s1 + s3;
  }
  for (; i < n; ++i) out[i] = sum += x[i];
}

void std_inclusive_scan(const PrefixSum::Input& x, Buffer<std::uint32_t>& out) {
  std::inclusive_scan(x.begin(), x.end(), out.begin());
}

// A vector's sums in log2 steps of shift and add; from vector to vector one add waits for the last.
void highway(const PrefixSum::Input& x, Buffer<std::uint32_t>& out) {
  HWY_DYNAMIC_DISPATCH(ScanStored)(x.data(), x.size(), out.data());
}

// What several threads need, tried on one: blocks are totalled first, so that none waits for the
// sums of another. One thread reads everything twice for nothing.
void two_pass(const PrefixSum::Input& x, Buffer<std::uint32_t>& out) {
  HWY_DYNAMIC_DISPATCH(ScanTwoPass)(x.data(), x.size(), out.data());
}

// Streaming stores: no line of the output is read before it is written, a third of the traffic;
// and what is read is asked for 16 KiB ahead.
void non_temporal(const PrefixSum::Input& x, Buffer<std::uint32_t>& out) {
  HWY_DYNAMIC_DISPATCH(ScanStreamed)(x.data(), x.size(), out.data());
}

constexpr Variant<PrefixSum> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "a chain of adds: at best one number a cycle"},
    {.name = "fours",
     .run = run<fours>,
     .what = "four numbers a step: only one add in four waits for the total"},
    {.name = "highway",
     .run = run<highway>,
     .what = "widest SIMD: log2 steps of shift and add in a vector, one add from vector to vector"},
    {.name = "two_pass",
     .run = run<two_pass>,
     .what = "blocks totalled first, then summed up: what threads need; one thread gains nothing"},
    {.name = "non_temporal",
     .run = run<non_temporal>,
     .what =
         "streaming stores, which read no line before they fill it, and prefetch: a copy's pace, "
         "of which naive has half; a loss in caches"},
    {.name = "std_inclusive_scan",
     .run = run<std_inclusive_scan>,
     .what = "std::inclusive_scan of the standard library",
     .role = Role::kPeer},
};

const Registrar kRegistrar({.name = "simd/prefix_sum",
                            .axis = Axis::kSimd,
                            .technique = "scan in log2 steps, and keep the serial chain short",
                            .sizes = {2048, 64 << 10, 384 << 10, 8 << 20, 32 << 20},
                            .headline = {2048, 8 << 20},
                            .ceiling = {"machine/copy"},
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .bytes = 8 * n,
                                                .working_set = 8 * s.n,
                                                .memory = 4 * s.n * (1 + std::size(kVariants))};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
