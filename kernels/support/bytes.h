// Arrays of bytes as inputs and outputs of kernels.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "core/buffer.h"
#include "core/random.h"
#include "core/same.h"

namespace headroom {

inline Buffer<std::uint8_t> random_bytes(std::size_t n, Rng& rng) {
  Buffer<std::uint8_t> bytes(n);
  FastRng fast(rng());
  for (std::size_t i = 0; i < n; i += 8) {
    const std::uint64_t bits = fast();
    std::memcpy(bytes.data() + i, &bits, std::min<std::size_t>(8, n - i));
  }
  return bytes;
}

// A copy of any bytes, for a problem's from().
inline Buffer<std::uint8_t> copy_of(std::span<const std::uint8_t> bytes) {
  Buffer<std::uint8_t> copy(bytes.size());
  std::copy(bytes.begin(), bytes.end(), copy.begin());
  return copy;
}

// The elements that any bytes hold, in this machine's order, at most so many; for from() too.
template <class T>
Buffer<T> elements_of(std::span<const std::uint8_t> bytes,
                      std::size_t most = std::size_t{1} << 24) {
  Buffer<T> elements(std::min(bytes.size() / sizeof(T), most));
  if (!elements.empty()) std::memcpy(elements.data(), bytes.data(), elements.size() * sizeof(T));
  return elements;
}

// Where a variant writes bytes: a Buffer that is sized untimed or, for a library that writes to
// nothing else, a std::string.
struct WrittenBytes {
  Buffer<std::uint8_t> buffer;
  std::string string;
  bool in_string = false;  // which of the two was written
  std::uint8_t* data() {
    return in_string ? reinterpret_cast<std::uint8_t*>(string.data()) : buffer.data();
  }
  std::span<const std::uint8_t> view() const {
    if (!in_string) return {buffer.data(), buffer.size()};
    return {reinterpret_cast<const std::uint8_t*>(string.data()), string.size()};
  }
  void poison() {
    headroom::poison(buffer);
    headroom::poison(string);
    in_string = false;
  }
  bool spoil(Spoil how) {
    return in_string ? headroom::spoil(string, how) : headroom::spoil(buffer, how);
  }
};

}  // namespace headroom
