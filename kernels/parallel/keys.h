// The problem of parallel/sort and parallel/quicksort_tasks: sort an array of uint32, in place.
//
// Out: the array, ascending; exact. Each call gets a fresh copy of other data (untimed): 2^17 keys
// or more before they repeat, since branch prediction learns a sort of a few thousand keys that
// comes again and again. Variants that need a second array of n keys share one, made untimed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/kernel.h"
#include "support/slices.h"

namespace headroom::parallel {

struct SortKeys {
  using Key = std::uint32_t;
  static constexpr auto kInputs =
      inputs("random").for_tests("sorted", "descending", "few_distinct", "all_equal", "skewed");
  using Call = std::span<const Key>;
  struct Input {
    Slices slices;  // of n keys
    Buffer<Key> keys;
    mutable Buffer<Key> spare;  // n keys that variants may write to
    Call at(std::size_t turn) const { return slices.of(keys, turn); }
  };
  using Output = Buffer<Key>;

  // One copy of the data, sorted where it lies.
  struct Work {
    Work(const Input& in, const Setting& setting)
        : keys(in.slices.size()), spare(in.spare.data()), threads(setting.threads) {}
    void refill(const Call& call) { std::copy(call.begin(), call.end(), keys.begin()); }
    void answer(Output& out) const { std::copy(keys.begin(), keys.end(), out.begin()); }
    Buffer<Key> keys;
    Key* spare;
    int threads;
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    const std::size_t n = setting.n;
    in.slices = Slices::covering(kPool, n, kPool);
    in.keys = Buffer<Key>(in.slices.items());
    in.spare = Buffer<Key>(n);
    FastRng fast(rng());
    for (std::size_t i = 0; i < in.keys.size(); ++i) {
      const auto random = static_cast<Key>(fast() >> 32), at = static_cast<Key>(i % n);
      in.keys[i] = setting.input == kInputs["random"]         ? random
                   : setting.input == kInputs["sorted"]       ? at
                   : setting.input == kInputs["descending"]   ? ~at
                   : setting.input == kInputs["few_distinct"] ? random % 16 * 0x11111111
                   : setting.input == kInputs["all_equal"]    ? 7
                                                              : random >> random % 32;
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.slices.size()); }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }

  // What a call asks for, with so many variants.
  static Demand demand(const Setting& s, std::size_t variants) {
    const double n = static_cast<double>(s.n);
    // An epoch of up to 200 us works on that many copies; each variant has its own.
    const std::size_t copies =
        variants * (s.n + std::min<std::size_t>(s.n, 1 << 18) + (std::size_t{1} << 18));
    return {.items = n,
            .bytes = 2 * sizeof(Key) * n,
            .working_set = 2 * sizeof(Key) * s.n,
            .memory = sizeof(Key) * (std::max(s.n, 2 * kPool) + 8 * s.n + copies)};
  }
  static constexpr std::size_t kPool = std::size_t{1} << 17;
};

}  // namespace headroom::parallel
