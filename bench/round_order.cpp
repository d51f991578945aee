#include "bench/round_order.h"

#include <numeric>

namespace headroom {

RoundOrder::RoundOrder(std::size_t arms, std::uint64_t seed)
    : rng_(seed), arms_(arms), round_(arms) {
  std::iota(arms_.begin(), arms_.end(), std::size_t{0});
  // 0, 1, m-1, 2, m-2, ...: the steps between neighbours are all different (modulo m), and stay so
  // in each row, which is the first one with a number added.
  std::vector<std::size_t> first;
  for (std::size_t i = 0; i < arms; ++i)
    first.push_back(i == 0 ? 0 : i % 2 == 1 ? (i + 1) / 2 : arms - i / 2);
  for (std::size_t added = 0; added < arms; ++added) {
    std::vector<std::size_t> row;
    row.reserve(arms);
    for (std::size_t place : first) row.push_back((place + added) % arms);
    square_.push_back(row);
    // With an odd number each step occurs twice or never; the rows reversed have those that lack.
    if (arms % 2 == 1 && arms > 1) square_.emplace_back(row.rbegin(), row.rend());
  }
  row_ = square_.size();
}

std::span<const std::size_t> RoundOrder::next() {
  if (row_ == square_.size()) {
    shuffle(std::span(arms_), rng_);
    shuffle(std::span(square_), rng_);
    row_ = 0;
  }
  for (std::size_t i = 0; i < round_.size(); ++i) round_[i] = arms_[square_[row_][i]];
  ++row_;
  return round_;
}

}  // namespace headroom
