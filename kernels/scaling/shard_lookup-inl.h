// The rules of shard_rules.h in portable SIMD: a key in each lane. Included once for each target.
//
// No plain include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "scaling/shard_tables.h"
#include "support/mask_bits-inl.h"
#include "support/mul_high-inl.h"

#if defined(HEADROOM_SCALING_SHARD_LOOKUP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_SCALING_SHARD_LOOKUP_INL_H_
#undef HEADROOM_SCALING_SHARD_LOOKUP_INL_H_
#else
#define HEADROOM_SCALING_SHARD_LOOKUP_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

using shards::Shard;

#if HWY_TARGET != HWY_SCALAR
// The lower halves of products of 64-bit lanes.
template <class D>
HWY_INLINE hn::Vec<D> MulLow64(D d, hn::Vec<D> a, uint64_t factor) {
  const auto b = hn::Set(d, factor);
  if constexpr (HWY_TARGET <= HWY_AVX3) return hn::Mul(a, b);
  const hn::Repartition<uint32_t, D> d32;
  const auto a32 = hn::BitCast(d32, a), b32 = hn::BitCast(d32, b);
  const auto cross = hn::BitCast(d, hn::Mul(a32, hn::Shuffle2301(b32)));
  const auto upper = hn::Add(cross, hn::ShiftRight<32>(cross));
  return hn::Add(hn::MulEven(a32, b32), hn::ShiftLeft<32>(upper));
}

// shards::hash_of.
template <class D>
HWY_INLINE hn::Vec<D> HashOf(D d, hn::Vec<D> key) {
  key = MulLow64(d, hn::Xor(key, hn::ShiftRight<33>(key)), shards::kFirstFactor);
  key = MulLow64(d, hn::Xor(key, hn::ShiftRight<33>(key)), shards::kSecondFactor);
  return hn::Xor(key, hn::ShiftRight<33>(key));
}

// The two halves of the hashes of as many keys as `d` has lanes.
template <class D>
HWY_INLINE void HashedHalves(D d, const uint64_t* HWY_RESTRICT keys, hn::Vec<D>& upper,
                             hn::Vec<D>& lower) {
  const hn::Repartition<uint64_t, D> d64;
  const auto a = hn::BitCast(d, HashOf(d64, hn::LoadU(d64, keys)));
  const auto b = hn::BitCast(d, HashOf(d64, hn::LoadU(d64, keys + hn::Lanes(d64))));
  upper = hn::ConcatOdd(d, b, a);
  lower = hn::ConcatEven(d, b, a);
}
template <class D>
HWY_INLINE hn::Vec<D> UpperHalves(D d, const uint64_t* HWY_RESTRICT keys) {
  hn::Vec<D> upper, lower;
  HashedHalves(d, keys, upper, lower);
  return upper;
}

// The shards in these lanes, with 16 bits.
template <class D>
HWY_INLINE void StoreShards(D /*d*/, hn::Vec<D> owners, Shard* HWY_RESTRICT out) {
  const hn::RebindToSigned<D> d32;
  const hn::Rebind<uint16_t, D> d16;
  hn::StoreU(hn::DemoteTo(d16, hn::BitCast(d32, owners)), d16, out);
}
#endif

// Maglev: hashes and slots of a vector of keys at once, then one load for each.
inline void ByMaglev(const shards::Maglev& maglev, const uint64_t* HWY_RESTRICT keys, size_t n,
                     Shard* HWY_RESTRICT out) {
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<uint32_t> d;
  const size_t lanes = hn::Lanes(d);
  const Shard* HWY_RESTRICT table = maglev.table().data();
  const auto slots = hn::Set(d, maglev.slots());
  HWY_ALIGN uint32_t at[hn::MaxLanes(d)];
  for (; i + lanes <= n; i += lanes) {
    hn::Store(MulHigh32(d, UpperHalves(d, keys + i), slots), d, at);
    for (size_t k = 0; k < lanes; ++k) out[i + k] = table[at[k]];
  }
#endif
  for (; i < n; ++i) out[i] = maglev(keys[i]);
}

// Ring in pieces.
inline void ByPieces(const shards::Pieces& pieces, const uint64_t* HWY_RESTRICT keys, size_t n,
                     Shard* HWY_RESTRICT out) {
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<uint32_t> d;
  const size_t lanes = hn::Lanes(d);
  HWY_ALIGN uint32_t places[hn::MaxLanes(d)];
  for (; i + lanes <= n; i += lanes) {
    hn::Store(UpperHalves(d, keys + i), d, places);
    for (size_t k = 0; k < lanes; ++k) out[i + k] = pieces.owner(places[k]);
  }
#endif
  for (; i < n; ++i) out[i] = pieces.owner(shards::place_of(keys[i]));
}

// Rendezvous: each lane a key. The shards draw one after the other, and every lane keeps its
// largest number and whose it is: no lanes are compared with each other, no branch depends on a
// number.
inline void ByRendezvous(const uint32_t* HWY_RESTRICT seeds, uint32_t count,
                         const uint64_t* HWY_RESTRICT keys, size_t n, Shard* HWY_RESTRICT out) {
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<uint32_t> d;
  const size_t lanes = hn::Lanes(d);
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    hn::Vec<decltype(d)> upper_a, lower_a, upper_b, lower_b;
    HashedHalves(d, keys + i, upper_a, lower_a);
    HashedHalves(d, keys + i + lanes, upper_b, lower_b);
    const auto factor_a = hn::Or(lower_a, hn::Set(d, 1u));
    const auto factor_b = hn::Or(lower_b, hn::Set(d, 1u));
    auto most_a = hn::Zero(d), most_b = most_a, winner_a = most_a, winner_b = most_a;
    for (uint32_t shard = 0; shard < count; ++shard) {
      const auto seed = hn::Set(d, seeds[shard]), number = hn::Set(d, shard);
      const auto more_a = hn::Max(most_a, hn::Mul(hn::Xor(upper_a, seed), factor_a));
      const auto more_b = hn::Max(most_b, hn::Mul(hn::Xor(upper_b, seed), factor_b));
      winner_a = hn::IfThenElse(hn::Eq(more_a, most_a), winner_a, number);
      winner_b = hn::IfThenElse(hn::Eq(more_b, most_b), winner_b, number);
      most_a = more_a;
      most_b = more_b;
    }
    StoreShards(d, winner_a, out + i);
    StoreShards(d, winner_b, out + i + lanes);
  }
#endif
  for (; i < n; ++i) out[i] = shards::by_rendezvous(keys[i], {seeds, count});
}

// Jump hash: a step of many keys at once. Those that have arrived leave, so that no lane is idle;
// the steps of different keys don't wait for each other.
constexpr size_t kJumpBlock = 1024;
constexpr size_t kMostLanes = 64;

#if HWY_TARGET != HWY_SCALAR
// How the lanes of a mask come to lie side by side. Where there is no instruction for it, the order
// is looked up once for several vectors. (Highway looks up each, in a table that GCC copies to the
// stack before.)
#if HWY_HAVE_SCALABLE || HWY_TARGET <= HWY_AVX3
template <class D>
HWY_INLINE hn::Mask<D> OrderOf(D /*d*/, hn::Mask<D> mask) {
  return mask;
}
template <class V, class M>
HWY_INLINE V Packed(V v, M mask) {
  return hn::Compress(v, mask);
}
#else
template <class D>
HWY_INLINE auto OrderOf(D d, hn::Mask<D> mask) {
  static_assert(hn::MaxLanes(D()) <= 8);
  const hn::Rebind<uint8_t, D> d8;
  return hn::IndicesFromVec(
      d, hn::PromoteTo(d, hn::LoadU(d8, shards::kLanesFirst[MaskBits(d, mask)].data())));
}
template <class V, class I>
HWY_INLINE V Packed(V v, I order) {
  return hn::TableLookupLanes(v, order);
}
#endif
#endif

inline void JumpBlock(uint32_t count, const uint64_t* HWY_RESTRICT keys, size_t n,
                      Shard* HWY_RESTRICT out) {
#if HWY_TARGET == HWY_SCALAR
  for (size_t i = 0; i < n; ++i) out[i] = shards::by_jump(keys[i], count);
#else
  const hn::ScalableTag<uint32_t> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Half<decltype(di)> dh;
  const hn::Repartition<double, decltype(d)> df;
  const size_t lanes = hn::Lanes(d);
  // Of the keys that are under way: both halves of their state, the shard so far, which key it is.
  HWY_ALIGN uint32_t upper[kJumpBlock + kMostLanes], lower[kJumpBlock + kMostLanes];
  HWY_ALIGN uint32_t at[kJumpBlock + kMostLanes], which[kJumpBlock + kMostLanes];
  HWY_ALIGN uint32_t arrived[kJumpBlock + kMostLanes];  // which << 16 | shard
  for (size_t i = 0; i < n; i += lanes) {
    hn::Vec<decltype(d)> hash_upper, hash_lower;
    HashedHalves(d, keys + i, hash_upper, hash_lower);
    hn::Store(hash_upper, d, upper + i);
    hn::Store(hash_lower, d, lower + i);
    hn::Store(hn::Zero(d), d, at + i);
    hn::Store(hn::Iota(d, static_cast<uint32_t>(i)), d, which + i);
  }
  const auto one = hn::Set(d, 1u), most = hn::Set(d, count);
  const auto factor_lower = hn::Set(d, static_cast<uint32_t>(shards::kJumpFactor));
  const auto factor_upper = hn::Set(d, static_cast<uint32_t>(shards::kJumpFactor >> 32));
  const auto one_f = hn::Set(df, 1.0), two31 = hn::Set(df, 0x1p31);
  const auto next_of = [&](auto shard, auto draw) HWY_ATTR {
    return hn::DemoteTo(dh, hn::Mul(hn::Add(hn::PromoteTo(df, shard), one_f),
                                    hn::Div(two31, hn::Add(hn::PromoteTo(df, draw), one_f))));
  };
  size_t done = 0;
  for (size_t going = n; going != 0;) {
    size_t kept = 0;
    for (size_t i = 0; i < going; i += lanes) {
      const auto l = hn::Load(d, lower + i), h = hn::Load(d, upper + i);
      const auto shard = hn::Load(d, at + i), key = hn::Load(d, which + i);
      // state * factor + 1: the sum carries where the lower half of the product is all ones.
      const auto low = hn::Add(hn::Mul(l, factor_lower), one);
      const auto carry = hn::VecFromMask(d, hn::Eq(low, hn::Zero(d)));  // -1
      const auto high =
          hn::Sub(hn::Add(hn::Add(MulHigh32(d, l, factor_lower), hn::Mul(l, factor_upper)),
                          hn::Mul(h, factor_lower)),
                  carry);
      const auto draw = hn::BitCast(di, hn::ShiftRight<1>(high)), from = hn::BitCast(di, shard);
      const auto next =
          hn::BitCast(d, hn::Combine(di, next_of(hn::UpperHalf(dh, from), hn::UpperHalf(dh, draw)),
                                     next_of(hn::LowerHalf(dh, from), hn::LowerHalf(dh, draw))));
      // Lanes behind the last key count for nothing. A jump too far for 32 bits is no less than
      // 2^31 - 1.
      const auto live = hn::FirstN(d, going - i);
      const auto on = hn::And(live, hn::Lt(next, most)), end = hn::AndNot(on, live);
      const auto leave = OrderOf(d, end), stay = OrderOf(d, on);
      hn::StoreU(Packed(hn::Or(hn::ShiftLeft<16>(key), shard), leave), d, arrived + done);
      done += hn::CountTrue(d, end);
      hn::StoreU(Packed(high, stay), d, upper + kept);
      hn::StoreU(Packed(low, stay), d, lower + kept);
      hn::StoreU(Packed(next, stay), d, at + kept);
      hn::StoreU(Packed(key, stay), d, which + kept);
      kept += hn::CountTrue(d, on);
    }
    going = kept;
  }
  for (size_t i = 0; i < n; ++i) out[arrived[i] >> 16] = static_cast<Shard>(arrived[i]);
#endif
}

inline void ByJump(uint32_t count, const uint64_t* HWY_RESTRICT keys, size_t n,
                   Shard* HWY_RESTRICT out) {
  const size_t whole = n - n % kMostLanes;
  for (size_t i = 0; i < whole; i += kJumpBlock)
    JumpBlock(count, keys + i, HWY_MIN(kJumpBlock, whole - i), out + i);
  for (size_t i = whole; i < n; ++i) out[i] = shards::by_jump(keys[i], count);
}

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
