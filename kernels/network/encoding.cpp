// network/encoding: n orders to bytes for the wire, and from there to who receives them.
//
// In: n orders (orders.h): numbers, a time, a status, a note, a discount that one in four has, and
// one to six lines; those of consecutive calls differ (2^15 of them rotate). One call writes them
// one after the other into a buffer, each so that it can be read alone, and then reads them from
// there. Out: for each order a digest of all its fields, as the receiver got them. Exact. The
// buffer is memory: there is no network in it, but the bytes per order are told, which a network
// takes time for.
//
// Text has to be printed digit by digit and parsed byte by byte. Numbers in binary with a tag
// before each (protobuf; Varda, 2008) are a fraction of that, and half the size. Where every field
// has its place, nothing is left to decode: a receiver checks some lengths and reads from the
// buffer itself (as FlatBuffers and Cap'n Proto do).
//
// A decoder refuses what was cut off or changed so that it is no order any more, and never reads
// outside the buffer. (A changed digit is another number: no format here has a checksum.)
//
// Links: simdjson protobuf flatbuffers capnp
#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/kernel.h"
#include "network/encoding_peers.h"
#include "network/order_compact.h"
#include "network/order_fixed.h"
#include "network/order_json.h"
#include "network/order_maker.h"
#include "network/order_varint.h"
#include "network/orders.h"
#include "support/slices.h"

namespace headroom {
namespace {

using orders::Line;
using orders::Order;

constexpr std::size_t kOrders = std::size_t{1} << 15;  // carried; each is dozens of decisions

struct Encoding {
  static constexpr auto kInputs = inputs("prices", "readings");  // doubles of few digits, or many
  using Call = std::span<const Order>;
  struct Input {
    orders::Orders orders;
    Slices slices;
    Call at(std::size_t turn) const { return slices.of(orders.all, turn); }
  };
  struct Output {
    Buffer<std::uint64_t> digests;
    std::size_t count = 0;                 // of orders that were received
    double all_bytes = 0, all_orders = 0;  // of all calls
    std::span<const std::uint64_t> received() const { return {digests.data(), count}; }
    void poison() {
      headroom::poison(digests);
      count = 0;
    }
    bool spoil(Spoil how) { return spoil_counted(how, digests.data(), count); }
    void add_wire(std::size_t bytes, std::size_t orders) {
      all_bytes += static_cast<double>(bytes);
      all_orders += static_cast<double>(orders);
    }
    Quantities quantities() const {
      if (all_orders == 0) return {};
      return {{"wire_bytes", {all_bytes / all_orders, "B"}}};
    }
  };

  static Input make(const Setting& setting, Rng& rng);
  static Input from(std::span<const std::uint8_t> bytes);
  static void size(const Input& in, Output& out) {
    out.digests = Buffer<std::uint64_t>(in.slices.size());
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want.received(), got.received());
  }
};
using Call = Encoding::Call;
using Output = Encoding::Output;

// JSON through a tree of values, a document per line.
void naive(const Call& sent, Output& out) {
  using nlohmann::json;
  std::string wire;
  for (const Order& order : sent) {
    json lines = json::array();
    for (const Line& line : order.lines)
      lines.push_back(
          {{"product", line.product}, {"quantity", line.quantity}, {"price", line.price}});
    json document = {{"id", order.id},
                     {"time_ns", order.time_ns},
                     {"customer", order.customer},
                     {"clock_offset_us", order.clock_offset_us},
                     {"status", orders::kStatusNames[order.status]},
                     {"note", order.note},
                     {"lines", std::move(lines)}};
    if (order.has_discount) document["discount"] = order.discount;
    wire += document.dump();
    wire += '\n';
  }
  out.add_wire(wire.size(), sent.size());
  out.count = 0;
  for (std::size_t at = 0; at < wire.size();) {
    const std::size_t end = wire.find('\n', at);
    const json document = json::parse(std::string_view(wire).substr(at, end - at));
    orders::Receiver to;
    to.id(document.at("id").get<std::uint64_t>());
    to.time_ns(document.at("time_ns").get<std::int64_t>());
    to.customer(document.at("customer").get<std::uint32_t>(),
                document.at("clock_offset_us").get<std::int32_t>());
    const auto* const status =
        std::find(std::begin(orders::kStatusNames), std::end(orders::kStatusNames),
                  document.at("status").get_ref<const std::string&>());
    to.status(static_cast<std::uint64_t>(status - orders::kStatusNames));
    if (document.contains("discount")) to.discount(document.at("discount").get<double>());
    to.note(document.at("note").get_ref<const std::string&>());
    for (const json& line : document.at("lines"))
      to.line(line.at("product").get<std::uint32_t>(), line.at("quantity").get<std::uint32_t>(),
              line.at("price").get<double>());
    out.digests[out.count++] = to.digest();
    at = end + 1;
  }
}

// A format with what it keeps between calls, and a buffer that is large enough for any call. Its
// words are aligned as Cap'n Proto and FlatBuffers want them; behind them is what simdjson may
// read.
template <class Format>
class Peers {
 public:
  explicit Peers(const Encoding::Input& in) {
    std::size_t most = 0;
    for (std::size_t turn = 0; turn < in.slices.count(); ++turn) {
      std::size_t bytes = 0;
      for (const Order& order : in.at(turn)) bytes += Format::most_bytes(order);
      most = std::max(most, bytes);
    }
    buffer_ = Buffer<std::uint64_t>(most / 8 + 1 + kSlack / 8);
  }
  void round_trip(const Call& sent, Output& out) {
    char* const wire = reinterpret_cast<char*>(buffer_.data());
    const std::size_t bytes = format_.encode(sent, {wire, buffer_.size() * 8 - kSlack});
    out.add_wire(bytes, sent.size());
    out.count = format_.decode({wire, bytes}, {out.digests.data(), out.digests.size()});
    if (out.count == orders::kRefused) out.count = 0;
  }

 private:
  static constexpr std::size_t kSlack = 128;
  Format format_;
  Buffer<std::uint64_t> buffer_;
};

template <class Format>
void through(Peers<Format>& peers, const Call& sent, Output& out) {
  peers.round_trip(sent, out);
}

#if HEADROOM_HAVE_SIMDJSON
constexpr auto kSimdjsonRun = run<through<orders::Simdjson>>;
#else
constexpr auto kSimdjsonRun = kNotBuilt;
#endif
#if HEADROOM_HAVE_PROTOBUF
constexpr auto kProtobufRun = run<through<orders::Protobuf>>;
#else
constexpr auto kProtobufRun = kNotBuilt;
#endif
#if HEADROOM_HAVE_FLATBUFFERS
constexpr auto kFlatbuffersRun = run<through<orders::Flatbuffers>>;
#else
constexpr auto kFlatbuffersRun = kNotBuilt;
#endif
#if HEADROOM_HAVE_CAPNP
constexpr auto kCapnpRun = run<through<orders::CapnProto>>;
#else
constexpr auto kCapnpRun = kNotBuilt;
#endif
constexpr Need kNeedsSimdjson[] = {kSimdjson};
constexpr Need kNeedsProtobuf[] = {kProtobuf};
constexpr Need kNeedsFlatbuffers[] = {kFlatbuffers};
constexpr Need kNeedsCapnp[] = {kCapnp};

// ------------------------------------------------------------------------------------------------
// The orders.

Encoding::Input Encoding::make(const Setting& setting, Rng& rng) {
  static constexpr std::string_view kWords[] = {"ring ",     "leave at ", "the door", "gate ",
                                                "2nd floor", "no call",   "gift, ",   "fragile"};
  FastRng fast(rng());
  const bool readings = setting.input == kInputs["readings"];
  const auto decimal = [&](std::uint64_t largest) {
    if (readings) return uniform(fast) * static_cast<double>(largest);
    return static_cast<double>(bounded(fast, 100 * largest)) / 100;
  };
  const Slices slices = Slices::covering(kOrders, setting.n);
  orders::OrderMaker maker;
  Order order;
  order.id = 1'000'000'000;
  order.time_ns = 1'700'000'000'000'000'000;
  for (std::size_t i = 0; i < slices.items(); ++i) {
    order.id += 1 + bounded(fast, 1000);
    order.time_ns += static_cast<std::int64_t>(bounded(fast, 2'000'000));
    order.customer = static_cast<std::uint32_t>(bounded(fast, 4'000'000) >> bounded(fast, 8));
    order.clock_offset_us = static_cast<std::int32_t>(1000 * normal(fast));
    order.status = static_cast<orders::Status>(bounded(fast, orders::kStatuses));
    order.has_discount = bounded(fast, 4) == 0;
    order.discount = order.has_discount ? decimal(10) : 0;
    for (std::uint64_t k = bounded(fast, 4); k > 0; --k) maker.note(kWords[bounded(fast, 8)]);
    // One note in sixteen has a character that isn't ASCII, and one another that JSON escapes.
    const std::uint64_t odd = bounded(fast, 16);
    maker.note(odd == 0 ? "caf\xc3\xa9" : odd == 1 ? "\"X\"" : "");
    for (std::uint64_t k = 1 + bounded(fast, 6); k > 0; --k)
      maker.line(
          {.price = decimal(1000),
           .product = static_cast<std::uint32_t>(bounded(fast, 1'000'000)),
           .quantity = 1 + static_cast<std::uint32_t>(bounded(fast, 1024) >> bounded(fast, 10))});
    maker.add(order);
  }
  return {maker.done(), slices};
}

// No decoder may read beside what it is sent, whatever that is: the fuzzer's sanitizers see it.
template <class... Formats>
void survive(std::span<const std::uint8_t> bytes) {
  const std::unique_ptr<char[]> sent(new char[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), sent.get());
  std::uint64_t digests[8];
  (static_cast<void>(Formats().decode({sent.get(), bytes.size()}, digests)), ...);
}

// The bytes are the fields, as far as they are an order's: doubles that are finite, text of UTF-8.
Encoding::Input Encoding::from(std::span<const std::uint8_t> bytes) {
  survive<orders::Json, orders::Tagged, orders::Compact, orders::FixedLayout>(bytes);
  std::size_t at = 0;
  const auto take = [&](std::size_t count) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count && at < bytes.size(); ++i)
      value |= std::uint64_t{bytes[at++]} << 8 * i;
    return value;
  };
  // The first byte of a number says how many bytes it has: short ones are as likely as long ones.
  const auto number = [&](std::size_t most) { return take(take(1) % (most + 1)); };
  const auto decimal = [&] {
    const std::uint64_t bits = number(8);
    const bool finite = (bits >> 52 & 0x7ff) != 0x7ff;
    return std::bit_cast<double>(finite ? bits : bits ^ std::uint64_t{1} << 62);
  };
  orders::OrderMaker maker;
  // The rest of a long input is only what wires may have to survive.
  for (int left = 64; at < bytes.size() && left > 0; --left) {
    const std::uint64_t flags = take(1);
    Order order;
    order.status = static_cast<orders::Status>(flags & 3);
    order.has_discount = (flags & 4) != 0;
    order.id = number(8);
    order.time_ns = static_cast<std::int64_t>(number(8));
    order.customer = static_cast<std::uint32_t>(number(4));
    order.clock_offset_us = static_cast<std::int32_t>(number(4));
    if (order.has_discount) order.discount = decimal();
    std::string note;
    for (std::uint64_t k = take((flags & 8) != 0 ? 2 : 1) % (orders::kMostNote + 1); k > 0; --k) {
      if (at == bytes.size()) break;
      note += static_cast<char>(bytes[at++]);
    }
    if (!orders::valid_utf8(note))
      for (char& c : note) c = static_cast<char>(c & 0x7f);
    maker.note(note);
    for (std::uint64_t k = take((flags & 16) != 0 ? 2 : 1) % (orders::kMostLines + 1); k > 0; --k) {
      if (at == bytes.size()) break;
      Line line;
      line.price = decimal();
      line.product = static_cast<std::uint32_t>(number(4));
      line.quantity = static_cast<std::uint32_t>(number(4));
      maker.line(line);
    }
    maker.add(order);
  }
  return {maker.done(), Slices::within(maker.count(), maker.count())};
}

constexpr Variant<Encoding> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "JSON through a DOM (nlohmann::json): a node for each value, a string for each name"},
    {.name = "json_chars",
     .run = run<through<orders::Json>>,
     .what = "JSON by std::to_chars and from_chars: the same text, no tree",
     .role = Role::kStandard},
    {.name = "simdjson",
     .run = kSimdjsonRun,
     .what = "json_chars' text, read by simdjson on demand",
     .role = Role::kPeer,
     .promise = Promise::kExact,
     .promise_note = "validates only what it reads",
     .needs = kNeedsSimdjson},
    {.name = "protobuf",
     .run = kProtobufRun,
     .what = "protobuf's generated code, with messages that are used again: binary, half the bytes",
     .role = Role::kPeer,
     .needs = kNeedsProtobuf},
    {.name = "varint",
     .run = run<through<orders::Tagged>>,
     .what = "protobuf's format by hand: varints by shifts, no message between wire and receiver"},
    {.name = "compact",
     .run = run<through<orders::Compact>>,
     .what = "no tags, differences, lengths in front: a number is one load, the fewest bytes"},
    {.name = "capnp",
     .run = kCapnpRun,
     .what = "Cap'n Proto: a layout with pointers, each checked when it is followed",
     .role = Role::kPeer,
     .needs = kNeedsCapnp},
    {.name = "flatbuffers",
     .run = kFlatbuffersRun,
     .what = "FlatBuffers: tables of offsets, verified and then read in place",
     .role = Role::kPeer,
     .needs = kNeedsFlatbuffers},
    {.name = "fixed",
     .run = run<through<orders::FixedLayout>>,
     .what = "each field has its place: lengths are checked once, and nothing is left to decode"},
};

const Registrar kRegistrar(
    {.name = "network/encoding",
     .axis = Axis::kScalar,
     .technique = "lays messages out so that reading one is no decoding",
     .sizes = {16, 64, 1024, 16384},
     .headline = {64, 1024},
     .promise = Promise::kExact | Promise::kValidating,
     .demand =
         [](const Setting& s) {
           constexpr std::size_t kSent = sizeof(Order) + 20 + 4 * sizeof(Line);
           return Demand{.items = static_cast<double>(s.n),
                         .working_set = (kSent + 500) * s.n,
                         // The orders; of every variant a buffer as large as a call can need.
                         .memory = kSent * (kOrders + s.n) + 8 * 1000 * s.n};
         },
     .test_sizes = {0, 1, 2, 3, 7, 8, 33, 129, 1000}},
    kVariants);

}  // namespace
}  // namespace headroom
