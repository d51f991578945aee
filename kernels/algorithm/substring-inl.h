// A search for some bytes of the needle at a vector of places at once. Included by substring.cpp
// once for each target, after Probes and knuth_morris_pratt().
//
// No include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "support/mask_bits-inl.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

using Bytes = hn::CappedTag<uint8_t, 64>;

// What is looked for at every place: so many of a list of the needle's bytes. Ascending by what a
// group of places costs where none of them has these bytes.
struct Way {
  size_t count;
  bool first_last;  // the first two are the needle's first and last byte, else its rarest
};
constexpr Way kWays[] = {{2, false}, {2, true}, {3, false}, {4, false}, {6, false}, {8, false}};
constexpr size_t kWayCount = sizeof(kWays) / sizeof(kWays[0]);
constexpr size_t kFirstLast = 1, kRareThree = 2, kRareSix = 4;

// What things cost, about, in cycles of a processor that loads a vector across lines in two.
constexpr size_t kCostOfProbe = 8;  // a byte looked for at a group of four vectors of places
constexpr size_t kCostOfHit = 60;   // leaving the loop: mispredicted
constexpr size_t kCostOfNext = 12;  // again for the next group: foreseen
constexpr size_t kCostOfPlace = 8;  // one place compared with the needle
constexpr size_t kCostOfStep = 2;   // one byte of the needle, compared at a vector of places
constexpr size_t kFewPlaces = 6;    // of a group, compared one by one
constexpr size_t kMany = 8;         // places of a group with two bytes: a third won't do
constexpr size_t kTrial = 4;        // groups that tell what another way costs

struct Search {
  const uint8_t* text;
  size_t n;
  const uint8_t* needle;
  size_t m;
  const size_t* probes;  // offsets in the needle
  // A vector each, aligned: the needle's first bytes, then zeros; all ones where it has bytes.
  const uint8_t* head;
  const uint8_t* keep;
};

// Zero in the lanes of those places, of a vector's worth from `i` on, where the text has the bytes
// of the needle at each of the first kCount probes. (XOR and OR go through any port, and fuse into
// one instruction of AVX-512.)
template <size_t kCount>
HWY_INLINE hn::Vec<Bytes> Differences(const Search& s, size_t i) {
  const Bytes d;
  auto all = hn::Zero(d);
  for (size_t p = 0; p < kCount; ++p) {
    const size_t offset = s.probes[p];
    all = hn::Or(all, hn::Xor(hn::LoadU(d, s.text + i + offset), hn::Set(d, s.needle[offset])));
  }
  return all;
}

// Whether the needle is at `place`.
HWY_INLINE bool IsAt(const Search& s, size_t place) {
  const Bytes d;
  if (s.m > hn::Lanes(d) || place + hn::Lanes(d) > s.n)
    return std::memcmp(s.text + place, s.needle, s.m) == 0;
  const auto text = hn::And(hn::LoadU(d, s.text + place), hn::Load(d, s.keep));
  return hn::AllTrue(d, hn::Eq(text, hn::Load(d, s.head)));
}

// Appends those of a vector's worth of places from `i` on, the ones in `bits`, where the needle
// occurs; returns what that costs. Each byte of the needle is compared at all the places together,
// until none is left: at worst m steps for a whole vector of places, where one place after the
// other would take m steps each.
HWY_NOINLINE size_t ExamineMany(const Search& s, size_t i, uint64_t bits, Positions& out) {
  const Bytes d;
  auto differences = hn::Zero(d);
  size_t step = 0;
  while (step < s.m && bits != 0) {
    const size_t end = HWY_MIN(step + 8, s.m);
    for (; step < end; ++step)
      differences =
          hn::Or(differences, hn::Xor(hn::LoadU(d, s.text + i + step), hn::Set(d, s.needle[step])));
    bits &= MaskBits(d, hn::Eq(differences, hn::Zero(d)));
  }
  for (; bits != 0; bits &= bits - 1)
    out.push_back(static_cast<uint32_t>(i + hwy::Num0BitsBelowLS1Bit_Nonzero64(bits)));
  return step * kCostOfStep;
}

// The same for four vectors of places. A few are compared with the needle one by one, without a
// branch on which vector each is in: mostly there is only one, anywhere. One by one they are also
// in order; what is left are places of the last vectors.
HWY_NOINLINE size_t Examine(const Search& s, size_t i, uint64_t b0, uint64_t b1, uint64_t b2,
                            uint64_t b3, Positions& out) {
  const size_t lanes = hn::Lanes(Bytes());
  uint64_t words[4] = {b0, b1, b2, b3};
  uint32_t left =
      uint32_t{b0 != 0} | uint32_t{b1 != 0} << 1 | uint32_t{b2 != 0} << 2 | uint32_t{b3 != 0} << 3;
  size_t cost = 0;
  while (left != 0) {
    const size_t w = hwy::Num0BitsBelowLS1Bit_Nonzero32(left);
    if (cost == kFewPlaces * kCostOfPlace) {
      for (size_t k = w; k < 4; ++k)
        if (words[k] != 0) cost += ExamineMany(s, i + k * lanes, words[k], out);
      break;
    }
    const uint64_t bits = words[w];
    const size_t place = i + w * lanes + hwy::Num0BitsBelowLS1Bit_Nonzero64(bits);
    if (HWY_UNLIKELY(IsAt(s, place))) out.push_back(static_cast<uint32_t>(place));
    words[w] = bits & (bits - 1);
    left &= ~(uint32_t{words[w] == 0} << w);
    cost += kCostOfPlace;
  }
  return cost;
}

// The places from `i` on that have the bytes looked for, of a vector's worth.
template <size_t kCount>
HWY_INLINE uint64_t Candidates(const Search& s, size_t i) {
  const Bytes d;
  return MaskBits(d, hn::Eq(Differences<kCount>(s, i), hn::Zero(d)));
}

// A vector's worth of places from `i` on, the first `from` and all from `to` on left out.
HWY_INLINE size_t ExamineOne(const Search& s, size_t i, size_t from, size_t to, Positions& out) {
  const uint64_t below_to = to >= 64 ? ~uint64_t{0} : (uint64_t{1} << to) - 1;
  const uint64_t bits = Candidates<2>(s, i) & below_to & (~uint64_t{0} << from);
  return bits == 0 ? 0 : Examine(s, i, bits, 0, 0, 0, out);
}

// Looks at groups of four vectors of places from `i` on, up to `end`, or until more than `most` of
// them had a place to examine. Adds to `cost` what hits cost, and returns where it stopped. The
// probes' bytes stay in registers.
template <size_t kCount>
HWY_INLINE size_t Scan(const Search& s, size_t i, size_t end, size_t most, size_t& cost,
                       Positions& out) {
  const Bytes d;
  const size_t lanes = hn::Lanes(d);
  const auto zero = hn::Zero(d);
  size_t foreseen = ~size_t{0};
  for (; i + 4 * lanes <= end; i += 4 * lanes) {
    const auto v0 = Differences<kCount>(s, i), v1 = Differences<kCount>(s, i + lanes),
               v2 = Differences<kCount>(s, i + 2 * lanes),
               v3 = Differences<kCount>(s, i + 3 * lanes);
    const auto any = hn::Min(hn::Min(v0, v1), hn::Min(v2, v3));
    if (HWY_LIKELY(hn::AllFalse(d, hn::Eq(any, zero)))) continue;
    const uint64_t b0 = MaskBits(d, hn::Eq(v0, zero)), b1 = MaskBits(d, hn::Eq(v1, zero)),
                   b2 = MaskBits(d, hn::Eq(v2, zero)), b3 = MaskBits(d, hn::Eq(v3, zero));
    cost += (i == foreseen ? kCostOfNext : kCostOfHit) + Examine(s, i, b0, b1, b2, b3, out);
    foreseen = i + 4 * lanes;
    if (most-- == 0) return i + 4 * lanes;
  }
  return i;
}

// How many places of the four vectors from `i` on have the first two bytes looked for: 0 to 256.
HWY_INLINE size_t CandidatesOfGroup(const Search& s, size_t i) {
  const size_t lanes = hn::Lanes(Bytes());
  size_t sum = 0;
  for (size_t k = 0; k < 4; ++k) sum += hwy::PopCount(Candidates<2>(s, i + k * lanes));
  return sum;
}

// Which way to go on. What a way costs here is known only from trying it, so that each is tried for
// a few groups if it could be cheaper than the present one, provided that it finds less; and the
// longer it has been no better, the more seldom it is tried again. More bytes are tried at once
// where the present ones are found all the time.
class Choice {
 public:
  explicit Choice(size_t way) : way_(way), best_(way) {
    for (size_t& due : due_) due = kShortest;
  }

  size_t way() const { return way_; }
  // Another than the present best.
  bool other() const { return way_ != best_; }
  // In this block it isn't known yet that the way is any good.
  bool trying() const { return other() || cost_ == 0; }

  // The other way is no better here.
  void refuse() {
    wait_[way_] = HWY_MIN(HWY_MAX(2 * wait_[way_], kShortest), kLongest);
    due_[way_] = groups_ + wait_[way_];
    way_ = best_;
  }

  // A block of `groups` has cost so much.
  void count(size_t groups, size_t cost) {
    cost = (groups * floor(way_) + cost) * 16 / groups;
    groups_ += groups;
    if (way_ == best_) {
      // Nothing at all was found with many bytes, or where much was: two of them may do.
      if (cost == 16 * floor(way_) && wait_[0] <= kShortest &&
          (kWays[way_].count > 4 || 2 * cost_ > 3 * cost))
        due_[0] = groups_;
      cost_ = cost_ == 0 ? cost : (3 * cost_ + cost) / 4;
    } else if (cost + cost / 8 < cost_) {
      wait_[best_] = kShortest;
      due_[best_] = groups_ + kShortest;
      best_ = way_;
      cost_ = cost;
    } else {
      refuse();
    }
    way_ = best_;
    for (size_t more = best_ + 1; more < kWayCount; ++more)
      if (wait_[more] == 0 && floor(more) * 18 < cost_ && cost_ > 64 * floor(best_)) {
        way_ = more;
        return;
      }
    for (size_t w = 0; w < kWayCount && floor(w) * 18 < cost_; ++w)
      if (w != best_ && groups_ >= due_[w]) {
        way_ = w;
        return;
      }
  }

 private:
  static constexpr size_t kShortest = 64, kLongest = 512;  // groups
  static size_t floor(size_t way) { return kWays[way].count * kCostOfProbe; }

  size_t way_, best_, cost_ = 0, groups_ = 0;
  size_t wait_[kWayCount] = {}, due_[kWayCount];
};

}  // namespace

// 1 <= m <= n. `adaptive`: changes between two bytes and more of them, as what is found where asks
// for, and gives up for a linear method when nothing helps.
void FindAll(const uint8_t* text, size_t n, const uint8_t* needle, size_t m, const Probes& probes,
             bool adaptive, Positions& out) {
  const Bytes d;
  const size_t lanes = hn::Lanes(d);
  const size_t places = n - m + 1;
  size_t i = 0, cost = 0;
  if (places < lanes) {
    for (; i < places; ++i) {
      size_t j = 0;
      while (j < m && text[i + j] == needle[j]) ++j;
      if (j == m) out.push_back(static_cast<uint32_t>(i));
    }
    return;
  }
  const size_t first_last[2] = {0, m - 1};
  HWY_ALIGN uint8_t head[64] = {}, keep[64] = {};
  const size_t in_head = HWY_MIN(m, lanes);
  std::memcpy(head, needle, in_head);
  std::memset(keep, 0xff, in_head);
  Search s{text, n, needle, m, probes.offsets, head, keep};
  // From here on places up to i are done, and the first probe's loads are aligned.
  const auto align = [&]() HWY_ATTR {
    const size_t past = reinterpret_cast<uintptr_t>(text + i + s.probes[0]) % lanes;
    if (past == 0 || places - i < lanes) return;
    cost += ExamineOne(s, i, 0, lanes - past, out);
    i += lanes - past;
  };
  align();
  const size_t block = adaptive ? 16 * 4 * lanes : places;
  size_t first_way = probes.two_are_rare ? 0 : kRareThree;
  // What is rare in most texts may be all over this one: a look at its beginning is cheaper than to
  // examine what is found there.
  if (adaptive && places - i >= 4 * lanes) {
    const size_t found = CandidatesOfGroup(s, i);
    if (found > kMany) {
      first_way = kRareSix;
    } else if (found > 1 && first_way == 0) {
      s.probes = first_last;
      if (2 * CandidatesOfGroup(s, i) <= found)
        first_way = kFirstLast;
      else
        s.probes = probes.offsets;
    }
  }
  const auto probes_of = [&](size_t way)
                             HWY_ATTR { return way == kFirstLast ? first_last : probes.offsets; };
  Choice choice(first_way);
  while (places - i >= 4 * lanes) {
    const size_t way = choice.way(), from = i, before = cost;
    const size_t end = HWY_MIN(i + (choice.other() ? kTrial * 4 * lanes : block), places);
    const size_t most = adaptive && choice.trying() ? 2 : ~size_t{0};
    switch (adaptive ? kWays[way].count : 2) {
      case 2:
        i = Scan<2>(s, i, end, most, cost, out);
        break;
      case 3:
        i = Scan<3>(s, i, end, most, cost, out);
        break;
      case 4:
        i = Scan<4>(s, i, end, most, cost, out);
        break;
      case 6:
        i = Scan<6>(s, i, end, most, cost, out);
        break;
      default:
        i = Scan<8>(s, i, end, most, cost, out);
    }
    if (!adaptive) continue;
    if (cost > 16384 + 8 * i) return knuth_morris_pratt(text, n, needle, m, i, out);
    choice.count((i - from) / (4 * lanes), cost - before);
    // Before two other bytes are tried: are they all over the next group?
    if (choice.other() && kWays[choice.way()].count == 2 && places - i >= 4 * lanes) {
      Search next = s;
      next.probes = probes_of(choice.way());
      if (CandidatesOfGroup(next, i) > 1) choice.refuse();
    }
    const size_t* const chosen = probes_of(choice.way());
    if (chosen != s.probes) {
      s.probes = chosen;
      align();
    }
  }
  for (; places - i >= lanes; i += lanes) ExamineOne(s, i, 0, lanes, out);
  // The last places again, as a whole vector: what comes before i in it has been reported.
  if (i < places) ExamineOne(s, places - lanes, lanes - (places - i), lanes, out);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
