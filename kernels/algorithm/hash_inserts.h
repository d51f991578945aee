// What hash_insert and hash_insert_reserved share: the keys, and what a filled map has to hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "algorithm/hash_maps.h"
#include "core/kernel.h"

namespace headroom {

// n random keys, a 16th of them repeats of one before, and a value for each, none of them 0.
struct Inserts {
  std::span<const std::uint64_t> keys;
  std::span<const std::uint64_t> values;
};

struct HashInserts {
  struct Input {
    std::size_t n = 0;
    std::size_t slices = 1;  // a power of two: so many calls' keys, one after the other
    Buffer<std::uint64_t> keys;
    Buffer<std::uint64_t> values;
    Inserts at(std::size_t turn) const {
      const std::size_t first = (turn & (slices - 1)) * n;
      return {{keys.data() + first, n}, {values.data() + first, n}};
    }
  };
  // The value that the map has for each key, and its size.
  using Output = Buffer<std::uint64_t>;

  // An empty map, as it is made, and what comes into it.
  template <class Map>
  struct Work {
    Map map;
    Inserts in;
    explicit Work(const Input&) {}
    void refill(const Inserts& call) {
      map = Map();
      in = call;
    }
    void answer(Output& out) const {
      for (std::size_t i = 0; i < in.keys.size(); ++i) out[i] = value(in.keys[i]);
      out[in.keys.size()] = map.size();
    }
    std::uint64_t value(std::uint64_t key) const {
      if constexpr (std::is_same_v<Map, FlatTable>) {
        const std::uint64_t* const found = map.find(key);
        return found == nullptr ? 0 : *found;
      } else {
        const auto found = map.find(key);
        return found == map.end() ? 0 : found->second;
      }
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t n = setting.n;
    Input in{.n = n};
    const std::size_t wanted = n < kSmallest ? kTestQueries : kQueries;
    while (n != 0 && in.slices * n < wanted) in.slices *= 2;
    in.keys = Buffer<std::uint64_t>(in.slices * n);
    in.values = Buffer<std::uint64_t>(in.slices * n);
    FastRng fast(rng());
    const std::uint64_t first = fast();
    for (std::size_t i = 0; i < in.keys.size(); ++i) {
      const bool repeat = i % n != 0 && fast() >> 60 == 0;
      in.keys[i] = repeat ? in.keys[i - 1 - bounded(fast, i % n)] : scramble(first + i);
      in.values[i] = fast() | 1;
    }
    return in;
  }
  // Any bytes, eight a key.
  static Input from(std::span<const std::uint8_t> bytes) {
    Input in{.n = bytes.size() / 8};
    in.keys = Buffer<std::uint64_t>(in.n);
    in.values = Buffer<std::uint64_t>(in.n);
    for (std::size_t i = 0; i < in.n; ++i) {
      for (std::size_t byte = 0; byte < 8; ++byte)
        in.keys[i] |= std::uint64_t{bytes[8 * i + byte]} << (8 * byte);
      in.values[i] = i + 1;
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.n + 1); }
  static absl::Status same(const Inserts&, const Output& want, const Output& got) {
    return exact(want, got);
  }
  static Demand demand(const Setting& s) {
    return {.items = static_cast<double>(s.n),
            .accesses = static_cast<double>(s.n),
            .working_set = 16 * s.n,
            .memory = 1200 * s.n + 16 * kQueries};
  }
};

template <class Map>
void insert_each(Map& map, const Inserts& in) {
  for (std::size_t i = 0; i < in.keys.size(); ++i) map.emplace(in.keys[i], in.values[i]);
}

}  // namespace headroom
