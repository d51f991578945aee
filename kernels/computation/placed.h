// Results whose order is the variant's own: what stores its objects sorted also answers sorted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/buffer.h"
#include "core/same.h"

namespace headroom {

// values[k] belongs to the object ids[k]. Every object is there once.
template <class T>
struct Placed {
  Buffer<T> values;
  std::span<const std::uint32_t> ids;  // of the call or of the variant's state
  void poison() {
    headroom::poison(values);
    ids = {};
  }
  bool spoil(Spoil how) { return headroom::spoil(values, how); }
};

// Exact, object by object.
template <class T>
absl::Status same_placed(const Placed<T>& want, const Placed<T>& got) {
  const std::size_t n = want.values.size();
  const auto by_id = [n](const Placed<T>& placed, std::vector<T>& values) {
    std::vector<bool> seen(n);
    if (placed.values.size() != n || placed.ids.size() != n) return false;
    values.resize(n);
    for (std::size_t k = 0; k < n; ++k) {
      const std::uint32_t id = placed.ids[k];
      if (id >= n || seen[id]) return false;
      seen[id] = true;
      values[id] = placed.values[k];
    }
    return true;
  };
  std::vector<T> w;
  std::vector<T> g;
  if (!by_id(want, w) || !by_id(got, g))
    return absl::FailedPreconditionError("not every object is there once");
  return exact(w, g);
}

}  // namespace headroom
