// Agreement of outputs: exact or within a stated tolerance, with the first difference in words;
// poison, which makes sure that an output was written at all; and spoil, which proves that the
// comparison can fail.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <ranges>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"

namespace headroom {

namespace internal {

template <class T>
std::string show_value(const T& value) {
  if constexpr (std::is_convertible_v<T, std::string>) {
    const std::string text = value;
    return "\"" + (text.size() <= 60 ? text : text.substr(0, 60) + "...") + "\"";
  } else if constexpr (std::is_arithmetic_v<T>) {
    return std::to_string(value);
  } else {
    return "another value";
  }
}

}  // namespace internal

// The error of a difference: "<where>want <want>, got <got>".
inline absl::Status differ(const std::string& where, const std::string& want,
                           const std::string& got) {
  return absl::FailedPreconditionError(where + "want " + want + ", got " + got);
}

namespace internal {

template <class T, class Equal>
absl::Status compare(const T& want, const T& got, Equal equal) {
  if constexpr (std::ranges::sized_range<T> && !std::is_convertible_v<T, std::string>) {
    const auto size = std::ranges::size(want);
    if (size != std::ranges::size(got))
      return differ("length: ", std::to_string(size), std::to_string(std::ranges::size(got)));
    auto w = std::ranges::begin(want);
    auto g = std::ranges::begin(got);
    for (std::size_t i = 0; i < size; ++i, ++w, ++g)
      if (!equal(*w, *g))
        return differ("at index " + std::to_string(i) + ": ", show_value(*w), show_value(*g));
    return absl::OkStatus();
  } else {
    return equal(want, got) ? absl::OkStatus() : differ("", show_value(want), show_value(got));
  }
}

}  // namespace internal

// Equal element by element (every index, in order), with the same length.
template <class T>
absl::Status exact(const T& want, const T& got) {
  return internal::compare(want, got, [](const auto& a, const auto& b) { return a == b; });
}

// |want - got| <= tolerance element by element; NaN agrees with NaN only, infinities with their
// equals. The tolerance is absolute: derive it from the arithmetic (for a sum of n terms in any
// order, n * epsilon * sum of |terms|).
template <class T>
absl::Status within(const T& want, const T& got, double tolerance) {
  return internal::compare(want, got, [tolerance](const auto& a, const auto& b) {
    if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
    return a == b || std::abs(static_cast<double>(a) - static_cast<double>(b)) <= tolerance;
  });
}

// Overwrites an output with a pattern that no right answer is likely to have. Lengths are kept. A
// struct takes part with a member poison().
template <class T>
void poison(T& output) {
  if constexpr (requires { output.poison(); }) {
    output.poison();
  } else if constexpr (std::ranges::contiguous_range<T>) {
    using Item = std::ranges::range_value_t<T>;
    if constexpr (std::is_trivially_copyable_v<Item>) {
      if (std::ranges::size(output) != 0)
        std::memset(static_cast<void*>(std::ranges::data(output)), 0xa5,
                    std::ranges::size(output) * sizeof(Item));
    } else {
      for (Item& item : output) poison(item);
    }
  } else {
    static_assert(std::is_trivially_copyable_v<T>, "give this output type a member poison()");
    std::memset(static_cast<void*>(&output), 0xa5, sizeof output);
  }
}

// The ways to be wrong: another first element, another last one, two neighbours exchanged, one
// element less.
enum class Spoil { kFirst, kLast, kOrder, kLength };

namespace internal {

// Another value, beyond any tolerance.
template <class T>
void change(T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    value = !value;
  } else if constexpr (std::is_floating_point_v<T>) {
    value = std::isfinite(value) ? value * 3 + 1 : 0;
  } else if constexpr (std::is_integral_v<T>) {
    value ^= 1;
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (value.empty())
      value = "x";
    else
      value[0] ^= 1;
  } else {
    static_assert(std::is_trivially_copyable_v<T>, "give this output type a member spoil(Spoil)");
    auto* const bytes = reinterpret_cast<unsigned char*>(&value);
    for (std::size_t i = 0; i < sizeof value; ++i) bytes[i] ^= 1;
  }
}

}  // namespace internal

// Makes an output wrong in one way; false where that can't be: no element, all equal, a fixed
// length. A struct that has a poison() takes part with a member `bool spoil(Spoil)`.
template <class T>
bool spoil(T& output, Spoil how) {
  if constexpr (requires { output.spoil(how); }) {
    return output.spoil(how);
  } else if constexpr (std::ranges::contiguous_range<T>) {
    const std::span items(std::ranges::data(output), std::ranges::size(output));
    if (items.empty()) return false;
    switch (how) {
      case Spoil::kFirst:
        internal::change(items.front());
        return true;
      case Spoil::kLast:
        internal::change(items.back());
        return true;
      case Spoil::kOrder:
        for (std::size_t i = 1; i < items.size(); ++i) {
          if (std::memcmp(&items[i - 1], &items[i], sizeof items[i]) == 0) continue;
          std::swap(items[i - 1], items[i]);
          return true;
        }
        return false;
      case Spoil::kLength:
        if constexpr (requires { output.pop_back(); }) {
          output.pop_back();
          return true;
        }
        return false;
    }
    return false;
  } else if constexpr (std::is_trivially_copyable_v<T> && !requires { output.poison(); }) {
    if (how == Spoil::kFirst) internal::change(output);
    return how == Spoil::kFirst;
  } else {
    return false;
  }
}

// The same of the first `count` items of an array; another length is one item less.
template <class T>
bool spoil_counted(Spoil how, T* items, std::size_t& count) {
  if (how == Spoil::kLength) return count != 0 && count-- != 0;
  std::span<T> counted(items, count);
  return spoil(counted, how);
}

// The same of an output of several parts: of the first one that can be spoiled so.
template <class... Parts>
bool spoil_parts(Spoil how, Parts&&... parts) {
  return (spoil(parts, how) || ...);
}

}  // namespace headroom
