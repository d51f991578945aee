#include "support/latency.h"

#include <algorithm>
#include <cmath>

namespace headroom {

LatencyRecorder::LatencyRecorder() : buckets_(kBuckets) {}

void LatencyRecorder::merge(const LatencyRecorder& other) {
  for (std::size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

void LatencyRecorder::clear() { *this = {}; }

std::uint64_t LatencyRecorder::percentile(double percent) const {
  constexpr std::uint64_t kPercent = 1000, kWhole = 100 * kPercent;
  const auto part = static_cast<std::uint64_t>(
      std::clamp<long>(std::lround(percent * static_cast<double>(kPercent)), 0, kWhole));
  const auto rank = static_cast<std::uint64_t>(
      (static_cast<unsigned __int128>(count_) * part + kWhole - 1) / kWhole);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    // Rank 0 is the smallest value, as rank 1.
    if (seen >= std::max<std::uint64_t>(rank, 1)) return std::min(upper_edge(i), max_);
  }
  return 0;
}

double LatencyRecorder::mean() const {
  return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

std::uint64_t LatencyRecorder::upper_edge(std::size_t index) {
  constexpr std::size_t kFirst = std::size_t{1} << kBits;
  if (index < 2 * kFirst) return index;
  const std::size_t shift = (index >> kBits) - 1;
  const std::uint64_t leading = (index & (kFirst - 1)) | kFirst;
  return (leading << shift) + ((std::uint64_t{1} << shift) - 1);
}

}  // namespace headroom
