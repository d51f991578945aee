// Orders in the formats of libraries, each used as its manual says who is in a hurry should:
// objects and builders live on between calls, and every decoder checks what it is given. What a
// format leaves to its reader (a status that there isn't, text that isn't UTF-8) is checked here as
// elsewhere.
//
// Included by encoding.cpp and its test; a library that is missing has no class.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "network/order_fixed.h"
#include "network/order_json.h"
#include "network/order_varint.h"
#include "network/orders.h"
#if HEADROOM_HAVE_SIMDJSON
#include <simdjson.h>
#endif
#if HEADROOM_HAVE_PROTOBUF
#include "network/encoding.pb.h"
#endif
#if HEADROOM_HAVE_FLATBUFFERS
#include "network/encoding_generated.h"
#endif
#if HEADROOM_HAVE_CAPNP
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/io.h>

#include "network/encoding.capnp.h"
#endif

namespace headroom::orders {

#if HEADROOM_HAVE_SIMDJSON
// One index for all lines (iterate_many), and members in the order in which they come: a look-up of
// one that is missing would go through the whole object.
class Simdjson {
 public:
  static constexpr std::size_t kPadding = simdjson::SIMDJSON_PADDING;  // bytes behind the wire

  static std::size_t encode(std::span<const Order> orders, std::span<char> wire) {
    return JsonWriter::encode(orders, wire);
  }
  static std::size_t most_bytes(const Order& order) { return JsonWriter::most_bytes(order); }

  std::size_t decode(std::string_view wire, std::span<std::uint64_t> digests) {
    std::size_t count = 0;
    if (wire.empty()) return 0;
    simdjson::ondemand::document_stream documents;
    const std::size_t batch = std::max(wire.size(), kSmallestBatch);
    if (parser_.iterate_many(wire.data(), wire.size(), batch).get(documents) != simdjson::SUCCESS)
      return kRefused;
    for (auto document : documents) {
      simdjson::ondemand::object object;
      if (count == digests.size() || document.get_object().get(object) != simdjson::SUCCESS ||
          !get(object, digests[count]))
        return kRefused;
      ++count;
    }
    return documents.truncated_bytes() == 0 ? count : kRefused;
  }

 private:
  static constexpr std::size_t kSmallestBatch = 4096;

  template <class Whole, class From>
  static bool narrow(From from, Whole& to) {
    to = static_cast<Whole>(from);
    return to == from;
  }
  static bool get(simdjson::ondemand::object& object, std::uint64_t& digest) {
    Receiver to;
    std::uint64_t id = 0, large = 0;
    std::int64_t time = 0, either = 0;
    std::uint32_t customer = 0;
    std::int32_t offset = 0;
    unsigned seen = 0;
    for (auto each : object) {
      simdjson::ondemand::field field;
      if (std::move(each).get(field) != simdjson::SUCCESS) return false;
      const simdjson::ondemand::raw_json_string name = field.key();
      auto value = field.value();
      bool good = true;
      if (name == "id") {
        good = value.get_uint64().get(id) == simdjson::SUCCESS;
        seen |= 1;
      } else if (name == "time_ns") {
        good = value.get_int64().get(time) == simdjson::SUCCESS;
        seen |= 2;
      } else if (name == "customer") {
        good = value.get_uint64().get(large) == simdjson::SUCCESS && narrow(large, customer);
        seen |= 4;
      } else if (name == "clock_offset_us") {
        good = value.get_int64().get(either) == simdjson::SUCCESS && narrow(either, offset);
        seen |= 8;
      } else if (name == "status") {
        std::string_view text;
        good = (seen & 16) == 0 && value.get_string().get(text) == simdjson::SUCCESS;
        std::uint64_t status = 0;
        while (status < kStatuses && kStatusNames[status] != text) ++status;
        good = good && status < kStatuses;
        to.status(status);
        seen |= 16;
      } else if (name == "discount") {
        double discount = 0;
        good = (seen & 32) == 0 && value.get_double().get(discount) == simdjson::SUCCESS;
        to.discount(discount);
        seen |= 32;
      } else if (name == "note") {
        std::string_view text;
        good = (seen & 64) == 0 && value.get_string().get(text) == simdjson::SUCCESS;
        to.note(text);
        seen |= 64;
      } else if (name == "lines") {
        good = (seen & 128) == 0 && get_lines(value, to);
        seen |= 128;
      }
      if (!good) return false;
    }
    if ((seen | 32) != 255) return false;
    to.id(id);
    to.time_ns(time);
    to.customer(customer, offset);
    digest = to.digest();
    return true;
  }
  static bool get_lines(simdjson::ondemand::value& value, Receiver& to) {
    simdjson::ondemand::array lines;
    if (value.get_array().get(lines) != simdjson::SUCCESS) return false;
    for (auto each : lines) {
      simdjson::ondemand::object line;
      if (each.get_object().get(line) != simdjson::SUCCESS) return false;
      std::uint64_t large = 0;
      std::uint32_t product = 0, quantity = 0;
      double price = 0;
      if (line["product"].get_uint64().get(large) != simdjson::SUCCESS || !narrow(large, product) ||
          line["quantity"].get_uint64().get(large) != simdjson::SUCCESS ||
          !narrow(large, quantity) || line["price"].get_double().get(price) != simdjson::SUCCESS)
        return false;
      to.line(product, quantity, price);
    }
    return true;
  }
  simdjson::ondemand::parser parser_;
};
#endif

#if HEADROOM_HAVE_PROTOBUF
// A message that is cleared keeps its memory: after the first orders nothing is allocated.
class Protobuf {
 public:
  std::size_t encode(std::span<const Order> orders, std::span<char> wire) {
    char* at = wire.data();
    const char* const end = at + wire.size();
    for (const Order& order : orders) {
      sent_.Clear();
      sent_.set_id(order.id);
      sent_.set_time_ns(order.time_ns);
      sent_.set_customer(order.customer);
      sent_.set_clock_offset_us(order.clock_offset_us);
      sent_.set_status(static_cast<pb::Status>(order.status));
      if (order.has_discount) sent_.set_discount(order.discount);
      sent_.set_note(order.note.data(), order.note.size());
      for (const Line& line : order.lines) {
        pb::Line* const to = sent_.add_lines();
        to->set_product(line.product);
        to->set_quantity(line.quantity);
        to->set_price(line.price);
      }
      const std::size_t bytes = sent_.ByteSizeLong();
      need_room(at, end, bytes + 4);
      store_little(at, static_cast<std::uint32_t>(bytes));
      at = reinterpret_cast<char*>(
          sent_.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(at + 4)));
    }
    return static_cast<std::size_t>(at - wire.data());
  }

  std::size_t decode(std::string_view wire, std::span<std::uint64_t> digests) {
    const char* at = wire.data();
    const char* const end = at + wire.size();
    std::size_t count = 0;
    for (; at != end; ++count) {
      if (end - at < 4 || count == digests.size()) return kRefused;
      const std::size_t bytes = load_little<std::uint32_t>(at);
      at += 4;
      if (static_cast<std::size_t>(end - at) < bytes ||
          !got_.ParseFromArray(at, static_cast<int>(bytes)) || !pb::Status_IsValid(got_.status()))
        return kRefused;
      Receiver to;
      to.id(got_.id());
      to.time_ns(got_.time_ns());
      to.customer(got_.customer(), got_.clock_offset_us());
      to.status(static_cast<std::uint64_t>(got_.status()));
      if (got_.has_discount()) to.discount(got_.discount());
      to.note(got_.note());
      for (const pb::Line& line : got_.lines())
        to.line(line.product(), line.quantity(), line.price());
      digests[count] = to.digest();
      at += bytes;
    }
    return count;
  }
  static std::size_t most_bytes(const Order& order) { return Tagged::most_bytes(order); }

 private:
  pb::Order sent_, got_;
};
#endif

#if HEADROOM_HAVE_FLATBUFFERS
// The builder keeps its memory. Lines are structs, copied as they are.
class Flatbuffers {
 public:
  std::size_t encode(std::span<const Order> orders, std::span<char> wire) {
    char* at = wire.data();
    const char* const end = at + wire.size();
    for (const Order& order : orders) {
      builder_.Clear();
      fb::Line* to = nullptr;
      const auto lines =
          builder_.CreateUninitializedVectorOfStructs<fb::Line>(order.lines.size(), &to);
      for (const Line& line : order.lines)
        *to++ = fb::Line(line.price, line.product, line.quantity);
      const auto note = builder_.CreateString(order.note.data(), order.note.size());
      fb::OrderBuilder fields(builder_);
      fields.add_id(order.id);
      fields.add_time_ns(order.time_ns);
      if (order.has_discount) fields.add_discount(order.discount);
      fields.add_customer(order.customer);
      fields.add_clock_offset_us(order.clock_offset_us);
      fields.add_note(note);
      fields.add_lines(lines);
      fields.add_status(order.status);
      builder_.FinishSizePrefixed(fields.Finish());
      // An order with nothing but defaults in it isn't a multiple of eight, and the next one's
      // numbers would not be aligned.
      const std::size_t bytes = builder_.GetSize(), padded = aligned(bytes);
      need_room(at, end, padded);
      store_little(at + padded - 8, std::uint64_t{0});
      std::memcpy(at, builder_.GetBufferPointer(), bytes);
      at += padded;
    }
    return static_cast<std::size_t>(at - wire.data());
  }

  static std::size_t decode(std::string_view wire, std::span<std::uint64_t> digests) {
    const auto* at = reinterpret_cast<const std::uint8_t*>(wire.data());
    const auto* const end = at + wire.size();
    std::size_t count = 0;
    for (; at != end; ++count) {
      if (end - at < 4 || count == digests.size()) return kRefused;
      const std::size_t bytes =
          std::size_t{load_little<std::uint32_t>(reinterpret_cast<const char*>(at))} + 4;
      if (static_cast<std::size_t>(end - at) < aligned(bytes)) return kRefused;
      flatbuffers::Verifier verifier(at, bytes);
      if (!verifier.VerifySizePrefixedBuffer<fb::Order>(nullptr)) return kRefused;
      const fb::Order& order = *flatbuffers::GetSizePrefixedRoot<fb::Order>(at);
      const std::string_view note =
          order.note() == nullptr ? std::string_view()
                                  : std::string_view(order.note()->c_str(), order.note()->size());
      Receiver to;
      if (order.status() >= kStatuses || !to.unchecked_note(note)) return kRefused;
      // The verifier of version 2.0 looks at where a vector is, not at where its structs are.
      if (order.lines() != nullptr && order.lines()->size() != 0 &&
          reinterpret_cast<std::uintptr_t>(order.lines()->Data()) % alignof(fb::Line) != 0)
        return kRefused;
      to.id(order.id());
      to.time_ns(order.time_ns());
      to.customer(order.customer(), order.clock_offset_us());
      to.status(order.status());
      if (const auto discount = order.discount()) to.discount(*discount);
      if (order.lines() != nullptr)
        for (const fb::Line* line : *order.lines())
          to.line(line->product(), line->quantity(), line->price());
      digests[count] = to.digest();
      at += aligned(bytes);
    }
    return count;
  }
  static std::size_t most_bytes(const Order& order) {
    return 160 + order.note.size() + order.lines.size() * sizeof(Line);
  }

 private:
  static std::size_t aligned(std::size_t bytes) { return (bytes + 7) / 8 * 8; }
  flatbuffers::FlatBufferBuilder builder_;
};
#endif

#if HEADROOM_HAVE_CAPNP
// Each message is built in the same memory, which the builder leaves zeroed. A reader checks the
// bounds of what it is asked for, when it is asked.
class CapnProto {
 public:
  std::size_t encode(std::span<const Order> orders, std::span<char> wire) {
    kj::ArrayOutputStream out(kj::arrayPtr(reinterpret_cast<kj::byte*>(wire.data()), wire.size()));
    for (const Order& order : orders) {
      capnp::MallocMessageBuilder message(kj::arrayPtr(scratch_, std::size(scratch_)));
      auto to = message.initRoot<cp::Order>();
      to.setId(order.id);
      to.setTimeNs(order.time_ns);
      to.setCustomer(order.customer);
      to.setClockOffsetUs(order.clock_offset_us);
      to.setStatus(order.status);
      to.setHasDiscount(order.has_discount);
      to.setDiscount(order.has_discount ? order.discount : 0);
      if (!order.note.empty()) {
        auto note = to.initNote(static_cast<unsigned>(order.note.size()));
        std::memcpy(note.begin(), order.note.data(), order.note.size());
      }
      auto lines = to.initLines(static_cast<unsigned>(order.lines.size()));
      for (unsigned i = 0; i < lines.size(); ++i) {
        auto line = lines[i];
        line.setProduct(order.lines[i].product);
        line.setQuantity(order.lines[i].quantity);
        line.setPrice(order.lines[i].price);
      }
      capnp::writeMessage(out, message);
    }
    return out.getArray().size();
  }

  // The wire begins at a multiple of eight.
  static std::size_t decode(std::string_view wire, std::span<std::uint64_t> digests) {
    if (wire.size() % sizeof(capnp::word) != 0) return kRefused;
    const auto* at = reinterpret_cast<const capnp::word*>(wire.data());
    const auto* const end = at + wire.size() / sizeof(capnp::word);
    std::size_t count = 0;
    try {
      for (; at != end; ++count) {
        if (count == digests.size()) return kRefused;
        capnp::FlatArrayMessageReader message(kj::arrayPtr(at, end));
        const auto order = message.getRoot<cp::Order>();
        const capnp::Text::Reader text = order.getNote();
        const std::string_view note(text.begin(), text.size());
        Receiver to;
        if (order.getStatus() >= kStatuses || !to.unchecked_note(note)) return kRefused;
        to.id(order.getId());
        to.time_ns(order.getTimeNs());
        to.customer(order.getCustomer(), order.getClockOffsetUs());
        to.status(order.getStatus());
        to.discount_if(order.getHasDiscount(), order.getDiscount());
        for (const auto line : order.getLines())
          to.line(line.getProduct(), line.getQuantity(), line.getPrice());
        digests[count] = to.digest();
        at = message.getEnd();
      }
    } catch (const kj::Exception&) {
      return kRefused;
    }
    return count;
  }
  static std::size_t most_bytes(const Order& order) {
    return 160 + order.note.size() + order.lines.size() * sizeof(Line);
  }

 private:
  capnp::word scratch_[256] = {};
};
#endif

}  // namespace headroom::orders
