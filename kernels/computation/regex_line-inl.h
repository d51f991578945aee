// regex_line in SIMD: all characters of a line are classified at once. Included by regex_line.cpp
// once for each target, below what it uses from there.
//
// No include guard: it must be read again for every target.
#include <bit>
#include <cstddef>
#include <cstdint>

#include "computation/digits-inl.h"
#include "support/mask_bits-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET != HWY_SCALAR
// Which of the 64 bytes from `at` on are digits, points, blanks and path characters.
struct Classes {
  uint64_t digits, points, blanks, path;
};

HWY_INLINE Classes Classify(const char* at) {
  const hn::CappedTag<uint8_t, 64> d;
  const hn::RebindToSigned<decltype(d)> di;
  Classes classes{};
  for (size_t i = 0; i < 64; i += hn::Lanes(d)) {
    const auto bytes = hn::LoadU(d, reinterpret_cast<const uint8_t*>(at) + i);
    const auto digit = IsDigit(d, bytes);
    // As IsDigit: to the 26 largest numbers that a signed byte holds.
    const auto letter =
        hn::Gt(hn::BitCast(di, hn::Add(bytes, hn::Set(d, 127 - 'z'))), hn::Set(di, 127 - 26));
    const auto point = hn::Eq(bytes, hn::Set(d, '.'));
    const auto blank = hn::Eq(bytes, hn::Set(d, ' '));
    const auto slash = hn::Eq(bytes, hn::Set(d, '/'));
    classes.digits |= MaskBits(di, digit) << i;
    classes.points |= MaskBits(d, point) << i;
    classes.blanks |= MaskBits(d, blank) << i;
    classes.path |= (MaskBits(di, letter) | MaskBits(d, slash)) << i;
  }
  classes.path |= classes.digits;
  return classes;
}

HWY_INLINE uint64_t Below(size_t k) { return (uint64_t{1} << k) - 1; }

// Reads the parts of a line, of which `ends` says where they end, and whether each of them is as
// long as it may be. What characters they are of is for the caller to say.
HWY_INLINE bool ReadParts(const char* line, const size_t (&ends)[8], Record& record) {
  bool good = true;
  // Numbers of one to three digits, behind each other, so that no blank is before a point.
  size_t begin = 0;
  for (size_t i = 0; i < 4; ++i) {
    const size_t digits = ends[i] - begin;
    good &= digits - 1 < 3;
    record.address[i] = static_cast<uint16_t>(
        eight_digits(eight_before(line + ends[i], static_cast<int64_t>(digits))));
    begin = ends[i] + 1;
  }
  // The method with its blank and the path's slash, as one number.
  const size_t method = begin, path = ends[4] + 1;
  uint64_t word = load_eight(line + method);
  const size_t word_size = path - method;  // with the blank
  good &= word_size - 4 < 2;
  constexpr uint64_t kGet = 0x20544547, kPut = 0x20545550, kPost = 0x2054534f50;
  word &= Below(8 * (word_size & 7));
  record.method = word == kGet    ? Method::kGet
                  : word == kPut  ? Method::kPut
                  : word == kPost ? Method::kPost
                                  : Method::kNone;
  good &= record.method != Method::kNone && line[path] == '/';
  record.path_begin = static_cast<uint16_t>(path);
  record.path_size = static_cast<uint32_t>(ends[5] - path);
  good &= ends[6] - ends[5] == 4;
  record.status = static_cast<uint16_t>(eight_digits(eight_before(line + ends[6], 3)));
  const size_t last = ends[7] - ends[6] - 1;
  good &= last - 1 < 9;
  const char* const bytes = line + ends[7];
  record.bytes =
      static_cast<uint32_t>(eight_digits(eight_before(bytes, static_cast<int64_t>(last))));
  if (last == 9) record.bytes += 100'000'000 * static_cast<uint32_t>(bytes[-9] - '0');
  record.good = true;
  return good;
}

// A line of up to 63 characters. What is where is read off masks of all of them: the first three
// points and the first four blanks end the numbers, and everything between must be of its class.
HWY_INLINE Record ParseShort(const char* line, const char* end) {
  const size_t length = static_cast<size_t>(end - line);
  const Classes classes = Classify(line);
  const uint64_t whole = Below(length);
  uint64_t points = classes.points & whole, blanks = classes.blanks & whole;
  if (std::popcount(points) != 3 || std::popcount(blanks) != 4) return kNoRecord;
  size_t ends[8];  // of each part, the last one's being the line's
  for (size_t i = 0; i < 3; ++i, points &= points - 1)
    ends[i] = static_cast<size_t>(std::countr_zero(points));
  for (size_t i = 3; i < 7; ++i, blanks &= blanks - 1)
    ends[i] = static_cast<size_t>(std::countr_zero(blanks));
  ends[7] = length;
  Record record = kNoRecord;
  const bool good = ReadParts(line, ends, record);
  // Every character is of the class that its place asks for.
  const size_t method = ends[3] + 1, path = ends[4] + 1;
  const uint64_t in_path = Below(ends[5]) & ~Below(path);
  const uint64_t in_method = Below(path) & ~Below(method);
  const uint64_t in_numbers = whole & ~in_path & ~in_method;
  const uint64_t right = (in_path & classes.path) | in_method |
                         (in_numbers & (classes.digits | classes.points | classes.blanks));
  return good && right == whole ? record : kNoRecord;
}

// A longer line: what is before its path is within the first 64 characters, what is behind it
// within the last 64, and all between are the path's. So the first blanks are read off a mask of
// the first 64, the last ones off a mask of the last 64.
HWY_INLINE Record ParseLong(const char* line, const char* end) {
  const size_t length = static_cast<size_t>(end - line);
  const size_t last = length - 64;  // where the last 64 begin
  const Classes head = Classify(line), tail = Classify(line + last);
  uint64_t points = head.points, blanks = head.blanks, last_blanks = tail.blanks;
  if (std::popcount(points) < 3 || std::popcount(blanks) < 2 || std::popcount(last_blanks) < 2)
    return kNoRecord;
  size_t ends[8];
  for (size_t i = 0; i < 3; ++i, points &= points - 1)
    ends[i] = static_cast<size_t>(std::countr_zero(points));
  for (size_t i = 3; i < 5; ++i, blanks &= blanks - 1)
    ends[i] = static_cast<size_t>(std::countr_zero(blanks));
  const size_t sixth = 63 - static_cast<size_t>(std::countl_zero(last_blanks));
  last_blanks &= Below(sixth);
  const size_t fifth = 63 - static_cast<size_t>(std::countl_zero(last_blanks));
  ends[5] = last + fifth, ends[6] = last + sixth, ends[7] = length;
  const size_t path = ends[4] + 1;
  if (path >= 64 || ends[5] <= path) return kNoRecord;
  Record record = kNoRecord;
  bool good = ReadParts(line, ends, record);
  // Of the first 64: the numbers before the method, and what is there of the path.
  const uint64_t in_numbers = Below(ends[3]);
  const uint64_t path_in_head = ~Below(path) & (ends[5] < 64 ? Below(ends[5]) : ~uint64_t{0});
  good &= std::popcount(head.points & in_numbers) == 3;
  good &= (in_numbers & ~(head.digits | head.points)) == 0 && (path_in_head & ~head.path) == 0;
  // Of the last 64: what is there of the path, then numbers.
  const uint64_t path_in_tail = Below(fifth) & ~(path > last ? Below(path - last) : 0);
  good &= (path_in_tail & ~tail.path) == 0;
  good &= (~Below(fifth) & ~(tail.digits | tail.blanks)) == 0;
  for (size_t at = 64; at < last; at += 64) {
    const uint64_t before_tail = last - at < 64 ? Below(last - at) : ~uint64_t{0};
    good &= (before_tail & ~Classify(line + at).path) == 0;
  }
  return good ? record : kNoRecord;
}
#endif

void ParseLines(const LineCall& in, Record* records) {
  for (size_t i = 0; i < in.count; ++i) {
#if HWY_TARGET != HWY_SCALAR
    const bool is_short = in.end(i) - in.begin(i) < 64;
    records[i] = is_short ? ParseShort(in.begin(i), in.end(i)) : ParseLong(in.begin(i), in.end(i));
#else
    records[i] = parse_line(in.begin(i), in.end(i));
#endif
  }
}

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
