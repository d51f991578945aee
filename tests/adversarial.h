// Inputs that random data misses, for any kernel whose problem takes bytes: elements of one, four
// and eight bytes at both ends of their range and at its middle, where a sign or a carry shows;
// equal, adjacent, ascending and descending ones; an element that is sought in all places, in none,
// in the last one, at each distance from the one before it, and beyond L1 and L2.
//
// A kernel reads them as it reads any bytes. Where its first element says what is sought, that is
// the rare one here.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/cpu.h"

namespace headroom::adversarial {

// `use` is called with each input, and a word on what it is.
using Use = std::function<void(const std::string&, std::span<const std::uint8_t>)>;

template <class T>
void give(const std::string& what, const std::vector<T>& elements, const Use& use) {
  use(what + " of " + std::to_string(sizeof(T)) + " bytes, n:" + std::to_string(elements.size()),
      {reinterpret_cast<const std::uint8_t*>(elements.data()), elements.size() * sizeof(T)});
}

// A common element and a rare one: the ends of the range, neighbours, and neighbours in the middle
// of the range, in both orders.
template <class T>
std::vector<std::pair<T, T>> pairs() {
  constexpr T kMost = std::numeric_limits<T>::max(), kMiddle = kMost / 2 + 1;
  std::vector<std::pair<T, T>> all;
  for (const auto& [a, b] : {std::pair<T, T>{0, kMost},
                             {0, 1},
                             {kMost - 1, kMost},
                             {kMiddle - 1, kMiddle},
                             {0, kMiddle}}) {
    all.emplace_back(a, b);
    all.emplace_back(b, a);
  }
  return all;
}

// One less and one more than powers of two, where blocks of any kernel begin and end.
inline std::vector<std::size_t> lengths(std::size_t most) {
  std::vector<std::size_t> all = {0, 1};
  for (std::size_t n = 2; n <= most; n *= 2)
    for (const std::size_t length : {n - 1, n, n + 1})
      if (length > all.back()) all.push_back(length);
  return all;
}

// Short ones, many.
template <class T>
void short_inputs(const Use& use) {
  for (const std::size_t n : lengths(4096 / sizeof(T))) {
    std::vector<T> elements(n);
    for (const auto& [common, rare] : pairs<T>()) {
      const auto fill = [&, common = common, rare = rare](const char* what, auto&& is_rare) {
        for (std::size_t i = 0; i < n; ++i) elements[i] = i == 0 || is_rare(i) ? rare : common;
        give(what, elements, use);
      };
      fill("none", [](std::size_t) { return false; });
      fill("all", [](std::size_t) { return true; });
      fill("the last one", [n](std::size_t i) { return i + 1 == n; });
      fill("all but the last one", [n](std::size_t i) { return i + 1 != n; });
      fill("every other one", [](std::size_t i) { return i % 2 == 0; });
    }
    for (std::size_t i = 0; i < n; ++i) elements[i] = static_cast<T>(i);
    give("ascending", elements, use);
    std::reverse(elements.begin(), elements.end());
    give("descending", elements, use);
    for (T& element : elements) element = std::numeric_limits<T>::max() - element;
    give("ascending to the most", elements, use);
    for (std::size_t i = 0; i < n; ++i) elements[i] = static_cast<T>(i / 2);
    give("pairs", elements, use);
  }
}

// Rare elements at these distances from each other, and some common ones behind them.
template <class T>
std::vector<T> at_distances(T common, T rare, const std::vector<std::size_t>& distances,
                            std::size_t behind) {
  std::vector<T> elements = {rare};
  for (const std::size_t distance : distances) {
    elements.resize(elements.size() + distance, common);
    elements.push_back(rare);
  }
  elements.resize(elements.size() + behind, common);
  return elements;
}

// Long ones, few: counters of a byte overflow in them, and a search that begins behind each rare
// element finds the next one at every place of its blocks, also of those that begin beyond L1.
template <class T>
void long_inputs(const Use& use) {
  constexpr T kMost = std::numeric_limits<T>::max();
  // The rare one is small: where it is a length, work grows with the product.
  for (const auto& [common, rare] : {std::pair<T, T>{kMost, 0}, {0, 1}}) {
    std::vector<std::size_t> distances;
    // Blocks of eight vectors of 64 bytes, behind up to four more.
    for (std::size_t distance = 0; distance < 800 / sizeof(T); ++distance)
      distances.push_back(distance);
    give("every distance", at_distances<T>(common, rare, distances, 0), use);
    give("all, long", std::vector<T>((70'001 + sizeof(T) - 1) / sizeof(T), rare), use);
  }
  if constexpr (sizeof(T) == 1) {
    std::vector<std::size_t> distances;
    // Any vector of 16 bytes or more is hit, in the last block before and the first one behind.
    for (std::size_t more = 0; more < 1200; more += 13)
      distances.push_back(l1_bytes() - 600 + more);
    give("around L1", at_distances<T>(kMost, 0, distances, l2_bytes()), use);
    give("beyond L2", at_distances<T>(0, 1, {l2_bytes() + 77}, 3), use);
  }
}

}  // namespace headroom::adversarial
