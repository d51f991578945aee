// The SIMD code of http_parse. Included by http_parse.cpp once for each target, below what it uses
// from there.
//
// No include guard: it must be read again for every target.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "support/mask_bits-inl.h"
#include "support/places-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
HttpHead ParseByParts(const char* text, size_t size, HttpField* fields) {
  return parse_http_head(text, size, fields);
}
HttpHead ParseByMasks(const char* text, size_t size, HttpField* fields) {
  return parse_http_head(text, size, fields);
}
#else

// What is no token character falls into eight groups: the bytes of one or more rows (by their upper
// four bits) that have certain columns. A byte is in a group where both look-ups have its bit.
HWY_ALIGN constexpr uint8_t kRows[16] = {
    0x60, 0x80, 0x01, 0x02, 0x04, 0x08, 0x00, 0x10,  // rows 0 to 7; row 6 has token characters only
    0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20};
constexpr uint8_t kAll = 0x20 | 0x80, kControl = 0x40 | 0x80;
HWY_ALIGN constexpr uint8_t kColumns[16] = {
    kAll | 0x40 | 0x01 | 0x04,         // blank @
    kAll | 0x40,                       //
    kAll | 0x40 | 0x01,                // "
    kAll | 0x40,                       //
    kAll | 0x40,                       //
    kAll | 0x40,                       //
    kAll | 0x40,                       //
    kAll | 0x40,                       //
    kAll | 0x40 | 0x01,                // (
    kAll | 0x01,                       // ) and the tab, the one control character that values have
    kAll | 0x40 | 0x02,                // :
    kAll | 0x40 | 0x02 | 0x08 | 0x10,  // ; [ {
    kAll | 0x40 | 0x01 | 0x02 | 0x08,  // , < backslash
    kAll | 0x40 | 0x02 | 0x08 | 0x10,  // = ] }
    kAll | 0x40 | 0x02,                // >
    kAll | 0x40 | 0x01 | 0x02 | 0x10,  // / ? and DEL
};

// The groups that each byte is in: none for token characters.
template <class D>
HWY_INLINE hn::Vec<D> Groups(D d, hn::Vec<D> bytes) {
  const auto rows = hn::TableLookupBytes(hn::LoadDup128(d, kRows), hn::ShiftRight<4>(bytes));
  const auto columns =
      hn::TableLookupBytes(hn::LoadDup128(d, kColumns), hn::And(bytes, hn::Set(d, 0x0f)));
  return hn::And(rows, columns);
}
template <class D>
HWY_INLINE hn::Mask<D> IsControl(D d, hn::Vec<D> bytes, hn::Vec<D> groups) {
  return hn::Or(hn::Ne(hn::And(groups, hn::Set(d, kControl)), hn::Zero(d)),
                hn::Eq(bytes, hn::Set(d, 0x7f)));
}
template <class D>
HWY_INLINE hn::Mask<D> IsInvisible(D d, hn::Vec<D> bytes) {
  return hn::Gt(hn::Sub(bytes, hn::Set(d, 0x21)), hn::Set(d, 0x7e - 0x21));
}

// ------------------------------------------------------------------------------------------------
// By parts.

using Part = hn::CappedTag<uint8_t, 16>;  // most parts end within one
using PartBytes = hn::Vec<Part>;

// The first byte from `at` on for which ends(bytes) is true; `kind` says the same of one byte.
template <class Ends>
HWY_INLINE size_t SkipPart(const char* text, size_t at, size_t size, uint8_t kind, Ends ends) {
  const Part d;
  for (; at + hn::Lanes(d) <= size; at += hn::Lanes(d)) {
    const auto bytes = hn::LoadU(d, reinterpret_cast<const uint8_t*>(text) + at);
    const intptr_t first = hn::FindFirstTrue(d, ends(bytes));
    if (first >= 0) return at + static_cast<size_t>(first);
  }
  while (at < size && is_http(text[at], kind)) ++at;
  return at;
}

// What is well-formed, else as parse_http_head: as it does, but a vector a step.
HttpHead ParseByParts(const char* text, size_t size, HttpField* fields) {
  const Part d;
  const auto no_token = [d](PartBytes bytes)
                            HWY_ATTR { return hn::Ne(Groups(d, bytes), hn::Zero(d)); };
  const auto no_text = [d](PartBytes bytes)
                           HWY_ATTR { return IsControl(d, bytes, Groups(d, bytes)); };
  const auto not_visible = [d](PartBytes bytes) HWY_ATTR { return IsInvisible(d, bytes); };
  const auto in_doubt = [=] { return parse_http_head(text, size, fields); };
  const auto place = [](size_t at) { return static_cast<uint32_t>(at); };
  // Behind the end of a line at `at`; 0: there is none.
  const auto next_line = [=](size_t at) -> size_t {
    at += at < size && text[at] == '\r';
    return at < size && text[at] == '\n' ? at + 1 : 0;
  };

  HttpHead head;
  size_t at = SkipPart(text, 0, size, kHttpToken, no_token);
  if (at == 0 || at == size || text[at] != ' ') return in_doubt();
  head.method = {0, place(at)};
  const size_t target = at + 1;
  at = SkipPart(text, target, size, kHttpVisible, not_visible);
  if (at == target || size - at < 10 || std::memcmp(text + at, " HTTP/1.", 8) != 0)
    return in_doubt();
  head.target = {place(target), place(at - target)};
  const unsigned digit = static_cast<uint8_t>(text[at + 8]) - unsigned{'0'};
  size_t line = next_line(at + 9);
  if (digit > 9 || line == 0) return in_doubt();
  head.minor = static_cast<uint8_t>(digit);

  HttpBody body;
  for (size_t count = 0;; ++count) {
    if (const size_t end = next_line(line); end != 0) {
      head.body = body.size();
      head.end = place(end);
      head.fields = static_cast<uint16_t>(count);
      head.answer = HttpAnswer::kComplete;
      return head;
    }
    const size_t colon = SkipPart(text, line, size, kHttpToken, no_token);
    if (count == kMostFields || colon == line || colon == size || text[colon] != ':')
      return in_doubt();
    size_t value = colon + 1;
    while (value < size && is_http_blank(text[value])) ++value;
    size_t end = SkipPart(text, value, size, kHttpText, no_text);
    const size_t next = next_line(end);
    if (next == 0) return in_doubt();
    while (end > value && is_http_blank(text[end - 1])) --end;
    fields[count] = {{place(line), place(colon - line)}, {place(value), place(end - value)}};
    if (body.add(text, fields[count]) != HttpAnswer::kComplete) return in_doubt();
    line = next;
  }
}

// ------------------------------------------------------------------------------------------------
// By masks.

// What stands at each of 64 bytes, the first in the lowest bit.
struct HttpMasks {
  uint64_t token = 0, control = 0, cr = 0, lf = 0;
};

HWY_INLINE HttpMasks Classify(const char* text) {
  const hn::CappedTag<uint8_t, 64> d;
  HttpMasks masks;
  for (size_t i = 0; i < 64; i += hn::Lanes(d)) {
    const auto bytes = hn::LoadU(d, reinterpret_cast<const uint8_t*>(text) + i);
    const auto groups = Groups(d, bytes);
    masks.token |= MaskBits(d, hn::Eq(groups, hn::Zero(d))) << i;
    masks.control |= MaskBits(d, IsControl(d, bytes, groups)) << i;
    masks.cr |= MaskBits(d, hn::Eq(bytes, hn::Set(d, '\r'))) << i;
    masks.lf |= MaskBits(d, hn::Eq(bytes, hn::Set(d, '\n'))) << i;
  }
  return masks;
}

// The same at `at`, of which `size` bytes are text; behind its end there is nothing. Never reads
// there: the last 64 bytes are classified as they lie, and moved to their place afterwards.
HWY_INLINE HttpMasks ClassifyUpTo(const char* text, size_t at, size_t size) {
  if (HWY_LIKELY(at + 64 <= size)) return Classify(text + at);
  if (HWY_UNLIKELY(size < 64)) {
    char padded[64] = {};
    std::memcpy(padded, text, size);
    return Classify(padded);
  }
  HttpMasks masks = Classify(text + size - 64);
  const size_t past = at + 64 - size;  // below 64
  masks.token >>= past;
  masks.control >>= past;
  masks.cr >>= past;
  masks.lf >>= past;
  return masks;
}

HWY_INLINE bool AllVisible(const char* text, size_t begin, size_t end, size_t size) {
  const hn::CappedTag<uint8_t, 64> d;
  for (; begin < end && begin + hn::Lanes(d) <= size; begin += hn::Lanes(d)) {
    const auto bytes = hn::LoadU(d, reinterpret_cast<const uint8_t*>(text) + begin);
    const uint64_t bad = MaskBits(d, IsInvisible(d, bytes));
    const size_t left = end - begin;
    if ((left >= 64 ? bad : bad & ((uint64_t{1} << left) - 1)) != 0) return false;
  }
  for (; begin < end; ++begin)
    if (!is_http(text[begin], kHttpVisible)) return false;
  return true;
}

// The places where names end (or the method) and where lines do, in order: two a line, of all lines
// before the empty one that ends the head. False where the head has no end or a control character
// that it must not have.
constexpr size_t kPlacesAStep = 6;  // two lines are seldom more in 64 bytes
struct HttpPlaces {
  static constexpr size_t kMost = 2 * (kMostFields + 1);
  uint32_t places[kMost + kMostPlaces<kPlacesAStep>];
  size_t count = 0;
  size_t end = 0;  // behind the head
};

HWY_INLINE bool FindPlaces(const char* text, size_t size, HttpPlaces& out) {
  // What the 64 bytes before leave over: a line begins, a name goes on, the last byte was a CR, and
  // one at the beginning of its line.
  uint64_t begins = 1, goes_on = 0, after_cr = 0, after_first_cr = 0;
  size_t count = 0;
  for (size_t at = 0; at < size && count <= HttpPlaces::kMost; at += 64) {
    const HttpMasks is = ClassifyUpTo(text, at, size);
    const uint64_t first = is.lf << 1 | begins;
    // Each bit of `from` that is added to a run of token characters carries to the byte behind it.
    const uint64_t from = first | goes_on;
    const uint64_t sum = from + is.token;
    const uint64_t first_cr = first & is.cr;
    const uint64_t names = sum & ~is.token & ~first_cr;
    const uint64_t empty = is.lf & (first | first_cr << 1 | after_first_cr);
    const uint64_t wrong = (is.control & ~is.cr & ~is.lf) | ((is.cr << 1 | after_cr) & ~is.lf);
    const uint64_t before = empty == 0 ? ~uint64_t{0} : (empty & (0 - empty)) - 1;
    if (HWY_UNLIKELY((wrong & before) != 0)) return false;
    count += WritePlaces<kPlacesAStep>((names | is.lf) & before, static_cast<uint32_t>(at),
                                       out.places + count);
    if (empty != 0) {
      out.count = count;
      out.end = at + static_cast<size_t>(std::countr_zero(empty)) + 1;
      return true;
    }
    begins = is.lf >> 63;
    goes_on = sum < from ? 1 : 0;
    after_cr = is.cr >> 63;
    after_first_cr = first_cr >> 63;
  }
  return false;
}

// What is well-formed, else as parse_http_head.
HttpHead ParseByMasks(const char* text, size_t size, HttpField* fields) {
  HttpPlaces found;
  const auto in_doubt = [=] { return parse_http_head(text, size, fields); };
  // A line of token characters and an LF has one place instead of two. Then a place that should be
  // a colon's is an LF's, which is seen there.
  if (HWY_UNLIKELY(!FindPlaces(text, size, found)) || found.count < 2 ||
      found.count > HttpPlaces::kMost)
    return in_doubt();
  const uint32_t* const places = found.places;
  const auto end_of_line = [text](uint32_t lf) { return lf - (text[lf - 1] == '\r' ? 1u : 0u); };

  HttpHead head;
  const uint32_t method = places[0], line_end = end_of_line(places[1]);
  constexpr uint32_t kVersion = 8;  // bytes
  if (HWY_UNLIKELY(method == 0 || line_end < method + kVersion + 3)) return in_doubt();
  const uint32_t target_end = line_end - kVersion - 1;
  const unsigned digit = static_cast<uint8_t>(text[line_end - 1]) - unsigned{'0'};
  if (HWY_UNLIKELY(text[method] != ' ' || digit > 9 ||
                   std::memcmp(text + target_end, " HTTP/1.", 8) != 0 ||
                   !AllVisible(text, method + 1, target_end, size)))
    return in_doubt();
  head.method = {0, method};
  head.target = {method + 1, target_end - method - 1};
  head.minor = static_cast<uint8_t>(digit);

  HttpBody body;
  HttpField* to = fields;
  uint32_t line = places[1] + 1;
  for (size_t i = 2; i < found.count; i += 2) {
    const uint32_t colon = places[i], lf = places[i + 1];
    if (HWY_UNLIKELY(text[colon] != ':' || colon == line)) return in_doubt();
    uint32_t value = colon + 1, end = end_of_line(lf);
    value += text[value] == ' ' ? 1 : 0;
    while (HWY_UNLIKELY(is_http_blank(text[value])) && value < end) ++value;
    while (end > value && HWY_UNLIKELY(is_http_blank(text[end - 1]))) --end;
    *to = {{line, colon - line}, {value, end - value}};
    if (HWY_UNLIKELY(body.add(text, *to) != HttpAnswer::kComplete)) return in_doubt();
    ++to;
    line = lf + 1;
  }
  head.body = body.size();
  head.end = static_cast<uint32_t>(found.end);
  head.fields = static_cast<uint16_t>(to - fields);
  head.answer = HttpAnswer::kComplete;
  return head;
}
#endif  // HWY_SCALAR

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
