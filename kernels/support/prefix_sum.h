// The problem of the prefix_sum kernels: out[i] = x[0] + ... + x[i], for uint32 that wrap.
//
// Exact: addition modulo 2^32 is associative, so any order and any split into parts gives the same
// bits.
#pragma once

#include <cstdint>

#include "core/kernel.h"

namespace headroom {

struct PrefixSumProblem {
  using Input = Buffer<std::uint32_t>;
  using Output = Buffer<std::uint32_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input x(setting.n);
    FastRng fast(rng());
    for (std::uint32_t& item : x) item = static_cast<std::uint32_t>(fast() >> 32);
    return x;
  }
  static void size(const Input& x, Output& out) { out = Output(x.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

}  // namespace headroom
