// A shop's items over HTTP/1.1 (RFC 9112), as far as both sides of network/request need it: the
// items, a server of them, and a client's part that reads whole answers.
//
//   GET /items/KEY      one item
//   POST /items         the keys in the body, a line each: their items, a line each, in that order
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "support/sockets.h"

namespace headroom::http {

// Item `number` of the shop: 32 to 95 hexadecimal digits. Always the same, since a server that
// isn't ours has them in its configuration (tools/headroom_tools/fixtures/nginx.py).
inline std::string item(std::uint64_t number) {
  constexpr std::size_t kWords = 6, kDigits = 16, kLeast = 32;
  std::string text;
  std::size_t size = kLeast;
  for (std::uint64_t word = 0; word < kWords; ++word) {
    // The finalizer of splitmix64 (Steele, Lea and Flood, 2014).
    std::uint64_t mixed = (number * kWords + word + 1) * 0x9e3779b97f4a7c15;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    mixed ^= mixed >> 31;
    if (word == 0) size += mixed % 64;
    for (std::size_t digit = kDigits; digit-- > 0;)
      text += "0123456789abcdef"[mixed >> (4 * digit) & 15];
  }
  return text.substr(0, size);
}

// The items by their keys, "0" to "999".
class Shop {
 public:
  static constexpr std::size_t kItems = 1000;
  Shop() {
    for (std::size_t i = 0; i < kItems; ++i) items_.emplace(std::to_string(i), item(i));
  }
  // nullptr where there is none.
  const std::string* find(std::string_view key) const {
    const auto found = items_.find(absl::string_view(key.data(), key.size()));
    return found == items_.end() ? nullptr : &found->second;
  }

 private:
  absl::flat_hash_map<std::string, std::string> items_;
};

class Malformed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What a request and an answer begin with. Its views are of the text that was parsed.
struct Head {
  std::string_view first;      // the first line
  std::size_t bytes = 0;       // with the empty line at the end
  std::size_t body_bytes = 0;  // Content-Length
  bool close = false;          // Connection: close
};

inline constexpr std::size_t kMostHead = 16 << 10, kMostBody = 16 << 20;

// `small` is in small letters.
inline bool same_letters(std::string_view text, std::string_view small) {
  if (text.size() != small.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c) != small[i]) return false;
  }
  return true;
}

// The head at the beginning of `text`; nothing where it isn't all there yet. Throws Malformed.
inline std::optional<Head> head_of(std::string_view text) {
  const std::size_t end = text.find("\r\n\r\n");
  if (std::min(end, text.size()) > kMostHead) throw Malformed("http: a head without end");
  if (end == std::string_view::npos) return {};
  Head head;
  head.bytes = end + 4;
  std::string_view lines = text.substr(0, end + 2);
  const auto next = [&lines] {
    const std::size_t size = lines.find("\r\n");
    const std::string_view line = lines.substr(0, size);
    lines.remove_prefix(size + 2);
    return line;
  };
  head.first = next();
  while (!lines.empty()) {
    const std::string_view line = next();
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) throw Malformed("http: a header without a colon");
    const std::string_view name = line.substr(0, colon);
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
    if (same_letters(name, "content-length")) {
      const auto [stop, error] =
          std::from_chars(value.data(), value.data() + value.size(), head.body_bytes);
      if (error != std::errc{} || stop != value.data() + value.size() ||
          head.body_bytes > kMostBody)
        throw Malformed("http: no content length");
    } else if (same_letters(name, "connection")) {
      head.close = same_letters(value, "close");
    } else if (same_letters(name, "transfer-encoding")) {
      throw Malformed("http: a body in another encoding");
    }
  }
  return head;
}

// Bytes that came and were not used yet.
class Incoming {
 public:
  std::string_view unused() const { return std::string_view(bytes_).substr(begin_, end_ - begin_); }
  void use(std::size_t bytes) { begin_ += bytes; }
  // Waits for some more; false where the other end has gone. Views of unused() end here.
  bool more(int fd) {
    if (begin_ != 0) {
      std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
      end_ -= std::exchange(begin_, 0);
    }
    if (bytes_.size() - end_ < kRoom) bytes_.resize(2 * bytes_.size() + kRoom);
    const std::size_t got = sockets::receive_some(fd, bytes_.data() + end_, bytes_.size() - end_);
    end_ += got;
    return got != 0;
  }
  void clear() { begin_ = end_ = 0; }

 private:
  static constexpr std::size_t kRoom = 16 << 10;
  std::string bytes_;
  std::size_t begin_ = 0, end_ = 0;
};

inline void append_head(std::string_view status, std::size_t body_bytes, bool close,
                        std::string& into) {
  char digits[20];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, body_bytes);
  into.append("HTTP/1.1 ").append(status);
  into.append("\r\nContent-Type: text/plain\r\nContent-Length: ");
  into.append(digits, static_cast<std::size_t>(end - digits));
  into.append(close ? "\r\nConnection: close\r\n\r\n" : "\r\n\r\n");
}

// Appends the answer to one request.
inline void answer(const Shop& shop, const Head& head, std::string_view body, std::string& into) {
  constexpr std::string_view kOne = "GET /items/", kMany = "POST /items ", kVersion = " HTTP/1.1";
  const std::string_view line = head.first;
  if (!line.ends_with(kVersion)) throw Malformed("http: another version");
  if (line.starts_with(kOne)) {
    std::string_view key = line.substr(kOne.size());
    key.remove_suffix(std::min(kVersion.size(), key.size()));
    const std::string* const found = shop.find(key);
    if (found == nullptr) return append_head("404 Not Found", 0, head.close, into);
    append_head("200 OK", found->size(), head.close, into);
    into.append(*found);
  } else if (line.starts_with(kMany)) {
    std::string items;
    for (std::size_t end; !body.empty(); body.remove_prefix(end + 1)) {
      end = body.find('\n');
      if (end == std::string_view::npos) throw Malformed("http: a key without an end");
      const std::string* const found = shop.find(body.substr(0, end));
      if (found == nullptr) return append_head("404 Not Found", 0, head.close, into);
      items.append(*found).push_back('\n');
    }
    append_head("200 OK", items.size(), head.close, into);
    into.append(items);
  } else {
    append_head("404 Not Found", 0, head.close, into);
  }
}

// Serves one connection until the client is through, asks for the end, or sends what is no request.
inline void serve_one(int fd, const Shop& shop) {
  Incoming incoming;
  std::string answers;
  for (bool close = false; !close && incoming.more(fd);) {
    answers.clear();
    try {
      // All requests that have come are answered together: one system call for all of them.
      while (!close) {
        const std::string_view text = incoming.unused();
        const std::optional<Head> head = head_of(text);
        if (!head || text.size() - head->bytes < head->body_bytes) break;
        answer(shop, *head, text.substr(head->bytes, head->body_bytes), answers);
        incoming.use(head->bytes + head->body_bytes);
        close = head->close;
      }
    } catch (const Malformed&) {
      close = true;
      append_head("400 Bad Request", 0, close, answers);
    }
    if (!answers.empty() && !sockets::send_all(fd, answers.data(), answers.size())) return;
  }
}

// Serves the connections of a listener, one after the other, until that is shut.
inline void serve(const sockets::Socket& listener, const Shop& shop) {
  try {
    while (const sockets::Socket connection = sockets::accept_from(listener)) {
      sockets::no_delay(connection);
      serve_one(connection.fd(), shop);
    }
  } catch (const std::exception&) {
    listener.shut();  // too many open files, say: who waits to be served is told so
  }
}

// The answers of a server, in order. What is not a whole answer with status 200 is a
// std::runtime_error.
class Answers {
 public:
  // The next answer's body; it lasts until the next call.
  std::string_view next(int fd) {
    incoming_.use(std::exchange(used_, 0));
    std::optional<Head> head;
    while (!(head = head_of(incoming_.unused())) ||
           incoming_.unused().size() - head->bytes < head->body_bytes) {
      if (!incoming_.more(fd)) throw std::runtime_error("http: the server has gone");
    }
    if (!head->first.starts_with("HTTP/1.1 200 "))
      throw std::runtime_error("http: " + std::string(head->first.substr(0, 60)));
    used_ = head->bytes + head->body_bytes;
    return incoming_.unused().substr(head->bytes, head->body_bytes);
  }
  // The only answer of a connection, which the server ends. So the server is first to close, and it
  // is its port, always the same, that waits for late segments (TIME_WAIT), not one of the client's
  // 28,000, which would run out.
  std::string_view only(int fd) {
    incoming_.clear();
    used_ = 0;
    while (incoming_.more(fd)) {
    }
    return next(fd);
  }

 private:
  Incoming incoming_;
  std::size_t used_ = 0;
};

// Appends a request for one item.
inline void ask_for(std::string_view key, bool close, std::string& into) {
  into.append("GET /items/").append(key).append(" HTTP/1.1\r\nHost: 127.0.0.1\r\n");
  into.append(close ? "Connection: close\r\n\r\n" : "\r\n");
}

// Appends a request for many: keys, each with a '\n' behind it.
inline void ask_for_many(std::string_view keys, std::string& into) {
  into.append("POST /items HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ");
  into.append(std::to_string(keys.size())).append("\r\n\r\n").append(keys);
}

}  // namespace headroom::http
