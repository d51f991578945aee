// Orders as JSON, one a line, by a writer and a parser that know what an order is: no tree.
//
//   {"id":1,"time_ns":2,"customer":3,"clock_offset_us":-4,"status":"paid","discount":0.5,
//    "note":"...","lines":[{"product":5,"quantity":6,"price":7.25}]}
//
// Members come in any order, blanks anywhere, unknown members are passed over; "discount" alone may
// be missing. Doubles are written with as few digits as give them back, and are finite.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "network/order_fixed.h"
#include "network/orders.h"

namespace headroom::orders {

class JsonWriter {
 public:
  static std::size_t encode(std::span<const Order> orders, std::span<char> wire) {
    char* at = wire.data();
    const char* const end = at + wire.size();
    for (const Order& order : orders) {
      need_room(at, end, most_bytes(order));
      at = put(order, at);
    }
    return static_cast<std::size_t>(at - wire.data());
  }
  // A number takes at most 24 characters, a character of the note six.
  static std::size_t most_bytes(const Order& order) {
    return 320 + 6 * order.note.size() + 128 * order.lines.size();
  }

 private:
  static char* put(std::string_view text, char* at) {
    std::memcpy(at, text.data(), text.size());
    return at + text.size();
  }
  template <class Number>
  static char* put(std::string_view name, Number value, char* at) {
    at = put(name, at);
    return std::to_chars(at, at + 32, value).ptr;
  }
  static char* put(const Order& order, char* at) {
    at = put(R"({"id":)", order.id, at);
    at = put(R"(,"time_ns":)", order.time_ns, at);
    at = put(R"(,"customer":)", order.customer, at);
    at = put(R"(,"clock_offset_us":)", order.clock_offset_us, at);
    at = put(R"(,"status":")", at);
    at = put(kStatusNames[order.status], at);
    *at++ = '"';
    if (order.has_discount) at = put(R"(,"discount":)", order.discount, at);
    at = put(R"(,"note":")", at);
    for (const char c : order.note) at = put_character(c, at);
    at = put(R"(","lines":[)", at);
    bool first = true;
    for (const Line& line : order.lines) {
      if (!first) *at++ = ',';
      first = false;
      at = put(R"({"product":)", line.product, at);
      at = put(R"(,"quantity":)", line.quantity, at);
      at = put(R"(,"price":)", line.price, at);
      *at++ = '}';
    }
    return put("]}\n", at);
  }
  static char* put_character(char c, char* at) {
    if (static_cast<unsigned char>(c) < 0x20) {
      at = put("\\u00", at);
      *at++ = static_cast<char>('0' + (c >> 4));
      *at++ = "0123456789abcdef"[c & 15];
      return at;
    }
    if (c == '"' || c == '\\') *at++ = '\\';
    *at++ = c;
    return at;
  }
};

class JsonParser {
 public:
  std::size_t decode(std::string_view wire, std::span<std::uint64_t> digests) {
    at_ = wire.data();
    end_ = at_ + wire.size();
    std::size_t count = 0;
    for (skip_blanks(); at_ != end_; skip_blanks(), ++count)
      if (count == digests.size() || !order(digests[count])) return kRefused;
    return count;
  }

 private:
  // Each function below reads what it is named after, and leaves at_ behind it; false where there
  // is something else.
  bool order(std::uint64_t& digest) {
    Receiver to;
    std::uint64_t id = 0;
    std::int64_t time = 0;
    std::uint32_t customer = 0;
    std::int32_t offset = 0;
    std::string_view name, text;
    unsigned seen = 0;
    if (!take('{')) return false;
    do {
      if (!string(name, name_) || !take(':')) return false;
      bool good = true;
      if (name == "id") {
        good = whole(id);
        seen |= 1;
      } else if (name == "time_ns") {
        good = whole(time);
        seen |= 2;
      } else if (name == "customer") {
        good = whole(customer);
        seen |= 4;
      } else if (name == "clock_offset_us") {
        good = whole(offset);
        seen |= 8;
      } else if (name == "status") {
        std::uint64_t status = 0;
        good = (seen & 16) == 0 && string(text, text_);
        while (status < kStatuses && kStatusNames[status] != text) ++status;
        good = good && status < kStatuses;
        to.status(status);
        seen |= 16;
      } else if (name == "discount") {
        double discount = 0;
        good = (seen & 32) == 0 && decimal(discount);
        to.discount(discount);
        seen |= 32;
      } else if (name == "note") {
        good = (seen & 64) == 0 && string(text, text_);
        to.note(text);
        seen |= 64;
      } else if (name == "lines") {
        good = (seen & 128) == 0 && lines(to);
        seen |= 128;
      } else {
        good = value(0);
      }
      if (!good) return false;
    } while (take(','));
    if (!take('}') || (seen | 32) != 255) return false;
    to.id(id);
    to.time_ns(time);
    to.customer(customer, offset);
    digest = to.digest();
    return true;
  }
  bool lines(Receiver& to) {
    if (!take('[')) return false;
    if (take(']')) return true;
    do {
      std::uint32_t product = 0, quantity = 0;
      double price = 0;
      std::string_view name;
      unsigned seen = 0;
      if (!take('{')) return false;
      do {
        if (!string(name, name_) || !take(':')) return false;
        bool good = true;
        if (name == "product") {
          good = whole(product);
          seen |= 1;
        } else if (name == "quantity") {
          good = whole(quantity);
          seen |= 2;
        } else if (name == "price") {
          good = decimal(price);
          seen |= 4;
        } else {
          good = value(0);
        }
        if (!good) return false;
      } while (take(','));
      if (!take('}') || seen != 7) return false;
      to.line(product, quantity, price);
    } while (take(','));
    return take(']');
  }

  // Any value, passed over.
  bool value(int depth) {
    skip_blanks();
    if (at_ == end_ || depth > kMostDepth) return false;
    std::string_view text;
    double number = 0;
    const char first = *at_;
    if (first == '"') return string(text, text_);
    if (first != '{' && first != '[')
      return word("true") || word("false") || word("null") || decimal(number);
    const char last = first == '{' ? '}' : ']';
    ++at_;
    if (take(last)) return true;
    do {
      if (first == '{' && (!string(text, text_) || !take(':'))) return false;
      if (!value(depth + 1)) return false;
    } while (take(','));
    return take(last);
  }
  bool word(std::string_view word) {
    if (!std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with(word))
      return false;
    at_ += word.size();
    return true;
  }
  template <class Whole>
  bool whole(Whole& value) {
    skip_blanks();
    const char* const digits = at_ + (at_ != end_ && *at_ == '-');
    const auto [stop, error] = std::from_chars(at_, end_, value);
    // JSON has no number that begins with two digits, the first of them a zero; and a whole number
    // has no fraction.
    if (error != std::errc() || (*digits == '0' && stop - digits > 1)) return false;
    at_ = stop;
    return true;
  }
  bool decimal(double& value) {
    skip_blanks();
    const char* const stop = number_end(at_);
    if (stop == nullptr) return false;
    const auto [behind, error] = std::from_chars(at_, stop, value);
    at_ = stop;
    return error == std::errc() && behind == stop;
  }
  // Where JSON's grammar has the number end that begins here: from_chars would take more than that.
  const char* number_end(const char* at) const {
    const auto digits = [&] {
      const char* const start = at;
      while (at != end_ && static_cast<unsigned char>(*at - '0') < 10) ++at;
      return at - start;
    };
    if (at != end_ && *at == '-') ++at;
    const bool zero = at != end_ && *at == '0';
    const auto before = digits();
    if (before == 0 || (zero && before > 1)) return nullptr;
    if (at != end_ && *at == '.') {
      ++at;
      if (digits() == 0) return nullptr;
    }
    if (at != end_ && (*at | 0x20) == 'e') {
      ++at;
      if (at != end_ && (*at == '+' || *at == '-')) ++at;
      if (digits() == 0) return nullptr;
    }
    return at;
  }

  // A view of the wire, or of `copy` where there are escapes.
  bool string(std::string_view& text, std::string& copy) {
    if (!take('"')) return false;
    const char* const start = at_;
    while (at_ != end_ && *at_ != '"' && *at_ != '\\' && static_cast<unsigned char>(*at_) >= 0x20)
      ++at_;
    if (at_ == end_) return false;
    text = {start, static_cast<std::size_t>(at_ - start)};
    if (*at_ == '"') {
      ++at_;
      return valid_utf8(text);
    }
    copy = text;
    while (at_ != end_ && *at_ != '"') {
      if (static_cast<unsigned char>(*at_) < 0x20) return false;
      if (*at_ != '\\')
        copy += *at_++;
      else if (!escape(copy))
        return false;
    }
    text = copy;
    return take('"') && valid_utf8(text);
  }
  bool escape(std::string& copy) {
    if (++at_ == end_) return false;
    static constexpr std::string_view kNames = "\"\\/bfnrt", kValues = "\"\\/\b\f\n\r\t";
    const char name = *at_++;
    if (const auto which = kNames.find(name); which != std::string_view::npos) {
      copy += kValues[which];
      return true;
    }
    unsigned unit = 0, low = 0;
    if (name != 'u' || !hex(unit)) return false;
    if (unit >= 0xdc00 && unit < 0xe000) return false;
    if (unit >= 0xd800 && unit < 0xdc00) {
      if (!word("\\u") || !hex(low) || low < 0xdc00 || low >= 0xe000) return false;
      unit = 0x10000 + ((unit & 0x3ff) << 10 | (low & 0x3ff));
    }
    const auto append = [&copy](unsigned byte) { copy += static_cast<char>(byte); };
    if (unit < 0x80) {
      append(unit);
      return true;
    }
    const int more = unit < 0x800 ? 1 : unit < 0x10000 ? 2 : 3;
    append((0xff00u >> (more + 1) & 0xff) | unit >> 6 * more);
    for (int i = more - 1; i >= 0; --i) append(0x80 | (unit >> 6 * i & 0x3f));
    return true;
  }
  bool hex(unsigned& unit) {
    if (end_ - at_ < 4) return false;
    const auto [stop, error] = std::from_chars(at_, at_ + 4, unit, 16);
    const bool good = error == std::errc() && stop == at_ + 4;
    at_ += 4;
    return good;
  }

  bool take(char wanted) {
    skip_blanks();
    if (at_ == end_ || *at_ != wanted) return false;
    ++at_;
    return true;
  }
  void skip_blanks() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }

  static constexpr int kMostDepth = 64;
  const char* at_ = nullptr;
  const char* end_ = nullptr;
  std::string name_, text_;  // what had escapes
};

class Json {
 public:
  static std::size_t encode(std::span<const Order> orders, std::span<char> wire) {
    return JsonWriter::encode(orders, wire);
  }
  std::size_t decode(std::string_view wire, std::span<std::uint64_t> digests) {
    return parser_.decode(wire, digests);
  }
  static std::size_t most_bytes(const Order& order) { return JsonWriter::most_bytes(order); }

 private:
  JsonParser parser_;
};

}  // namespace headroom::orders
