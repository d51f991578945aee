// What a publisher knows of its messages: which of those that it has sent are confirmed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <stdexcept>

namespace headroom {

// Publishes are numbered 1, 2, ... A confirm is for one, or for all up to it; they come in any
// order.
class Confirms {
 public:
  void sent() { open_.push_back(true); }
  // Throws std::runtime_error for a number that was never sent.
  void confirmed(std::uint64_t number, bool multiple) {
    if (number < first_) return;
    if (number - first_ >= open_.size())
      throw std::runtime_error("a confirm for what was not published");
    const auto end = open_.begin() + static_cast<std::ptrdiff_t>(number - first_);
    for (auto at = multiple ? open_.begin() : end; at != end + 1; ++at) {
      confirmed_ += *at ? 1 : 0;
      *at = false;
    }
    for (; !open_.empty() && !open_.front(); ++first_) open_.pop_front();
  }
  // Messages that may still be lost.
  std::size_t open() const { return first_ - 1 + open_.size() - confirmed_; }

 private:
  std::deque<bool> open_;        // from first_ on
  std::uint64_t first_ = 1;      // all before it are confirmed
  std::uint64_t confirmed_ = 0;  // in all
};

}  // namespace headroom
