#include "core/promise.h"

#include <utility>

namespace headroom {

std::vector<std::string_view> words(Promise promise) {
  // The stronger stand before the weaker that they contain.
  static constexpr std::pair<Promise, std::string_view> kWords[] = {
      {Promise::kExact, "exact"},
      {Promise::kOrdered, "ordered"},
      {Promise::kValidating, "validating"},
      {Promise::kDurable, "durable"},
      {Promise::kConsistent, "consistent"},
      {Promise::kFresh, "fresh"},
      {Promise::kExactlyOnce, "exactly-once"},
      {Promise::kAtLeastOnce, "at-least-once"},
      {Promise::kFewMoves, "few-moves"}};
  std::vector<std::string_view> all;
  Promise left = promise;
  for (const auto& [guarantee, word] : kWords) {
    // kDurable without kConsistent can come out of without(): its own bit is what counts.
    const Promise own = guarantee == Promise::kDurable ? without(guarantee, Promise::kConsistent)
                        : guarantee == Promise::kExactlyOnce
                            ? without(guarantee, Promise::kAtLeastOnce)
                            : guarantee;
    if (!keeps(left, own)) continue;
    all.push_back(word);
    left = without(left, guarantee);
  }
  return all;
}

}  // namespace headroom
