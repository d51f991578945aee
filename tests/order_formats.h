// Orders for the tests of their formats, and what every format has to keep (network/encoding).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "catch.h"
#include "core/random.h"
#include "network/order_fixed.h"
#include "network/orders.h"

namespace headroom::orders {

// Orders that own what they refer to.
class Samples {
 public:
  // Numbers of every length, notes and lines of up to these sizes.
  Samples(std::size_t count, std::uint64_t seed, std::size_t most_note = 40,
          std::size_t most_lines = 5) {
    Rng rng(seed);
    const auto number = [&rng](int bits) {
      const std::uint64_t all = rng() >> (64 - bits);
      return all >> bounded(rng, static_cast<std::uint64_t>(bits));
    };
    for (std::size_t i = 0; i < count; ++i) {
      Order order;
      order.id = number(64);
      order.time_ns = static_cast<std::int64_t>(number(64));
      order.customer = static_cast<std::uint32_t>(number(32));
      order.clock_offset_us = static_cast<std::int32_t>(number(32));
      order.status = static_cast<Status>(bounded(rng, kStatuses));
      order.has_discount = bounded(rng, 2) == 0;
      if (order.has_discount) order.discount = normal(rng);
      std::string note;
      for (std::uint64_t k = bounded(rng, most_note + 1); k > 0; --k)
        note +=
            bounded(rng, 8) == 0 ? "\xe2\x82\xac" : std::string(1, static_cast<char>(rng() & 0x7f));
      std::vector<Line> lines(bounded(rng, most_lines + 1));
      for (Line& line : lines)
        line = {normal(rng) * 1e6, static_cast<std::uint32_t>(number(32)),
                static_cast<std::uint32_t>(number(32))};
      add(order, std::move(note), std::move(lines));
    }
  }
  Samples() = default;
  void add(Order order, std::string note, std::vector<Line> lines) {
    notes_.push_back(std::make_unique<std::string>(std::move(note)));
    lines_.push_back(std::make_unique<std::vector<Line>>(std::move(lines)));
    order.note = *notes_.back();
    order.lines = *lines_.back();
    orders_.push_back(order);
  }
  std::span<const Order> orders() const { return orders_; }
  std::vector<std::uint64_t> digests() const {
    std::vector<std::uint64_t> all;
    for (const Order& order : orders_) all.push_back(received(order));
    return all;
  }

 private:
  std::vector<Order> orders_;
  std::vector<std::unique_ptr<std::string>> notes_;
  std::vector<std::unique_ptr<std::vector<Line>>> lines_;
};

template <class Format>
std::string encoded(std::span<const Order> orders) {
  std::size_t most = 0;
  for (const Order& order : orders) most += Format::most_bytes(order);
  std::vector<std::uint64_t> words(most / 8 + 1);  // aligned as any format wants
  char* const wire = reinterpret_cast<char*>(words.data());
  Format format;
  return {wire, format.encode(orders, {wire, most})};
}

// Decodes a copy that ends where its memory does, so that AddressSanitizer sees each byte too far.
template <class Format>
std::size_t decode_exactly(std::string_view wire, std::vector<std::uint64_t>& digests) {
  std::size_t behind = 0;
  if constexpr (requires { Format::kPadding; }) behind = Format::kPadding;
  const std::unique_ptr<char[]> copy(new char[wire.size() + behind]());
  std::memcpy(copy.get(), wire.data(), wire.size());
  Format format;
  return format.decode({copy.get(), wire.size()}, digests);
}

template <class Format>
bool refused(std::string_view wire) {
  std::vector<std::uint64_t> digests(64);
  return decode_exactly<Format>(wire, digests) == kRefused;
}

// The digests that come out; what is refused is told as one number.
template <class Format>
std::vector<std::uint64_t> passed(std::string_view wire, std::size_t most) {
  std::vector<std::uint64_t> digests(most);
  const std::size_t count = decode_exactly<Format>(wire, digests);
  if (count == kRefused) return {kRefused};
  digests.resize(count);
  return digests;
}

template <class Format>
void check_passes_everything() {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    const Samples samples(20, seed, seed % 5 == 0 ? 900 : 40, seed % 5 == 0 ? 600 : 5);
    const std::string wire = encoded<Format>(samples.orders());
    INFO("seed " << seed);
    CHECK(passed<Format>(wire, 20) == samples.digests());
    CHECK(passed<Format>(wire, 19) == std::vector<std::uint64_t>{kRefused});  // no room
  }
  CHECK(passed<Format>("", 0).empty());
  // The largest numbers and the smallest, and an order with nothing in it.
  Samples extremes;
  extremes.add({}, "", {});
  extremes.add({.id = ~std::uint64_t{0},
                .time_ns = std::numeric_limits<std::int64_t>::min(),
                .discount = std::numeric_limits<double>::max(),
                .customer = ~std::uint32_t{0},
                .clock_offset_us = std::numeric_limits<std::int32_t>::min(),
                .status = kReturned,
                .has_discount = true},
               std::string(kMostNote, '"'),
               std::vector<Line>(kMostLines, {-std::numeric_limits<double>::min(),
                                              ~std::uint32_t{0}, ~std::uint32_t{0}}));
  extremes.add({.time_ns = std::numeric_limits<std::int64_t>::max(),
                .clock_offset_us = std::numeric_limits<std::int32_t>::max(),
                .has_discount = true},
               std::string(255, 'x'), std::vector<Line>(255, {0.1, 0, 0}));
  CHECK(passed<Format>(encoded<Format>(extremes.orders()), 3) == extremes.digests());
}

// What is cut off is refused, or, at the end of an order, gives those before it.
template <class Format>
void check_refuses_what_is_cut_off() {
  const Samples samples(6, 7);
  const std::string wire = encoded<Format>(samples.orders());
  const std::vector<std::uint64_t> all = samples.digests();
  std::size_t whole = 0;
  for (std::size_t size = 0; size < wire.size(); ++size) {
    const std::vector<std::uint64_t> some =
        passed<Format>(std::string_view(wire).substr(0, size), 6);
    if (some == std::vector<std::uint64_t>{kRefused}) continue;
    // Of JSON's lines the last may end without its newline.
    if (some == all && wire.substr(size) == "\n") continue;
    INFO("the first " << size << " bytes");
    CHECK(some.size() < all.size());
    CHECK(std::equal(some.begin(), some.end(), all.begin()));
    whole += some.size() == whole;
  }
  CHECK(whole == all.size());  // none, one, ... all but the last
}

// Any bytes are refused or give orders: a sanitizer sees what is read or written beside them.
template <class Format>
void check_survives_edits(int edits) {
  Rng rng(11);
  std::size_t accepted = 0, rejected = 0;
  for (int i = 0; i < edits; ++i) {
    const Samples samples(3, bounded(rng, 50));
    std::string wire = encoded<Format>(samples.orders());
    for (std::uint64_t k = 1 + bounded(rng, 3); k > 0; --k) {
      const std::size_t at = bounded(rng, wire.size());
      switch (bounded(rng, 4)) {
        case 0:
          wire[at] = static_cast<char>(rng());
          break;
        case 1:
          wire[at] = static_cast<char>(wire[at] ^ 1 << bounded(rng, 8));
          break;
        case 2:
          wire.erase(at, 1 + bounded(rng, 9));
          if (wire.empty()) wire = "x";
          break;
        default:
          std::memset(wire.data() + at, rng() % 2 == 0 ? 0xff : 0,
                      std::min<std::size_t>(wire.size() - at, 1 + bounded(rng, 8)));
      }
    }
    (passed<Format>(wire, 8) == std::vector<std::uint64_t>{kRefused} ? rejected : accepted) += 1;
  }
  CHECK(accepted > 0);  // another digit is another number
  CHECK(rejected > 0);
}

// Where there is no room, an encoder says so, and has written nothing beside it.
template <class Format>
void check_keeps_to_its_room() {
  const Samples samples(4, 3);
  const std::size_t bytes = encoded<Format>(samples.orders()).size();
  for (std::size_t room = 0; room < bytes; room += 8) {
    const std::unique_ptr<char[]> wire(new char[room]);
    Format format;
    CHECK_THROWS(format.encode(samples.orders(), {wire.get(), room}));
  }
}

// Text that isn't UTF-8, wherever in the note it stands.
template <class Format>
void check_refuses_bad_text() {
  for (const std::string_view bad :
       {"\x80", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xe2\x82", "\xc3", "\xff", "\xe2\x28\xa1"})
    for (const std::size_t before : {0, 3, 7, 8, 9, 30})
      for (const std::size_t after : {0, 1, 8, 20}) {
        Samples samples;
        samples.add({}, std::string(before, 'a') + std::string(bad) + std::string(after, 'b'), {});
        INFO("after " << before << " bytes, before " << after);
        CHECK(refused<Format>(encoded<Format>(samples.orders())));
      }
}

}  // namespace headroom::orders
