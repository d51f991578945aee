// The messages of network/encoding: orders with a varying number of lines. What a sender holds,
// what a receiver does with one, and what every format's decoder has to check.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace headroom::orders {

// Laid out as on the wire of order_fixed.h: sixteen bytes without a gap.
struct Line {
  double price;
  std::uint32_t product;
  std::uint32_t quantity;
};
static_assert(sizeof(Line) == 16);

enum Status : std::uint8_t { kNew, kPaid, kSent, kReturned };
inline constexpr std::uint8_t kStatuses = 4;
inline constexpr std::string_view kStatusNames[kStatuses] = {"new", "paid", "sent", "returned"};

struct Order {
  std::uint64_t id = 0;
  std::int64_t time_ns = 0;     // since 1970
  double discount = 0;          // where has_discount
  std::string_view note;        // UTF-8, at most kMostNote bytes
  std::span<const Line> lines;  // at most kMostLines
  std::uint32_t customer = 0;
  std::int32_t clock_offset_us = 0;  // of either sign
  Status status = kNew;
  bool has_discount = false;
};
inline constexpr std::size_t kMostNote = 4096;
inline constexpr std::size_t kMostLines = 1024;

// A text's digest, and all its bytes or-ed together, in one pass: eight bytes a step, of which the
// last overlap those before; up to three are told apart by their number and any three of them.
struct TextWords {
  std::uint64_t digest;
  std::uint64_t bits;
};
// A product's high bit is its number's: two signs that are both wrong would cancel each other.
inline std::uint64_t folded(std::uint64_t number) { return number ^ number >> 32; }
inline TextWords words_of(std::string_view text) {
  constexpr std::uint64_t kBase = 0x9fb21c651e98df25;
  const char* const at = text.data();
  const std::size_t size = text.size();
  const auto eight = [](const char* from) {
    std::uint64_t word;
    std::memcpy(&word, from, sizeof word);
    return word;
  };
  const auto four = [](const char* from) {
    std::uint32_t word;
    std::memcpy(&word, from, sizeof word);
    return std::uint64_t{word};
  };
  const auto one = [](const char* from) {
    return std::uint64_t{static_cast<unsigned char>(*from)};
  };
  std::uint64_t sum = size * kBase, bits = 0, last = 0;
  if (size >= 8) {
    for (std::size_t i = 0; i + 8 < size; i += 8) {
      const std::uint64_t word = eight(at + i);
      sum = (sum + folded(word)) * kBase;
      bits |= word;
    }
    last = eight(at + size - 8);
  } else if (size >= 4) {
    last = four(at) | four(at + size - 4) << 32;
  } else if (size != 0) {
    last = one(at) | one(at + size / 2) << 8 | one(at + size - 1) << 16;
  }
  return {(sum + folded(last)) * kBase, bits | last};
}

// Whether the bytes are UTF-8: no overlong form, no surrogate, nothing above U+10FFFF.
inline bool valid_utf8_slowly(const unsigned char* at, const unsigned char* end) {
  while (at < end) {
    const unsigned first = *at++;
    if (first < 0x80) continue;
    if (first < 0xc2 || first > 0xf4) return false;
    const int more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    if (end - at < more) return false;
    // The second byte's range excludes overlong forms, surrogates and what is too large.
    const unsigned lowest = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const unsigned highest = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at[0] < lowest || at[0] > highest) return false;
    for (int i = 1; i < more; ++i)
      if ((at[i] & 0xc0) != 0x80) return false;
    at += more;
  }
  return true;
}

// Nearly all texts are ASCII.
inline bool valid_utf8(std::string_view text, std::uint64_t bits) {
  if ((bits & 0x8080808080808080) == 0) return true;
  const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
  return valid_utf8_slowly(bytes, bytes + text.size());
}
inline bool valid_utf8(std::string_view text) { return valid_utf8(text, words_of(text).bits); }

// What a receiver does: it reads every field of an order, once, in any order; lines in theirs. The
// digest depends on the value and the place of all of them: each has an odd factor of its own, so
// that another value of one is always seen, and the lines are a polynomial. Products that don't
// wait for each other: the receiver costs little beside the decoder, and no format's order suits it
// best.
class Receiver {
 public:
  void id(std::uint64_t id) { sum_ += folded(id) * 0x9e3779b97f4a7c15; }
  void time_ns(std::int64_t time) {
    sum_ += folded(static_cast<std::uint64_t>(time)) * 0xbf58476d1ce4e5b9;
  }
  void customer(std::uint32_t customer, std::int32_t clock_offset_us) {
    const auto offset = static_cast<std::uint32_t>(clock_offset_us);
    sum_ += folded(customer | std::uint64_t{offset} << 32) * 0x94d049bb133111eb;
  }
  void status(std::uint64_t status) { sum_ += (status + 1) * 0xd6e8feb86659fd93; }
  void discount(double discount) { discount_if(true, discount); }
  // For formats in which something stands there in any case: no branch.
  void discount_if(bool has_one, double discount) {
    sum_ += (0 - std::uint64_t{has_one}) &
            ((folded(std::bit_cast<std::uint64_t>(discount)) + 1) * 0xc2b2ae3d27d4eb4f);
  }
  void note(std::string_view note) { sum_ += words_of(note).digest * 0xa0761d6478bd642f; }
  // Where nobody has looked yet: false for what isn't UTF-8.
  bool unchecked_note(std::string_view note) {
    const TextWords words = words_of(note);
    sum_ += words.digest * 0xa0761d6478bd642f;
    return valid_utf8(note, words.bits);
  }
  void line(std::uint32_t product, std::uint32_t quantity, double price) {
    lines_ = lines_ * 0xff51afd7ed558ccd +
             (folded(product | std::uint64_t{quantity} << 32) + 1) * 0x8ebc6af09c88c6e3 +
             folded(std::bit_cast<std::uint64_t>(price)) * 0x589965cc75374cc3;
  }
  std::uint64_t digest() const { return sum_ + (lines_ ^ lines_ >> 32) * 0xe7037ed1a0b428db; }

 private:
  std::uint64_t sum_ = 0;
  std::uint64_t lines_ = 0;
};

// What the sender's own orders give.
inline std::uint64_t received(const Order& order) {
  Receiver to;
  to.id(order.id);
  to.time_ns(order.time_ns);
  to.customer(order.customer, order.clock_offset_us);
  to.status(order.status);
  to.discount_if(order.has_discount, order.discount);
  to.note(order.note);
  for (const Line& line : order.lines) to.line(line.product, line.quantity, line.price);
  return to.digest();
}

// Copies a short text without a call: pieces of constant size, the last of which overlaps.
inline void copy_note(char* to, std::string_view note) {
  const char* const from = note.data();
  const std::size_t size = note.size();
  if (size > 32) {
    std::memcpy(to, from, size);
  } else if (size >= 16) {
    std::memcpy(to, from, 16);
    std::memcpy(to + size - 16, from + size - 16, 16);
  } else if (size >= 8) {
    std::memcpy(to, from, 8);
    std::memcpy(to + size - 8, from + size - 8, 8);
  } else if (size >= 4) {
    std::memcpy(to, from, 4);
    std::memcpy(to + size - 4, from + size - 4, 4);
  } else {
    for (std::size_t i = 0; i < size; ++i) to[i] = from[i];
  }
}

// A number in little-endian byte order, wherever it lies.
template <class T>
T load_little(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  if constexpr (std::endian::native == std::endian::big) {
    if constexpr (sizeof value == 8) value = static_cast<T>(__builtin_bswap64(value));
    if constexpr (sizeof value == 4) value = static_cast<T>(__builtin_bswap32(value));
    if constexpr (sizeof value == 2) value = static_cast<T>(__builtin_bswap16(value));
  }
  return value;
}
template <class T>
void store_little(char* at, T value) {
  if constexpr (std::endian::native == std::endian::big)
    value = load_little<T>(reinterpret_cast<const char*>(&value));
  std::memcpy(at, &value, sizeof value);
}
inline double load_double(const char* at) {
  return std::bit_cast<double>(load_little<std::uint64_t>(at));
}
inline void store_double(char* at, double value) {
  store_little(at, std::bit_cast<std::uint64_t>(value));
}

}  // namespace headroom::orders
