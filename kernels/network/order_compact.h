// Orders as differences from the order before, and numbers whose lengths stand together in front:
//
//   uint32  bytes of this order behind these four
//   uint16  how long numbers are, and flags (Control)
//   uint8   bytes of the note             uint8   number of lines
//           either may be 255: then both follow here as uint32
//   the numbers: id and time_ns less those of the order before, as zigzag numbers of 1, 2, 4 or 8
//   bytes; customer, and clock_offset_us as a zigzag number, of 1 to 4
//   double  discount, where there is one
//   the lines: a byte with two lengths; product and quantity of 1 to 4 bytes; double price
//   the note
//
// A length is known before its number is looked at, so that a number is one load and a mask: no
// branch for its bytes, and no shifts to collect it (as in group varint: Dean, "Challenges in
// building large-scale information retrieval systems", 2009).
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "network/order_fixed.h"
#include "network/order_varint.h"
#include "network/orders.h"

namespace headroom::orders {

class Compact {
 public:
  static std::size_t encode(std::span<const Order> orders, std::span<char> wire) {
    char* at = wire.data();
    const char* const end = at + wire.size();
    std::uint64_t last_id = 0, last_time = 0;
    for (const Order& order : orders) {
      need_room(at, end, most_bytes(order));
      char* const frame = at;
      const std::uint64_t id = zigzag(static_cast<std::int64_t>(order.id - last_id));
      const auto time_ns = static_cast<std::uint64_t>(order.time_ns);
      const std::uint64_t time = zigzag(static_cast<std::int64_t>(time_ns - last_time));
      const auto offset = static_cast<std::uint32_t>(zigzag(order.clock_offset_us));
      last_id = order.id;
      last_time = time_ns;
      const unsigned id_code = doubling_code(id), time_code = doubling_code(time);
      const unsigned customer_code = code(order.customer), offset_code = code(offset);
      const std::uint64_t control = order.status | unsigned{order.has_discount} << 2 |
                                    id_code << 3 | time_code << 5 | customer_code << 7 |
                                    offset_code << 9;
      const std::uint64_t note = order.note.size(), lines = order.lines.size();
      at += 8;
      const std::uint64_t short_note = std::min<std::uint64_t>(note, kLong),
                          few_lines = std::min<std::uint64_t>(lines, kLong);
      if (short_note == kLong || few_lines == kLong) {
        store_little(at, note | lines << 32);
        at += 8;
      }
      // Each store writes eight bytes; what comes next overwrites those that aren't its own.
      store_little(at, id);
      at += 1u << id_code;
      store_little(at, time);
      at += 1u << time_code;
      store_little(at, std::uint64_t{order.customer});
      at += customer_code + 1;
      store_little(at, std::uint64_t{offset});
      at += offset_code + 1;
      store_double(at, order.discount);
      at += order.has_discount ? 8 : 0;
      for (const Line& line : order.lines) {
        const unsigned product_code = code(line.product), quantity_code = code(line.quantity);
        store_little(at, product_code | quantity_code << 2 | std::uint64_t{line.product} << 8);
        at += product_code + 2;
        store_little(at, std::uint64_t{line.quantity});
        at += quantity_code + 1;
        store_double(at, line.price);
        at += 8;
      }
      copy_note(at, order.note);
      at += note;
      store_little(frame, static_cast<std::uint64_t>(at - frame - 4) | control << 32 |
                              short_note << 48 | few_lines << 56);
    }
    return static_cast<std::size_t>(at - wire.data());
  }

  static std::size_t decode(std::string_view wire, std::span<std::uint64_t> digests) {
    const char* at = wire.data();
    const char* const end = at + wire.size();
    std::uint64_t id = 0, time = 0;
    std::size_t count = 0;
    for (; at != end; ++count) {
      if (end - at < 8 || count == digests.size()) return kRefused;
      const std::uint64_t head = load_little<std::uint64_t>(at);
      const std::size_t bytes = head & 0xffffffff;
      if (bytes < 4 || static_cast<std::size_t>(end - at) < bytes + 4) return kRefused;
      const char* const frame_end = at + 4 + bytes;
      const auto control = static_cast<unsigned>(head >> 32 & 0xffff);
      std::size_t note = head >> 48 & 0xff, lines = head >> 56;
      at += 8;
      if (note == kLong || lines == kLong) {
        if (frame_end - at < 8) return kRefused;
        note = load_little<std::uint32_t>(at);
        lines = load_little<std::uint32_t>(at + 4);
        at += 8;
      }
      const bool has_discount = (control >> 2 & 1) != 0;
      const unsigned id_bytes = 1u << (control >> 3 & 3), time_bytes = 1u << (control >> 5 & 3);
      const unsigned customer_bytes = (control >> 7 & 3) + 1, offset_bytes = (control >> 9 & 3) + 1;
      const std::size_t numbers =
          id_bytes + time_bytes + customer_bytes + offset_bytes + (has_discount ? 8 : 0);
      // A line takes eleven bytes at least: what is left is enough for as many, and for no sum to
      // overflow.
      const std::size_t left = static_cast<std::size_t>(frame_end - at);
      if (control >> 11 != 0 || left < numbers + note || lines > (left - numbers - note) / 11)
        return kRefused;

      Receiver to;
      const char* const numbers_at = at;
      // Where eight bytes can be read from each of its places, a number is a load and a mask. The
      // last order's numbers are copied to where they can.
      char copy[2 * kMostNumbers];
      if (static_cast<std::size_t>(end - at) < kMostNumbers) {
        std::memset(copy, 0, sizeof copy);
        std::memcpy(copy, at, numbers);
        at = copy;
      }
      id += static_cast<std::uint64_t>(unzigzag(number(at, id_bytes)));
      at += id_bytes;
      time += static_cast<std::uint64_t>(unzigzag(number(at, time_bytes)));
      at += time_bytes;
      const std::uint64_t customer = number(at, customer_bytes);
      at += customer_bytes;
      const std::uint64_t offset = number(at, offset_bytes);
      at += offset_bytes;
      to.id(id);
      to.time_ns(static_cast<std::int64_t>(time));
      to.customer(static_cast<std::uint32_t>(customer),
                  static_cast<std::int32_t>(unzigzag(offset)));
      to.status(control & 3);
      if (has_discount) to.discount(load_double(at));
      at = numbers_at + numbers;
      for (; lines != 0; --lines) {
        if (frame_end - at < 11) return kRefused;
        // Product and quantity end within nine bytes, the price within seventeen.
        const unsigned codes = static_cast<unsigned char>(*at);
        const unsigned product_bytes = (codes & 3) + 1, quantity_bytes = (codes >> 2 & 3) + 1;
        const std::size_t line = 9 + product_bytes + quantity_bytes;
        if (codes > 15 || static_cast<std::size_t>(frame_end - at) < line) return kRefused;
        const std::uint64_t first = load_little<std::uint64_t>(at + 1);
        // Of the last eight bytes before the price those that are the quantity's.
        const std::uint64_t second = load_little<std::uint64_t>(at + line - 16);
        to.line(static_cast<std::uint32_t>(first & mask(product_bytes)),
                static_cast<std::uint32_t>(second >> (64 - 8 * quantity_bytes)),
                load_double(at + line - 8));
        at += line;
      }
      const std::string_view text(at, note);
      if (static_cast<std::size_t>(frame_end - at) != note || !to.unchecked_note(text))
        return kRefused;
      digests[count] = to.digest();
      at = frame_end;
    }
    return count;
  }

  static std::size_t most_bytes(const Order& order) {
    return 64 + order.note.size() + order.lines.size() * 17;
  }

 private:
  static constexpr std::uint64_t kLong = 255;
  static constexpr std::size_t kMostNumbers = 40;

  static std::uint64_t mask(unsigned bytes) { return ~std::uint64_t{0} >> (64 - 8 * bytes); }
  static std::uint64_t number(const char* at, unsigned bytes) {
    return load_little<std::uint64_t>(at) & mask(bytes);
  }
  // For 1 to 4 bytes: their number less one.
  static unsigned code(std::uint32_t value) {
    return static_cast<unsigned>(std::bit_width(value | 1) - 1) / 8;
  }
  // For 1, 2, 4 or 8 bytes: the logarithm of their number.
  static unsigned doubling_code(std::uint64_t value) {
    return static_cast<unsigned>(std::bit_width((std::bit_width(value | 1) - 1u) / 8));
  }
};

}  // namespace headroom::orders
