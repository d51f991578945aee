// What the bandwidth probes (read, write, copy, triad) have in common: how n bytes are laid out,
// shared out to threads, and gone over often enough to be timed.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "core/buffer.h"
#include "core/kernel.h"
#include "support/team.h"

namespace headroom::machine {

// One call's work on `arrays` arrays of 8-byte items that together are the working set.
struct Sweep {
  std::size_t items = 0;   // of each array
  std::size_t passes = 0;  // over all of them
  int arrays = 1;
  double bytes() const {
    return 8.0 * static_cast<double>(items) * arrays * static_cast<double>(passes);
  }
  std::size_t working_set() const { return 8 * items * static_cast<std::size_t>(arrays); }
};

// A working set of `n` bytes, but at least 4 KiB: below that a probe times its own loop, and it is
// level 1 all the same. Small ones are gone over until 16 MiB have passed: tens of microseconds,
// long against the start of a parallel region.
//
// Larger ones, up to where the last level no longer matters, are gone over `settling` times. Of a
// set a few times its size the last level keeps a share, and, since caches learn not to be flushed
// by a stream, one that grows from pass to pass (40 to 50 GB/s over the first eight passes of 64
// MiB on a Zen 5). A kernel's variants go over one input by turns, a dozen times a round, and so
// find the grown share; a reader that went over its own memory once or twice would find less, and
// not be a ceiling (a dot product of 64 MiB passed it by a fifth).
inline Sweep sweep(std::size_t n, int arrays, std::size_t settling) {
  constexpr std::size_t kLeast = 4096, kEnough = std::size_t{16} << 20;
  constexpr std::size_t kCached = std::size_t{128} << 20;
  const std::size_t unit = 8 * static_cast<std::size_t>(arrays);
  const std::size_t items = (std::max(n, kLeast) + unit - 1) / unit;
  const std::size_t least = items * unit <= kCached ? settling : 1;
  return {items, std::max<std::size_t>(least, kEnough / (items * unit)), arrays};
}

// `written` of the arrays are there once for each variant, and the others once for all.
inline Demand sweep_demand(const Sweep& s, int written, std::size_t variants) {
  const std::size_t array = s.working_set() / static_cast<std::size_t>(s.arrays);
  const auto own = static_cast<std::size_t>(written);
  const std::size_t shared = static_cast<std::size_t>(s.arrays) - own;
  return {.items = s.bytes() / 8,
          .bytes = s.bytes(),
          .working_set = s.working_set(),
          // One more for the rung of a single thread.
          .memory = array * (own * (variants + 1) + shared * 2)};
}

// An array in one piece a thread, each allocated, and so first touched, by the thread that will use
// it: on a machine with several memories every thread finds its part in its own.
template <class T>
class Pieces {
 public:
  using value_type = T;
  Pieces() = default;
  Pieces(Team& team, std::size_t items)
      : size_(items), pieces_(static_cast<std::size_t>(team.count())) {
    std::atomic<bool> failed{false};
    team.run([&](int i) {
      try {
        pieces_[static_cast<std::size_t>(i)] =
            Buffer<T>(share(items, 64 / sizeof(T), i, team.count()).size());
      } catch (const std::bad_alloc&) {
        failed = true;
      }
    });
    if (failed) throw std::bad_alloc();
  }
  std::size_t size() const { return size_; }
  Buffer<T>& operator[](int thread) { return pieces_[static_cast<std::size_t>(thread)]; }
  const Buffer<T>& operator[](int thread) const {
    return pieces_[static_cast<std::size_t>(thread)];
  }

  void poison() {
    for (Buffer<T>& piece : pieces_) headroom::poison(piece);
  }
  bool spoil(Spoil how) {
    for (Buffer<T>& piece : pieces_)
      if (headroom::spoil(piece, how)) return true;
    return false;
  }
  // value(i) for every index of the whole.
  template <class Value>
  void fill(const Value& value) {
    std::size_t i = 0;
    for (Buffer<T>& piece : pieces_)
      for (T& item : piece) item = value(i++);
  }
  // Every item is value(i).
  template <class Value>
  absl::Status check(const Value& value) const {
    std::size_t i = 0;
    for (const Buffer<T>& piece : pieces_) {
      for (const T& item : piece) {
        if (item != value(i))
          return absl::FailedPreconditionError("at index " + std::to_string(i) + ": want " +
                                               std::to_string(value(i)) + ", got " +
                                               std::to_string(item));
        ++i;
      }
    }
    if (i != size_) return absl::FailedPreconditionError("pieces are missing");
    return absl::OkStatus();
  }

 private:
  std::size_t size_ = 0;
  std::vector<Buffer<T>> pieces_;
};

// An array of value(i) that is only read, the same for all variants that have as many threads and
// ask for it in the same place, and so there once: touching memory for the first time is most of
// what a launch pays before its first round.
template <class T, class Value>
std::shared_ptr<const Pieces<T>> read_only(Team& team, std::size_t items, std::uint64_t seed,
                                           const Value& value) {
  static std::map<std::tuple<std::size_t, std::uint64_t, int>, std::weak_ptr<const Pieces<T>>>
      known;  // of this Value
  std::weak_ptr<const Pieces<T>>& place = known[{items, seed, team.count()}];
  if (std::shared_ptr<const Pieces<T>> there = place.lock()) return there;
  auto made = std::make_shared<Pieces<T>>(team, items);
  made->fill(value);
  place = made;
  return made;
}

}  // namespace headroom::machine
