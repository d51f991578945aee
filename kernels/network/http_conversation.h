// What all servers of network/server do alike: a small HTTP/1.1 server's parsing and answering,
// without any input or output. A server hands in the bytes that came and sends what is to be sent.
//
// It serves GET /items/NNNN (RFC 9112): keep-alive, requests in any pieces and several at a time.
// A request that is no such thing, or has a body, is answered with 400 and ends the connection.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>

namespace headroom::serving {

inline constexpr std::size_t kItems = 1024;
inline constexpr std::size_t kBodyBytes = 96;
inline constexpr std::size_t kMostHead = 8192;  // of a request, longer ones are refused

// The bodies: what a service keeps in memory and hands out.
class Items {
 public:
  Items() {
    for (std::size_t i = 0; i < kItems; ++i) {
      std::string& body = bodies_[i];
      body = "{\"item\":" + std::to_string(i) + ",\"price\":" + std::to_string(i * 7919 % 100'000) +
             ",\"name\":\"";
      while (body.size() < kBodyBytes - 2) body += static_cast<char>('a' + (body.size() * i) % 26);
      body += "\"}";
    }
  }
  // nullptr where there is none at such a path.
  const std::string* find(std::string_view path) const {
    constexpr std::string_view kFolder = "/items/";
    if (!path.starts_with(kFolder)) return nullptr;
    path.remove_prefix(kFolder.size());
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), number);
    if (error != std::errc() || end != path.data() + path.size() || number >= kItems)
      return nullptr;
    return &bodies_[number];
  }

 private:
  std::array<std::string, kItems> bodies_;
};

struct Asked {
  std::string_view path;
  std::string_view id;  // of the request, echoed; may be empty
  bool last = false;    // the client will ask nothing more on this connection
};
enum class Parsed { kWhole, kPart, kMalformed };

namespace internal {

enum Kind : unsigned char { kBad = 0, kText = 1, kToken = 3 };
// RFC 9110, 5.5 and 5.6.2: what a field's value and what a name may consist of.
inline constexpr std::array<unsigned char, 256> kKinds = [] {
  std::array<unsigned char, 256> kinds{};
  for (std::size_t c = 0x20; c < 256; ++c) kinds[c] = c == 0x7f ? kBad : kText;
  kinds['\t'] = kText;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    kinds[static_cast<unsigned char>(c)] = kToken;
  return kinds;
}();
inline bool all(std::string_view text, Kind kind) {
  unsigned char in_common = kToken;
  for (const char c : text) in_common &= kKinds[static_cast<unsigned char>(c)];
  return (in_common & kind) == kind;
}
inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
// `name` is in small letters.
inline bool is(std::string_view text, std::string_view name) {
  if (text.size() != name.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (lower(text[i]) != name[i]) return false;
  return true;
}
inline std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace internal

// The request that `text` begins with, and its length. kPart: not all of it is there yet.
inline Parsed parse(std::string_view text, std::size_t& length, Asked& asked) {
  using namespace internal;
  std::size_t at = 0;
  // The next line without its end; false where it has none yet.
  const auto next_line = [&](std::string_view& line) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string_view::npos) return false;
    line = text.substr(at, end - at);
    at = end + 1;
    return true;
  };
  const Parsed unfinished = text.size() >= kMostHead ? Parsed::kMalformed : Parsed::kPart;
  std::string_view line;
  if (!next_line(line)) return unfinished;
  constexpr std::string_view kGet = "GET ", kEnd = " HTTP/1.1\r";
  if (!line.starts_with(kGet) || !line.ends_with(kEnd) || line.size() < kGet.size() + kEnd.size())
    return Parsed::kMalformed;
  asked = {.path = line.substr(kGet.size(), line.size() - kGet.size() - kEnd.size())};
  if (asked.path.find(' ') != std::string_view::npos || !all(asked.path, kText))
    return Parsed::kMalformed;
  int hosts = 0;
  for (;;) {
    if (!next_line(line)) return unfinished;
    if (line.empty() || line.back() != '\r') return Parsed::kMalformed;
    line.remove_suffix(1);
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    if (colon == 0 || colon == std::string_view::npos) return Parsed::kMalformed;
    const std::string_view name = line.substr(0, colon), value = trimmed(line.substr(colon + 1));
    if (!all(name, kToken) || !all(value, kText)) return Parsed::kMalformed;
    if (is(name, "host")) ++hosts;
    if (is(name, "x-request-id")) asked.id = value;
    if (is(name, "connection")) asked.last = is(value, "close");
    // Where its body ended would have to be known before the next request can be read.
    if (is(name, "transfer-encoding") || (is(name, "content-length") && value != "0"))
      return Parsed::kMalformed;
  }
  if (hosts != 1 || at > kMostHead) return Parsed::kMalformed;
  length = at;
  return Parsed::kWhole;
}

// One connection, as far as it isn't the system's: what came and isn't answered, what is answered
// and isn't sent. Its memory is bounded by what a server hands in at a time, if it hands in nothing
// while something is unsent: a client that doesn't read is not read from.
class Conversation {
 public:
  explicit Conversation(const Items& items) : items_(items) {}

  // Answers all requests that are whole now, in order; after each of them calls `each`.
  template <class Each>
  void take(std::string_view bytes, Each each) {
    if (over_) return;
    if (rest_.empty()) {  // nearly always: no copy
      rest_ = bytes.substr(answer(bytes, each));
    } else {
      rest_ += bytes;
      rest_.erase(0, answer(rest_, each));
    }
  }
  void take(std::string_view bytes) {
    take(bytes, [] {});
  }
  std::string_view unsent() const { return std::string_view(answers_).substr(sent_); }
  void sent(std::size_t bytes) {
    sent_ += bytes;
    if (sent_ < answers_.size()) return;
    answers_.clear();
    sent_ = 0;
  }
  // No request is answered any more: when all is sent, the client is told so by the end of the
  // stream. It must be read until it ends too, since closing before it has, what it sent meanwhile
  // being unread, may take the last answer from it (RFC 9112, 9.6).
  bool over() const { return over_; }

 private:
  // The length of what was answered.
  template <class Each>
  std::size_t answer(std::string_view text, Each each) {
    std::size_t at = 0, length = 0;
    Asked asked;
    while (!over_ && at < text.size()) {
      const Parsed parsed = parse(text.substr(at), length, asked);
      if (parsed == Parsed::kPart) return at;
      over_ = parsed == Parsed::kMalformed || asked.last;
      if (parsed == Parsed::kWhole) {
        at += length;
        reply(asked);
      } else {
        answers_ += "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
      }
      each();
    }
    return over_ ? text.size() : at;
  }
  void reply(const Asked& asked) {
    const std::string* const body = items_.find(asked.path);
    answers_ += body != nullptr ? "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                : "HTTP/1.1 404 Not Found\r\n";
    if (!asked.id.empty()) answers_.append("X-Request-Id: ").append(asked.id).append("\r\n");
    if (asked.last) answers_ += "Connection: close\r\n";
    const std::size_t size = body != nullptr ? body->size() : 0;
    char digits[20];
    const char* const end = std::to_chars(digits, digits + sizeof digits, size).ptr;
    answers_.append("Content-Length: ").append(digits, static_cast<std::size_t>(end - digits));
    answers_ += "\r\n\r\n";
    if (body != nullptr) answers_ += *body;
  }

  const Items& items_;
  std::string rest_, answers_;
  std::size_t sent_ = 0;
  bool over_ = false;
};

}  // namespace headroom::serving
