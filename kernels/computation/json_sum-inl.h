// The scanner of json_sum.cpp in SIMD. Included by json_sum.cpp once for each target, below what it
// uses from there.
//
// No include guard: it must be read again for every target.
#include <bit>
#include <cstddef>
#include <cstdint>

#include "support/mask_bits-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
Totals Scan(const char* text, size_t) { return scan_by_hand(text); }
#else

// What stands at each of 64 bytes, the first in the lowest bit. `names`: a colon here would be
// behind the last letters of one of the three names, if the character before it is a quote.
struct Masks {
  uint64_t quotes = 0, escapes = 0, colons = 0, opens = 0, closes = 0, names = 0;
};

HWY_INLINE Masks Classify(const char* text) {
  const hn::CappedTag<uint8_t, 64> d;
  Masks masks;
  for (size_t i = 0; i < 64; i += hn::Lanes(d)) {
    const uint8_t* const at = reinterpret_cast<const uint8_t*>(text) + i;
    const auto bytes = hn::LoadU(d, at);
    // Brackets and braces differ in one bit.
    const auto folded = hn::Or(bytes, hn::Set(d, 0x20));
    masks.quotes |= MaskBits(d, hn::Eq(bytes, hn::Set(d, '"'))) << i;
    masks.escapes |= MaskBits(d, hn::Eq(bytes, hn::Set(d, '\\'))) << i;
    masks.colons |= MaskBits(d, hn::Eq(bytes, hn::Set(d, ':'))) << i;
    masks.opens |= MaskBits(d, hn::Eq(folded, hn::Set(d, '{'))) << i;
    masks.closes |= MaskBits(d, hn::Eq(folded, hn::Set(d, '}'))) << i;
    // The last three letters of price and quantity, and of id with its quote: zero where they are.
    const auto third = hn::LoadU(d, at - 4), second = hn::LoadU(d, at - 3),
               last = hn::LoadU(d, at - 2);
    const auto from_i = hn::Xor(third, hn::Set(d, 'i'));
    const auto differs = [d](auto a, auto b, char c) HWY_ATTR {
      return hn::Or(a, hn::Xor(b, hn::Set(d, static_cast<uint8_t>(c))));
    };
    const auto id = differs(differs(hn::Xor(third, hn::Set(d, '"')), second, 'i'), last, 'd');
    const auto price = differs(differs(from_i, second, 'c'), last, 'e');
    const auto quantity = differs(differs(from_i, second, 't'), last, 'y');
    const auto least = hn::Min(hn::Min(id, price), quantity);
    masks.names |= MaskBits(d, hn::Eq(least, hn::Zero(d))) << i;
  }
  return masks;
}

// Each bit becomes the parity of those up to it: made from the quotes that open and close strings,
// it is set within strings. That is a product without carries, by all ones, where processors have
// it (Langdale and Lemire, 2019).
HWY_INLINE uint64_t PrefixXor(uint64_t bits) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_SSE4
  const hn::Full128<uint64_t> d;
  return hn::GetLane(hn::CLMulLower(hn::Set(d, bits), hn::Set(d, ~uint64_t{0})));
#else
  for (int shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
  return bits;
#endif
}

// The characters that a backslash escapes, from the backslashes of 64 bytes. `carry` is 1 where the
// block before escapes the first one, and then says so for the next block.
//
// Of a run of backslashes every other one escapes, from its first on. Subtracting the run from the
// odd bits, with what comes behind it, turns over the bits of runs that begin at an even place, and
// leaves the others as they are: a few operations, whether there are many or none (as in simdjson
// 3). In texts with links and line ends a branch would be mispredicted all the time.
HWY_INLINE uint64_t Escaped(uint64_t backslashes, uint64_t& carry) {
  constexpr uint64_t kOdd = 0xaaaaaaaaaaaaaaaa;
  const uint64_t starts = backslashes & ~carry;  // one that is escaped itself escapes nothing
  const uint64_t series = ((starts << 1 | kOdd) - starts) ^ kOdd;
  const uint64_t escaped = series ^ (backslashes | carry);
  carry = (series & backslashes) >> 63;
  return escaped;
}

// `size` bytes of text, 64 a step: a block's masks say where its strings are, which colons are
// behind the last letters of a name that is asked for, and how deep each lies. Only those are
// visited, and those that have a blank before them. Like scan_by_hand it trusts the text.
Totals Scan(const char* text, size_t size) {
  Totals totals;
  uint64_t in_string = 0, carry = 0, quote_before = 0;
  int64_t depth = 0;
  uint64_t id = 0, quantity = 0;
  double price = 0;
  int seen = 0;
  for (size_t begin = 0; begin < size; begin += 64) {
    Masks masks = Classify(text + begin);
    const uint64_t behind_quote = masks.quotes << 1 | quote_before;
    quote_before = masks.quotes >> 63;
    masks.quotes &= ~Escaped(masks.escapes, carry);
    const uint64_t strings = PrefixXor(masks.quotes) ^ in_string;
    in_string = 0 - (strings >> 63);
    uint64_t colons = masks.colons & ~strings & (masks.names | ~behind_quote);
    const uint64_t opens = masks.opens & ~strings, closes = masks.closes & ~strings;
    for (; colons != 0; colons &= colons - 1) {
      const uint64_t before = (colons & (0 - colons)) - 1;
      // Only members of the objects in the array.
      if (depth + std::popcount(opens & before) - std::popcount(closes & before) != 2) continue;
      const char* const colon = text + begin + std::countr_zero(colons);
      const char* name_end = colon - 1;
      while (HWY_UNLIKELY(*name_end != '"')) --name_end;
      // The last eight characters of the name, its last quote not counted. A quote that a name has
      // within it has a backslash before it.
      const uint64_t name = load_eight(name_end - 8);
      const char* value = colon + 1;
      constexpr uint64_t kQuantity = 0x797469746e617571;  // quantity
      constexpr uint64_t kPrice = 0x6563697270220000;     // "price
      constexpr uint64_t kId = 0x6469220000000000;        // "id
      if ((name & ~uint64_t{0xffffffffff}) == kId && name_end[-4] != '\\') {
        value = skip_blanks(value);
        id = read_whole(value);
      } else if ((name & ~uint64_t{0xffff}) == kPrice && name_end[-7] != '\\') {
        price = read_decimal(skip_blanks(value));
      } else if (name == kQuantity && name_end[-9] == '"' && name_end[-10] != '\\') {
        value = skip_blanks(value);
        quantity = read_whole(value);
      } else {
        continue;
      }
      if (++seen == 3) {
        totals.add(id, price, quantity);
        seen = 0;
      }
    }
    depth += std::popcount(opens) - std::popcount(closes);
  }
  return totals;
}
#endif  // HWY_SCALAR

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
