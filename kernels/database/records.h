// What producers hand to a broker: records, one a message or packed many into one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/random.h"

namespace headroom {

using Records = std::vector<std::string>;

// Records of 32 to 223 bytes of any value, no two alike.
inline Records make_records(std::size_t n, Rng& rng) {
  Records all(n);
  FastRng fast(rng());
  for (std::size_t i = 0; i < n; ++i) {
    all[i].resize(32 + bounded(fast, 192));
    for (char& c : all[i]) c = static_cast<char>(bounded(fast, 256));
    const auto number = static_cast<std::uint64_t>(i);
    std::memcpy(all[i].data(), &number, sizeof number);
  }
  return all;
}

// Each record after its size, in four bytes of this machine's order: producer and consumer are one.
inline void pack(std::span<const std::string> records, std::string& into) {
  into.clear();
  for (const std::string& record : records) {
    const auto size = static_cast<std::uint32_t>(record.size());
    into.append(reinterpret_cast<const char*>(&size), sizeof size);
    into += record;
  }
}

// Adds the records of a packed message. Throws std::runtime_error where it is malformed.
inline void unpack(std::string_view message, Records& into) {
  while (!message.empty()) {
    std::uint32_t size = 0;
    if (message.size() < sizeof size) throw std::runtime_error("a packed message is cut short");
    std::memcpy(&size, message.data(), sizeof size);
    message.remove_prefix(sizeof size);
    if (message.size() < size) throw std::runtime_error("a packed message is cut short");
    into.emplace_back(message.substr(0, size));
    message.remove_prefix(size);
  }
}

// Calls `one(part)` for the records in parts of `size`, the last one shorter.
template <class One>
void in_parts(std::span<const std::string> records, std::size_t size, One&& one) {
  for (std::size_t at = 0; at < records.size(); at += size)
    one(records.subspan(at, std::min(size, records.size() - at)));
}

}  // namespace headroom
