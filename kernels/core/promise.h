// What a variant guarantees beyond its answer.
#pragma once

#include <string_view>
#include <vector>

namespace headroom {

// Sets of guarantees; a stronger one contains the weaker: kDurable is also kConsistent.
enum class Promise : unsigned {
  kNone = 0,
  kExact = 1 << 0,       // its answer is the baseline's to the last bit; else within a tolerance
  kOrdered = 1 << 1,     // results come in a stated order
  kValidating = 1 << 2,  // input that is malformed is found, not trusted
  kConsistent = 1 << 3,  // after a crash the data are those before or after an operation
  kDurable = 1 << 4 | kConsistent,       // what was acknowledged is there after a crash
  kFresh = 1 << 5,                       // answers see every change that was acknowledged before
  kAtLeastOnce = 1 << 6,                 // nothing accepted is lost
  kExactlyOnce = 1 << 7 | kAtLeastOnce,  // nor done twice
  kFewMoves = 1 << 8  // a place more or less changes the place of few keys, not of nearly all
};

constexpr Promise operator|(Promise a, Promise b) {
  return static_cast<Promise>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
// The guarantees of `a` without those of `b`.
constexpr Promise without(Promise a, Promise b) {
  return static_cast<Promise>(static_cast<unsigned>(a) & ~static_cast<unsigned>(b));
}
// Whether all that `b` guarantees is guaranteed by `a`.
constexpr bool keeps(Promise a, Promise b) { return without(b, a) == Promise::kNone; }

// In words, the strongest of each kind: {"exact", "durable"}.
std::vector<std::string_view> words(Promise promise);

}  // namespace headroom
