// 32-bit hashes to be dealt out to buckets: the input and the answer of computation/modulo and
// computation/fastrange, which differ in what decides the bucket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "core/kernel.h"

namespace headroom {

struct Hashes {
  Buffer<std::uint32_t> numbers;
  std::uint32_t buckets = 1;
};

struct DealtOut {
  using Input = Hashes;
  using Output = Buffer<std::uint32_t>;

  static Input hashes(std::size_t n, std::uint32_t buckets, Rng& rng) {
    Input in{Buffer<std::uint32_t>(n), buckets};
    FastRng fast(rng());
    for (std::uint32_t& number : in.numbers) number = static_cast<std::uint32_t>(fast() >> 32);
    return in;
  }
  // How many buckets, which may be none, then the hashes.
  static Input hashes(std::span<const std::uint8_t> bytes) {
    Input in;
    const std::size_t words = bytes.size() / 4;
    if (words == 0) return in;
    std::memcpy(&in.buckets, bytes.data(), 4);
    in.numbers = Buffer<std::uint32_t>(words - 1);
    if (words > 1) std::memcpy(in.numbers.data(), bytes.data() + 4, 4 * (words - 1));
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.numbers.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// Each hash is read, each bucket written. arms: how many variants have an output of their own.
inline Demand dealing_out(std::size_t n, std::size_t arms) {
  const double items = static_cast<double>(n);
  return {.items = items, .bytes = 8 * items, .working_set = 8 * n, .memory = (1 + arms) * 4 * n};
}

}  // namespace headroom
