// The formats of network/encoding that are ours: what each passes on and refuses, and its bytes.
#include "order_formats.h"

#include "network/order_compact.h"
#include "network/order_json.h"
#include "network/order_varint.h"

namespace headroom::orders {
namespace {

std::string bytes(std::initializer_list<int> all) {
  std::string text;
  for (const int byte : all) text += static_cast<char>(byte);
  return text;
}

TEMPLATE_TEST_CASE("an order comes through a format as it was", "", FixedLayout, Tagged, Compact,
                   Json) {
  check_passes_everything<TestType>();
}

TEMPLATE_TEST_CASE("a format refuses orders that are cut off", "", FixedLayout, Tagged, Compact,
                   Json) {
  check_refuses_what_is_cut_off<TestType>();
}

TEMPLATE_TEST_CASE("a decoder survives bytes that were changed", "", FixedLayout, Tagged, Compact,
                   Json) {
  check_survives_edits<TestType>(4000);
}

TEMPLATE_TEST_CASE("an encoder keeps to its room", "", FixedLayout, Tagged, Compact, Json) {
  check_keeps_to_its_room<TestType>();
}

TEMPLATE_TEST_CASE("a format refuses text that is not UTF-8", "", FixedLayout, Tagged, Compact,
                   Json) {
  check_refuses_bad_text<TestType>();
}

// One order whose bytes are known.
Samples one() {
  Samples samples;
  samples.add({.id = 300,
               .time_ns = 5,
               .discount = 1,
               .customer = 70000,
               .clock_offset_us = -3,
               .status = kSent,
               .has_discount = true},
              "hi", {{.price = 2, .product = 7, .quantity = 256}});
  return samples;
}

TEST_CASE("the fixed layout is the one that is documented") {
  const std::string want = bytes({72,   0,    0, 0, 2,    0,    1,    0,     // lengths
                                  0x2c, 1,    0, 0, 0,    0,    0,    0,     // id
                                  5,    0,    0, 0, 0,    0,    0,    0,     // time
                                  0x70, 0x11, 1, 0, 0xfd, 0xff, 0xff, 0xff,  // customer, offset
                                  0,    0,    0, 0, 0,    0,    0xf0, 0x3f,  // discount
                                  2,    1,    0, 0, 0,    0,    0,    0,     // status
                                  0,    0,    0, 0, 0,    0,    0,    0x40,  // price
                                  7,    0,    0, 0, 0,    1,    0,    0,     // product, quantity
                                  'h',  'i',  0, 0, 0,    0,    0,    0});
  CHECK(encoded<FixedLayout>(one().orders()) == want);
  // What must be zero, and flags that there aren't.
  for (const std::size_t at : {41, 42, 47}) {
    std::string changed = want;
    changed[at] = 2;
    CHECK(refused<FixedLayout>(changed));
  }
  std::string changed = want;
  changed[40] = kStatuses;
  CHECK(refused<FixedLayout>(changed));
}

TEST_CASE("the compact format is the one that is documented") {
  // Status 2, a discount; id in two bytes, time in one, customer in three, the offset in one.
  const int control = 2 | 1 << 2 | 1 << 3 | 0 << 5 | 2 << 7 | 0 << 9;
  const std::string want = bytes({33,
                                  0,
                                  0,
                                  0,
                                  control & 255,
                                  control >> 8,
                                  2,
                                  1,  //
                                  0x58,
                                  2,
                                  10,  // 600, 10: zigzag
                                  0x70,
                                  0x11,
                                  1,
                                  5,  //
                                  0,
                                  0,
                                  0,
                                  0,
                                  0,
                                  0,
                                  0xf0,
                                  0x3f,  //
                                  4,
                                  7,
                                  0,
                                  1,
                                  0,
                                  0,
                                  0,
                                  0,
                                  0,
                                  0,
                                  0,
                                  0x40,  // codes 0 and 1
                                  'h',
                                  'i'});
  CHECK(encoded<Compact>(one().orders()) == want);
  // A byte more, in the order's length too.
  std::string longer = want + 'x';
  ++longer[0];
  CHECK(refused<Compact>(longer));
  // Codes that there aren't.
  std::string changed = want;
  changed[5] = static_cast<char>(changed[5] | 0x40);
  CHECK(refused<Compact>(changed));
  changed = want;
  changed[23] = 0x14;
  CHECK(refused<Compact>(changed));
}

TEST_CASE("a varint has seven bits a byte, at the end of memory too") {
  for (int bits = 0; bits <= 64; ++bits)
    for (const std::int64_t off : {-1, 0, 1}) {
      const std::uint64_t value =
          (bits == 64 ? 0 : std::uint64_t{1} << bits) + static_cast<std::uint64_t>(off);
      std::string plain;
      for (std::uint64_t rest = value;; rest >>= 7) {
        plain += static_cast<char>(rest < 0x80 ? rest : rest | 0x80);
        if (rest < 0x80) break;
      }
      char written[16];
      CHECK(std::string(written, put_varint(written, value)) == plain);
      for (const std::size_t behind : {0, 3, 8}) {
        const std::string text = plain + std::string(behind, '\xff');
        const std::unique_ptr<char[]> copy(new char[text.size()]);
        std::memcpy(copy.get(), text.data(), text.size());
        const char* const end = copy.get() + plain.size();
        std::uint64_t got = 0;
        CHECK(get_varint(copy.get(), end, copy.get() + text.size(), got) == end);
        CHECK(got == value);
        CHECK(get_varint(copy.get(), end - 1, copy.get() + text.size(), got) == nullptr);
      }
    }
  std::uint64_t got = 0;
  const std::string too_long(10, '\xff'), long_one = std::string(9, '\xff') + '\x02';
  CHECK(get_varint(too_long.data(), too_long.data() + 10, too_long.data() + 10, got) == nullptr);
  // Bits beyond the last are dropped, as protobuf's code does.
  CHECK(get_varint(long_one.data(), long_one.data() + 10, long_one.data() + 10, got) ==
        long_one.data() + 10);
  CHECK(got == ~std::uint64_t{0} >> 1);
}

// An order in front of which stands its length.
std::string framed(const std::string& order) {
  return bytes({static_cast<int>(order.size()), 0, 0, 0}) + order;
}

TEST_CASE("tagged fields come in any order, among others") {
  const std::string want = encoded<Tagged>(one().orders());
  const std::string line = bytes({0x42, 14, 8, 7, 16, 0x80, 2, 25, 0, 0, 0, 0, 0, 0, 0, 0x40});
  const std::string rest =
      bytes({0x3a, 2,    'h',  'i', 49, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 40, 2,    32, 5,
             24,   0xf0, 0xa2, 4,   17, 5, 0, 0, 0, 0, 0, 0,    0,    8,  0xac, 2});
  const std::string unknown =
      bytes({0x4a, 1, 'x', 0x50, 9, 0x5d, 1, 2, 3, 4, 0xc1, 2, 0, 0, 0, 0, 0, 0, 0, 0});
  const std::vector<std::uint64_t> digests = one().digests();
  CHECK(passed<Tagged>(want, 1) == digests);
  CHECK(passed<Tagged>(framed(line + rest), 1) == digests);
  CHECK(passed<Tagged>(framed(unknown + rest + unknown + line), 1) == digests);
  CHECK(refused<Tagged>(framed(line + rest + bytes({0x28, 4}))));  // a status that isn't
  CHECK(refused<Tagged>(framed(line + rest + bytes({0x4b}))));     // a group
  CHECK(refused<Tagged>(framed(line + rest + bytes({2, 0}))));     // field 0
  CHECK(refused<Tagged>(
      framed(line + rest + bytes({0x42, 2, 8, 0x80}))));          // a line's end in a number
  CHECK(refused<Tagged>(framed(rest + bytes({0x42, 3, 8, 1}))));  // longer than the order
}

TEST_CASE("JSON is read however it is written") {
  const std::string order =
      R"({"id":300,"time_ns":5,"customer":70000,"clock_offset_us":-3,"status":"sent",)"
      R"("discount":1,"note":"hi","lines":[{"product":7,"quantity":256,"price":2}]})";
  CHECK(encoded<Json>(one().orders()) == order + "\n");
  const std::vector<std::uint64_t> digests = one().digests();
  for (
      const std::string_view same :
      {R"( { "lines" : [ { "price" : 2.0e0 , "quantity" : 256 , "product" : 7 } ] , "note" : "h\u0069" ,
          "discount":10e-1,"status":"\u0073ent","clock_offset_us":-3,"customer":70000,"time_ns":5,"id":300})",
       R"({"new":[1,{"a":null,"b":[]},"]"],"id":300,"time_ns":5,"customer":70000,"clock_offset_us":-3,
          "status":"sent","discount":1,"n\u006fte":"hi","lines":[{"x":{},"product":7,"quantity":256,
          "price":2}],"more":-0.5e+3})"})
    CHECK(passed<Json>(same, 1) == digests);
  Samples odd;
  odd.add({}, "\"\\/\b\f\n\r\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82", {});
  CHECK(passed<Json>(
            R"({"id":0,"time_ns":-0,"customer":0,"clock_offset_us":0,"status":"new","lines":[],)"
            R"("note":"\"\\\/\b\f\n\r\t\u00e9\u20AC\ud83d\ude42"})",
            1) == odd.digests());
  const auto with = [&](std::string_view old, std::string_view other) {
    std::string text = order;
    return text.replace(text.find(old), old.size(), other);
  };
  CHECK_FALSE(refused<Json>(with("300", "0")));
  for (const auto& [old, bad] :
       std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"300", "-300"},
           {"300", "0300"},
           {"300", "300.0"},
           {"300", "18446744073709551616"},
           {"70000", "4294967296"},
           {"-3", "--3"},
           {"-3", "- 3"},
           {":1,", ":01,"},
           {":1,", ":1.,"},
           {":1,", ":.5,"},
           {":1,", ":+1,"},
           {":1,", ":inf,"},
           {":1,", ":1e,"},
           {":1,", ":0x1,"},
           {":1,", ":1e999,"},
           {"sent", "lost"},
           {"hi", "h\ni"},
           {"hi", "\\x"},
           {"hi", "\\u12"},
           {"hi", "\\ud800"},
           {"hi", "\\udc00"},
           {"hi", "\\ud800\\u0041"},
           {"256", "\"256\""},
           {"}]}", "}]"},
           {"}]}", "},]}"},
           {"}]}", "}]}]"},
           {"}]}", "}]},"},
           {"\"id\"", "id"},
           {"\"id\"", "\"ID\""},
           {"\"price\"", "\"cost\""},
           {"\"note\":\"hi\",", ""},
           {"hi", "h\\"},
           {",\"note", ";\"note"},
           {"\"id\":", "\"id\""},
           {"\"id\"", "\"a\":nul,\"id\""}}) {
    INFO(old << " -> " << bad);
    CHECK(refused<Json>(with(old, bad)));
  }
  CHECK(refused<Json>(with("\"id\"", "\"deep\":" + std::string(100000, '[') + ",\"id\"")));
}

TEST_CASE("another value of any field is another digest") {
  const Samples samples = one();
  const Order order = samples.orders()[0];
  std::vector<std::uint64_t> seen{received(order)};
  const auto changed = [&](auto change) {
    Order other = order;
    change(other);
    seen.push_back(received(other));
  };
  changed([](Order& o) { o.id ^= 1; });
  changed([](Order& o) { o.time_ns ^= std::int64_t{1} << 63; });
  changed([](Order& o) { o.customer ^= 1; });
  changed([](Order& o) { o.clock_offset_us ^= 1; });
  changed([](Order& o) { o.status = kPaid; });
  changed([](Order& o) { o.has_discount = false; });
  changed([](Order& o) { o.discount = -1; });
  changed([](Order& o) { o.note = "ho"; });
  changed([](Order& o) { o.note = "hi there, you"; });
  changed([](Order& o) { o.note = "hi there, yov"; });
  changed([](Order& o) { o.note = "ij there, you"; });
  const std::vector<std::vector<Line>> others = {{},
                                                 {{3, 7, 256}},
                                                 {{2, 8, 256}},
                                                 {{2, 7, 257}},
                                                 {{2, 7, 256}, {2, 7, 256}},
                                                 {{2, 7, 256}, {3, 7, 256}},
                                                 {{3, 7, 256}, {2, 7, 256}}};
  for (const std::vector<Line>& lines : others) changed([&](Order& o) { o.lines = lines; });
  std::sort(seen.begin(), seen.end());
  CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
}

}  // namespace
}  // namespace headroom::orders
