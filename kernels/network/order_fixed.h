// Orders in a fixed layout: a decoder checks a few lengths, and then reads fields where they lie.
//
//   offset  0  uint32   bytes of this order, a multiple of 8
//           4  uint16   bytes of the note      6  uint16  number of lines
//           8  uint64   id                    16  int64   time_ns
//          24  uint32   customer              28  int32   clock_offset_us
//          32  double   discount, or 0
//          40  uint8    status                41  uint8   1 where there is a discount
//          42  6 bytes  zero
//          48  lines, 16 bytes each: double price, uint32 product, uint32 quantity
//              the note, and zeros up to a multiple of 8
//
// All little-endian. An order begins where the one before ends; the first may lie anywhere.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <stdexcept>
#include <string_view>

#include "network/orders.h"

namespace headroom::orders {

// What decode() returns for bytes that aren't orders.
inline constexpr std::size_t kRefused = std::numeric_limits<std::size_t>::max();

// Before an encoder writes what takes at most so many bytes.
inline void need_room(const char* at, const char* end, std::size_t bytes) {
  if (static_cast<std::size_t>(end - at) < bytes) throw std::length_error("the wire is full");
}

class FixedLayout {
 public:
  // Writes the orders to `wire`, and returns how many bytes they take. Throws std::length_error
  // where there is no room for them.
  static std::size_t encode(std::span<const Order> orders, std::span<char> wire) {
    char* at = wire.data();
    const char* const end = at + wire.size();
    for (const Order& order : orders) {
      const std::size_t lines_bytes = order.lines.size() * sizeof(Line);
      const std::size_t bytes = kHead + lines_bytes + (order.note.size() + 7) / 8 * 8;
      need_room(at, end, bytes);
      // One word each: what is narrower is put together in a register, not by stores of its own,
      // which the decoder's wide load would have to wait for.
      store_little(at, bytes | std::uint64_t{order.note.size()} << 32 |
                           std::uint64_t{order.lines.size()} << 48);
      store_little(at + 8, order.id);
      store_little(at + 16, order.time_ns);
      store_little(
          at + 24,
          order.customer | std::uint64_t{static_cast<std::uint32_t>(order.clock_offset_us)} << 32);
      store_double(at + 32, order.has_discount ? order.discount : 0);
      store_little(at + 40, std::uint64_t{order.status} | std::uint64_t{order.has_discount} << 8);
      char* to = at + kHead;
      for (const Line& line : order.lines) {
        store_double(to, line.price);
        store_little(to + 8, line.product | std::uint64_t{line.quantity} << 32);
        to += sizeof(Line);
      }
      at += bytes;
      if (!order.note.empty()) {
        store_little(at - 8, std::uint64_t{0});
        copy_note(to, order.note);
      }
    }
    return static_cast<std::size_t>(at - wire.data());
  }

  // Hands every order to a receiver, and its digest to `digests`. Returns how many there are;
  // kRefused where the bytes aren't orders, or are more than there is room for.
  static std::size_t decode(std::string_view wire, std::span<std::uint64_t> digests) {
    const char* at = wire.data();
    std::size_t left = wire.size();
    std::size_t count = 0;
    for (; left != 0; ++count) {
      if (left < kHead || count == digests.size()) return kRefused;
      const std::uint64_t lengths = load_little<std::uint64_t>(at);
      const std::size_t bytes = lengths & 0xffffffff;
      const std::size_t note = lengths >> 32 & 0xffff, lines = lengths >> 48;
      // The lengths must be each other's: one comparison, and no sum can overflow.
      if (bytes != kHead + lines * sizeof(Line) + (note + 7) / 8 * 8 || bytes > left)
        return kRefused;
      const std::uint64_t flags = load_little<std::uint64_t>(at + 40);
      if ((flags & ~std::uint64_t{0x103}) != 0) return kRefused;
      const std::string_view text(at + kHead + lines * sizeof(Line), note);

      Receiver to;
      if (!to.unchecked_note(text)) return kRefused;
      to.id(load_little<std::uint64_t>(at + 8));
      to.time_ns(load_little<std::int64_t>(at + 16));
      to.customer(load_little<std::uint32_t>(at + 24), load_little<std::int32_t>(at + 28));
      to.status(flags & 3);
      to.discount_if((flags >> 8) != 0, load_double(at + 32));
      for (const char *line = at + kHead, *const last = text.data(); line != last;
           line += sizeof(Line))
        to.line(load_little<std::uint32_t>(line + 8), load_little<std::uint32_t>(line + 12),
                load_double(line));
      digests[count] = to.digest();
      at += bytes;
      left -= bytes;
    }
    return count;
  }

  static std::size_t most_bytes(const Order& order) {
    return kHead + order.lines.size() * sizeof(Line) + order.note.size() + 8;
  }

 private:
  static constexpr std::size_t kHead = 48;
};

}  // namespace headroom::orders
