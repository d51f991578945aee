// The inputs of successive calls, cut from one array, so that no two calls in a row see the same.
#pragma once

#include <bit>
#include <cstddef>
#include <limits>
#include <span>

namespace headroom {

// So many slices of `size` items each, one after the other; a call takes the slice of its turn, and
// after the last comes the first again. Their number is a power of two: the choice is timed with
// the call, and a mask costs nothing where a division would show in short ones.
class Slices {
 public:
  Slices() = default;  // one, of no items

  // As few as hold `items` together, but no more than `most`, a power of two.
  static Slices covering(std::size_t items, std::size_t size,
                         std::size_t most = std::size_t{1}
                                            << (std::numeric_limits<std::size_t>::digits - 1)) {
    Slices slices(size);
    while (size != 0 && slices.count_ * size < items && slices.count_ < most) slices.count_ *= 2;
    return slices;
  }
  // As many as `items` suffice for, and at least one.
  static Slices within(std::size_t items, std::size_t size) {
    Slices slices(size);
    if (size != 0 && items >= size) slices.count_ = std::bit_floor(items / size);
    return slices;
  }

  std::size_t count() const { return count_; }
  std::size_t size() const { return size_; }
  std::size_t items() const { return count_ * size_; }  // of all together

  // Which slice a turn has, and which item is its first.
  std::size_t slice(std::size_t turn) const { return turn & (count_ - 1); }
  std::size_t first(std::size_t turn) const { return slice(turn) * size_; }
  // How many times all slices had their turn before.
  std::size_t lap(std::size_t turn) const { return turn / count_; }
  // The turn's slice of an array that has items() of them.
  template <class Array>
  auto of(const Array& array, std::size_t turn) const {
    return std::span(array.data() + first(turn), size_);
  }

 private:
  explicit Slices(std::size_t size) : size_(size) {}
  std::size_t count_ = 1;
  std::size_t size_ = 0;
};

}  // namespace headroom
