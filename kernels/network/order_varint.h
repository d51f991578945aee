// Orders as numbers of varying length: with a tag before each field, in protobuf's wire format
// (protobuf.dev/programming-guides/encoding, "Encoding"), written and read by hand.
//
// A byte of a varint holds seven bits, and whether another one follows. Byte by byte that is a
// branch for each, and where numbers differ in length a misprediction for each number. Here a
// number is spread to bytes, or collected from them, by shifts in one register, and its length is
// counted.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "network/order_fixed.h"
#include "network/orders.h"

namespace headroom::orders {

inline std::uint64_t zigzag(std::int64_t value) {
  return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}
inline std::int64_t unzigzag(std::uint64_t bits) {
  return static_cast<std::int64_t>(bits >> 1 ^ (~(bits & 1) + 1));
}

inline constexpr std::uint64_t kHighBits = 0x8080808080808080;

// Writes at most ten bytes; those up to `at` + 8 may be overwritten.
inline char* put_varint(char* at, std::uint64_t value) {
  if (value >> 56 != 0) {
    for (; value >= 0x80; value >>= 7) *at++ = static_cast<char>(value | 0x80);
    *at++ = static_cast<char>(value);
    return at;
  }
  const int bytes = (std::bit_width(value | 1) * 9 + 64) / 64;  // bits / 7, rounded up
  std::uint64_t x = (value & 0x0fffffff) | (value & 0x00fffffff0000000) << 4;
  x = (x & 0x00003fff00003fff) | (x & 0x0fffc0000fffc000) << 2;
  x = (x & 0x007f007f007f007f) | (x & 0x3f803f803f803f80) << 1;
  store_little(at, x | (kHighBits & ((std::uint64_t{1} << 8 * (bytes - 1)) - 1)));
  return at + bytes;
}

// Reads a varint of at most ten bytes (of the tenth, one bit counts) that must end before `end`;
// bytes up to `readable` may be looked at. Returns the place behind it, or nullptr.
inline const char* get_varint_slowly(const char* at, const char* end, std::uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 70 && at < end; shift += 7) {
    const auto byte = static_cast<unsigned char>(*at++);
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return at;
  }
  return nullptr;
}
inline const char* get_varint(const char* at, const char* end, const char* readable,
                              std::uint64_t& value) {
  if (readable - at >= 8) {
    const std::uint64_t word = load_little<std::uint64_t>(at);
    const std::uint64_t ends = ~word & kHighBits;
    if (ends != 0) {
      // All bits up to the high one of the last byte.
      std::uint64_t x = word & (ends ^ (ends - 1)) & ~kHighBits;
      x = (x & 0x007f007f007f007f) | (x & 0x7f007f007f007f00) >> 1;
      x = (x & 0x00003fff00003fff) | (x & 0x3fff00003fff0000) >> 2;
      value = (x & 0x0fffffff) | (x & 0x0fffffff00000000) >> 4;
      at += std::countr_zero(ends) / 8 + 1;
      return at <= end ? at : nullptr;
    }
  }
  return get_varint_slowly(at, end, value);
}

// In encoding.proto's fields, byte for byte as protobuf's own code writes them, each order behind
// its length in four bytes. What has its default value isn't written, fields that are unknown are
// passed over, and any order of fields is read. Groups, which proto3 doesn't have, are refused.
class Tagged {
 public:
  static std::size_t encode(std::span<const Order> orders, std::span<char> wire) {
    char* at = wire.data();
    const char* const end = at + wire.size();
    for (const Order& order : orders) {
      need_room(at, end, most_bytes(order));
      char* const frame = at;
      at = put(order, frame + 4);
      store_little(frame, static_cast<std::uint32_t>(at - frame - 4));
    }
    return static_cast<std::size_t>(at - wire.data());
  }

  static std::size_t decode(std::string_view wire, std::span<std::uint64_t> digests) {
    const char* at = wire.data();
    const char* const end = at + wire.size();
    std::size_t count = 0;
    for (; at != end; ++count) {
      if (end - at < 4 || count == digests.size()) return kRefused;
      const std::size_t bytes = load_little<std::uint32_t>(at);
      at += 4;
      if (static_cast<std::size_t>(end - at) < bytes) return kRefused;
      if (!get(at, at + bytes, end, digests[count])) return kRefused;
      at += bytes;
    }
    return count;
  }

  static std::size_t most_bytes(const Order& order) {
    return 96 + order.note.size() + order.lines.size() * 32;
  }

 private:
  enum Wire : unsigned { kVarint = 0, kEight = 1, kLength = 2, kFour = 5 };
  static constexpr unsigned tag(unsigned field, Wire type) { return field << 3 | type; }

  static char* put_number(char* at, unsigned field, std::uint64_t value) {
    if (value == 0) return at;
    *at = static_cast<char>(tag(field, kVarint));
    return put_varint(at + 1, value);
  }
  static char* put_eight(char* at, unsigned field, std::uint64_t bits) {
    *at = static_cast<char>(tag(field, kEight));
    store_little(at + 1, bits);
    return at + 9;
  }
  static char* put(const Order& order, char* at) {
    at = put_number(at, 1, order.id);
    if (order.time_ns != 0) at = put_eight(at, 2, static_cast<std::uint64_t>(order.time_ns));
    at = put_number(at, 3, order.customer);
    at = put_number(at, 4, static_cast<std::uint32_t>(zigzag(order.clock_offset_us)));
    at = put_number(at, 5, order.status);
    if (order.has_discount) at = put_eight(at, 6, std::bit_cast<std::uint64_t>(order.discount));
    if (!order.note.empty()) {
      *at = static_cast<char>(tag(7, kLength));
      at = put_varint(at + 1, order.note.size());
      copy_note(at, order.note);
      at += order.note.size();
    }
    for (const Line& line : order.lines) {
      // A line takes at most 21 bytes: its length is one, and can be filled in behind it.
      char* const start = at;
      at = put_number(at + 2, 1, line.product);
      at = put_number(at, 2, line.quantity);
      const auto price = std::bit_cast<std::uint64_t>(line.price);
      if (price != 0) at = put_eight(at, 3, price);
      start[0] = static_cast<char>(tag(8, kLength));
      start[1] = static_cast<char>(at - start - 2);
    }
    return at;
  }

  // A tag and what follows it: `value` is the number, the eight bytes, or the length of `bytes`.
  struct Field {
    std::uint64_t value = 0;
    const char* bytes = nullptr;
    std::uint64_t tag = 0;
  };
  static const char* next(const char* at, const char* end, const char* readable, Field& field) {
    if (static_cast<signed char>(*at) >= 0)
      field.tag = static_cast<unsigned char>(*at++);
    else if (at = get_varint(at, end, readable, field.tag); at == nullptr)
      return nullptr;
    if (field.tag < 8 || field.tag > 0xffffffff) return nullptr;  // there is no field 0
    switch (field.tag & 7) {
      case kVarint:
        return get_varint(at, end, readable, field.value);
      case kEight:
        if (end - at < 8) return nullptr;
        field.value = load_little<std::uint64_t>(at);
        return at + 8;
      case kLength:
        at = get_varint(at, end, readable, field.value);
        if (at == nullptr || static_cast<std::uint64_t>(end - at) < field.value) return nullptr;
        field.bytes = at;
        return at + field.value;
      case kFour:
        return end - at < 4 ? nullptr : at + 4;
      default:
        return nullptr;
    }
  }

  static bool get(const char* at, const char* end, const char* readable, std::uint64_t& digest) {
    Receiver to;
    std::uint64_t id = 0, time = 0, customer = 0, offset = 0, status = 0, discount = 0;
    bool has_discount = false;
    std::string_view note;
    Field field;
    while (at != end) {
      at = next(at, end, readable, field);
      if (at == nullptr) return false;
      switch (field.tag) {
        case tag(1, kVarint):
          id = field.value;
          break;
        case tag(2, kEight):
          time = field.value;
          break;
        case tag(3, kVarint):
          customer = field.value;
          break;
        case tag(4, kVarint):
          offset = field.value;
          break;
        case tag(5, kVarint):
          status = field.value;
          break;
        case tag(6, kEight):
          discount = field.value;
          has_discount = true;
          break;
        case tag(7, kLength):
          note = {field.bytes, field.value};
          break;
        case tag(8, kLength):
          if (!get_line(field.bytes, at, readable, to)) return false;
          break;
        default:;
      }
    }
    // Numbers are cut to their fields' widths, as protobuf's own code does.
    status = static_cast<std::uint32_t>(status);
    if (status >= kStatuses || !to.unchecked_note(note)) return false;
    to.id(id);
    to.time_ns(static_cast<std::int64_t>(time));
    to.customer(static_cast<std::uint32_t>(customer),
                static_cast<std::int32_t>(unzigzag(static_cast<std::uint32_t>(offset))));
    to.status(status);
    to.discount_if(has_discount, std::bit_cast<double>(discount));
    digest = to.digest();
    return true;
  }

  static bool get_line(const char* at, const char* end, const char* readable, Receiver& to) {
    std::uint64_t product = 0, quantity = 0, price = 0;
    Field field;
    while (at != end) {
      at = next(at, end, readable, field);
      if (at == nullptr) return false;
      if (field.tag == tag(1, kVarint))
        product = field.value;
      else if (field.tag == tag(2, kVarint))
        quantity = field.value;
      else if (field.tag == tag(3, kEight))
        price = field.value;
    }
    to.line(static_cast<std::uint32_t>(product), static_cast<std::uint32_t>(quantity),
            std::bit_cast<double>(price));
    return true;
  }
};

}  // namespace headroom::orders
